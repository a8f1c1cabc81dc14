import os

import pytest
import torch
from safetensors.torch import save_file

from umsn.files import InputError
from umsn.networks import weights
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
