import os

import pytest
import torch
from safetensors.torch import save_file

from umsn.files import InputError
from umsn.networks import rivals, weights
from umsn.networks.deblurring import build
from umsn.networks.parsing import SNet

FACTS = {"method": "nrl", "width": 16, "expansion": 1, "parsing_widths": [4, 8]}


def saved(path, *, half=False):
    """A file as `stages.export` writes it, and the networks in it."""
    snet, network = SNet(widths=(4, 8)), build("nrl", width=16)
    tensors = {f"snet.{n}": t for n, t in snet.state_dict().items()}
    tensors |= {f"network.{n}": t for n, t in network.state_dict().items()}
    weights.save(path, tensors, FACTS, half=half)
    return snet, network


def test_what_was_saved_is_loaded_bit_for_bit(tmp_path):
    snet, network = saved(tmp_path / "a.safetensors")
    pipeline = weights.pipeline(tmp_path / "a.safetensors")
    blurred = torch.rand(1, 3, 33, 40)
    with torch.inference_mode():
        expected = network(blurred, snet.masks(blurred)).restored.clamp(0, 1)
    assert torch.equal(pipeline(blurred).restored, expected)
    assert pipeline.facts == FACTS


def test_half_precision_is_half_the_size_and_float32_again_when_loaded(tmp_path):
    saved(tmp_path / "full.safetensors")
    saved(tmp_path / "half.safetensors", half=True)
    full, half = ((tmp_path / f"{n}.safetensors").stat().st_size for n in ("full", "half"))
    assert half < 0.65 * full
    tensors, _ = weights.load(tmp_path / "half.safetensors")
    assert {t.dtype for t in tensors.values()} == {torch.float32}


def test_bad_files_are_named(tmp_path):
    good = tmp_path / "good.safetensors"
    saved(good)
    (tmp_path / "cut.safetensors").write_bytes(good.read_bytes()[:-1000])
    (tmp_path / "text.safetensors").write_text("not weights")
    torch.save({"a": torch.zeros(1)}, tmp_path / "pickle.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    for name in ("missing", "cut", "text", "pickle", "foreign"):
        with pytest.raises(
            InputError, match=rf"{name}\.safetensors: .*expected|{name}\.safetensors: .*another program"
        ):
            weights.pipeline(tmp_path / f"{name}.safetensors")


def test_weights_of_other_networks_do_not_fit(tmp_path):
    path = tmp_path / "a.safetensors"
    saved(path)
    tensors, facts = weights.load(path)
    weights.save(path, tensors, facts | {"width": 32})
    with pytest.raises(InputError, match=r"a\.safetensors: does not fit UMSN"):
        weights.pipeline(path)
    weights.save(path, tensors, {})
    with pytest.raises(InputError, match="says nothing of its networks"):
        weights.pipeline(path)


def test_a_width_that_the_file_does_not_fill_is_refused_before_it_is_allocated(tmp_path, monkeypatch):
    """This rival of width 512 would take 3 GB."""
    saved(tmp_path / "a.safetensors")
    tensors, facts = weights.load(tmp_path / "a.safetensors")
    devices, make = [], rivals.nah.Nah.__init__

    def remember(network, **widths):
        make(network, **widths)
        devices.append(next(network.parameters()).device.type)

    monkeypatch.setattr(rivals.nah.Nah, "__init__", remember)
    with pytest.raises(InputError, match="'nah' of width 512 has 747,479,337"):
        weights.assembled(tensors, facts | {"method": "nah", "width": 512}, source="a", digest="")
    assert devices == ["meta"]


def test_the_package_s_networks_load_and_restore_within_range():
    pipeline = weights.shipped()
    restored = pipeline(torch.rand(1, 3, 128, 128)).restored
    assert restored.shape == (1, 3, 128, 128) and 0 <= restored.min() and restored.max() <= 1
    with pytest.raises(InputError, match="no weights of that name"):
        weights.shipped("nothing")


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_others_may_read_the_file_as_any_other(tmp_path):
    weights.save(tmp_path / "a.safetensors", {"a": torch.zeros(1)}, {})
    (tmp_path / "b").touch()
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_when_loaded(tmp_path, value):
    saved(tmp_path / "a.safetensors")
    tensors, facts = weights.load(tmp_path / "a.safetensors")
    name = next(iter(tensors))
    weights.save(tmp_path / "a.safetensors", tensors | {name: torch.full_like(tensors[name], value)}, facts)
    with pytest.raises(InputError, match=r"a\.safetensors: cannot be read \(.* not finite"):
        weights.pipeline(tmp_path / "a.safetensors")


def test_weights_that_overflow_are_an_error_not_a_black_face(tmp_path):
    saved(tmp_path / "a.safetensors")
    tensors, facts = weights.load(tmp_path / "a.safetensors")
    weights.save(tmp_path / "a.safetensors", {n: t * 0 + 1e30 for n, t in tensors.items()}, facts)
    with pytest.raises(InputError, match="not finite"):
        weights.pipeline(tmp_path / "a.safetensors")(torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("field", "value"),
    [("width", -16), ("width", 10**6), ("width", "16"), ("expansion", 0), ("parsing_widths", [0]), ("method", "x")],
)
def test_facts_that_build_no_network_are_named(tmp_path, field, value):
    saved(tmp_path / "a.safetensors")
    tensors, facts = weights.load(tmp_path / "a.safetensors")
    weights.save(tmp_path / "a.safetensors", tensors, facts | {field: value})
    with pytest.raises(InputError, match=rf"a\.safetensors: .*facts\.{field}"):
        weights.pipeline(tmp_path / "a.safetensors")
