"""The walk in ONNX restores what torch restores, and its file is made once."""

import shutil
from types import SimpleNamespace

import onnx
import pytest
import torch
from skimage.data import astronaut

from umsn.data import blur
from umsn.faces import SIDE
from umsn.files import InputError
from umsn.networks import onnx_export
from umsn.networks.blocks import SharedSmoothing
from umsn.networks.onnx_export import AGREES, Exported, Fast, Walk, export
from umsn.networks.weights import shipped

RANDOM = torch.Generator().manual_seed(1)
FACE = torch.from_numpy(astronaut()[40:168, 160:288].copy()).movedim(-1, 0)[None].float() / 255
KERNELS = blur.kernels([13, 21, 29], RANDOM, pad_to=29)
PICTURES = blur.add_noise(blur.blur(FACE.expand(3, -1, -1, -1), KERNELS), 0.01, RANDOM)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cache with the package's networks, exported."""
    folder = tmp_path_factory.mktemp("cache")
    Fast(shipped(), folder=folder)
    return folder


def test_it_agrees_with_torch_on_the_trained_networks(folder):
    """On a face under three blurs, and on noise alone: all that S-Net and UMSN compute, to the promised 1e-3."""
    pictures = torch.cat([PICTURES, torch.rand(1, 3, SIDE, SIDE, generator=RANDOM)])
    restored, masks = Exported(next(folder.iterdir()))(pictures)
    expected = shipped()(pictures).restored
    assert (restored - expected).abs().max() <= AGREES
    assert (masks - shipped().masks(pictures)).abs().max() <= AGREES
    assert (expected - pictures).abs().max() > 10 * AGREES  # or it would prove little


def test_each_convolution_is_one_operator(folder):
    """The smoothing filter too: what is made for a compiler would be slow here, and take minutes to export."""
    kinds = [node.op_type for node in onnx.load(next(folder.iterdir())).graph.node]
    layers = [m for m in Walk(shipped()).modules() if isinstance(m, torch.nn.Conv2d | SharedSmoothing)]
    assert kinds.count("Conv") == len(layers)


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_pictures_each_as_it_is_alone(folder, count):
    together = Fast(shipped(), folder=folder)(PICTURES[:count])
    alone = torch.cat([Fast(shipped(), folder=folder)(picture[None]) for picture in PICTURES[:count]])
    assert together.shape == (count, 3, SIDE, SIDE)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)


def test_other_sizes_are_torchs(folder):
    picture = PICTURES[:1, :, :90, :71]
    assert torch.equal(Fast(shipped(), folder=folder)(picture), shipped()(picture).restored)


def test_the_file_is_made_once_and_again_when_spoilt(folder, monkeypatch):
    (path,) = folder.iterdir()
    before = path.stat().st_mtime_ns
    Fast(shipped(), folder=folder)
    assert path.stat().st_mtime_ns == before and shipped().digest in path.name
    whole = path.read_bytes()
    made = made_again(monkeypatch, whole, path)
    path.write_bytes(whole[:1000])
    Fast(shipped(), folder=folder)
    assert made == [path] and path.read_bytes() == whole


def made_again(monkeypatch, whole, path):
    """Have torch export what ``whole`` holds without its seal, at once; which files were there when it was saved."""
    made = []

    def save(beside):
        made.extend(other for other in (path,) if other.exists())  # another process may be reading it
        beside.write_bytes(whole[: -32 - len(onnx_export.SEAL)])

    monkeypatch.setattr("torch.onnx.export", lambda *_, **__: SimpleNamespace(save=save))
    return made


def test_a_file_that_disagrees_is_not_kept(folder, tmp_path, monkeypatch):
    made = SimpleNamespace(save=lambda path: shutil.copy(next(folder.iterdir()), path))
    monkeypatch.setattr("torch.onnx.export", lambda *_, **__: made)
    monkeypatch.setattr(Exported, "__call__", lambda self, blurred: (blurred, torch.zeros(len(blurred), 4, SIDE, SIDE)))
    with pytest.raises(RuntimeError, match=r"differs from torch by"):
        export(shipped(), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_bad_files_are_named(tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"no\.onnx: not a network that ONNX Runtime can run"):
        Exported(tmp_path / "no.onnx")


def test_flipped_bits_in_the_cache_are_noticed(folder, tmp_path, monkeypatch):
    """Any byte: a network with another number would run as well."""
    (path,) = folder.iterdir()
    whole, spoilt = path.read_bytes(), tmp_path / path.name
    made = made_again(monkeypatch, whole, spoilt)
    for place in (1000, len(whole) // 2, len(whole) - 40, len(whole) - 1):
        spoilt.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        Fast(shipped(), folder=tmp_path)
        assert made.pop() == spoilt and spoilt.read_bytes() == whole
