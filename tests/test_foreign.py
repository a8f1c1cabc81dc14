import pytest
import torch
from safetensors.torch import save_file

from umsn.files import InputError
from umsn.networks import foreign

WEIGHT = torch.arange(6.0).view(2, 3)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "net"])
def test_a_state_dict_is_found_bare_or_wrapped(tmp_path, wrapper):
    path = tmp_path / "a.pth"
    torch.save({"a.weight": WEIGHT, "epoch": 3} if wrapper is None else {wrapper: {"a.weight": WEIGHT}}, path)
    found = foreign.tensors(path, "weights")
    assert list(found) == ["a.weight"] and torch.equal(found["a.weight"], WEIGHT)


def test_what_fits_is_float32_and_the_rest_is_left(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": WEIGHT.half(), "b": WEIGHT}, path)
    found = foreign.fitting(foreign.tensors(path, "weights"), {"a": torch.zeros(2, 3)}, path, "one layer was")
    assert list(found) == ["a"] and found["a"].dtype == torch.float32 and torch.equal(found["a"], WEIGHT)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"b": WEIGHT}, r"a\.pth: no a \(1 of 1 tensors missing\); one layer was expected"),
        ({"a": WEIGHT.T.clone()}, r"a\.pth: a is \(3, 2\); \(2, 3\) was expected"),
        ({"a": WEIGHT / 0}, r"a\.pth: a holds numbers that are not finite"),
        ([1, 2], r"a\.pth: holds a list; a state dict was expected"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(tmp_path, content, said):
    path = tmp_path / "a.pth"
    torch.save(content, path)
    with pytest.raises(InputError, match=said):
        foreign.fitting(foreign.tensors(path, "weights"), {"a": torch.zeros(2, 3)}, path, "one layer was")


def test_files_that_are_no_weights_are_refused(tmp_path):
    (tmp_path / "a.pth").write_text("text")
    for name, said in (("a.pth", "cannot be read"), ("b.pth", r"no such file; weights \(.pth")):
        with pytest.raises(InputError, match=said):
            foreign.tensors(tmp_path / name, "weights")
