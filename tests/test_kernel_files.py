"""What `umsn kernels` writes is read; what is no kernel is refused by its name."""

import numpy as np
import pytest

from umsn import cli
from umsn.data.kernel_files import read_kernels
from umsn.files import InputError

GOOD = np.eye(5) / 5


@pytest.fixture
def drawn(tmp_path):
    assert cli.main(["kernels", "3", "--size", "7", "-o", str(tmp_path / "k")]) == 0
    return tmp_path / "k"


def test_drawn_kernels_are_read_one_and_all(drawn):
    alone, _ = read_kernels(drawn / "kernel-0001.npy")
    all_, digest = read_kernels(drawn)
    assert list(all_) == ["kernel-0000", "kernel-0001", "kernel-0002"]
    np.testing.assert_array_equal(alone["kernel-0001"], all_["kernel-0001"])
    np.save(drawn / "kernel-0001.npy", GOOD)
    assert read_kernels(drawn)[1] != digest


def test_an_npz_holds_several(tmp_path):
    np.savez(tmp_path / "k.npz", a=GOOD, b=np.ones((1, 1)))
    found, _ = read_kernels(tmp_path / "k.npz")
    assert {name: kernel.shape for name, kernel in found.items()} == {"a": (5, 5), "b": (1, 1)}


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.eye(4) / 4, "square, odd"),
        (np.full((3, 5), 1 / 15), "square, odd"),
        (np.full((129, 129), 1 / 129**2), "at most 127"),
        (GOOD[None], "rows and columns"),
        (np.array([["a"]]), "rows and columns"),
        (GOOD * np.nan, "finite"),
        (GOOD * 0, "of sum 1"),
        (-GOOD, "from 0"),
        (np.array([[None]]), "cannot be read"),
    ],
)
def test_what_is_no_kernel_is_refused(tmp_path, array, words):
    np.save(tmp_path / "k.npy", array)
    with pytest.raises(InputError, match=rf"k\.npy: .*{words}"):
        read_kernels(tmp_path / "k.npy")


def test_an_empty_folder_and_another_program_s_file_are_refused(tmp_path):
    for name in ("empty", "k.npz"):
        (tmp_path / "k.npz").write_text("hello") if name == "k.npz" else (tmp_path / name).mkdir()
        with pytest.raises(InputError, match="kernels in an"):
            read_kernels(tmp_path / name)


def test_the_command_replaces_its_own_files_only(drawn, capsys):
    assert cli.main(["kernels", "3", "--size", "9", "-o", str(drawn)]) == 0
    (drawn / "kernels.png").write_bytes(b"\x89PNG of somebody")
    assert cli.main(["kernels", "3", "-o", str(drawn)]) == 2
    assert "kernels.png: is there already" in capsys.readouterr().err
    assert np.load(drawn / "kernel-0000.npy").shape == (9, 9)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_small_kernels_are_kernels(size):
    """A path may spend no time at all on so few pixels."""
    import torch

    from umsn.data import blur

    drawn = blur.kernels([size] * 300, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.sum((1, 2)), torch.ones(300))
