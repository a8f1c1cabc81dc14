"""Nothing that umsn did not write is replaced, and no result is taken for a photograph."""

import os
import unicodedata

import hostile
import numpy as np
import pytest
import torch
from PIL import Image

from umsn.photos import photographs, sources
from umsn.photos.restore import restore_all

FACE = hostile.FACE
FILES = hostile.files()
posix = pytest.mark.skipif(os.name != "posix", reason="FIFOs, links and names of bytes are POSIX's")


def deblurred(folder, out, **options):
    return list(restore_all(sources.photos_in([folder]), out, lambda blurred: blurred, whole=True, **options))


def test_a_foreign_file_is_kept_and_our_own_result_replaced(tmp_path):
    (tmp_path / "a.jpg").write_bytes(FILES["a.jpg"])
    (tmp_path / "a.png").write_bytes(FILES["a.png"])
    for _ in range(3):
        reports = deblurred(tmp_path, tmp_path)
        assert [report.result.name for report in reports] == ["a-2.png", "a-3.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-2.png", "a-3.png", "a.jpg", "a.png"]
    assert (tmp_path / "a.png").read_bytes() == FILES["a.png"]


def test_a_result_that_somebody_changed_is_a_photograph_again(tmp_path):
    (tmp_path / "a.jpg").write_bytes(FILES["a.jpg"])
    deblurred(tmp_path, tmp_path)
    Image.open(tmp_path / "a.png").rotate(90).save(tmp_path / "a.png")
    changed = (tmp_path / "a.png").read_bytes()
    assert [path.name for path in sources.photos_in([tmp_path])] == ["a.jpg", "a.png"]
    deblurred(tmp_path, tmp_path)
    assert (tmp_path / "a.png").read_bytes() == changed


def test_names_that_differ_in_case_or_composition_only_never_share_a_result(tmp_path):
    names = ["A.jpg", "a.tif", unicodedata.normalize("NFC", "é.jpg"), unicodedata.normalize("NFD", "é.tif")]
    found = [place.result.name for place in sources.results(names, tmp_path)]
    assert len({unicodedata.normalize("NFC", name).casefold() for name in found}) == 4


@posix
def test_a_photograph_under_another_name_is_kept(tmp_path):
    """A result's name that is a hard link, or a link, to a photograph of ours from before."""
    (tmp_path / "a.jpg").write_bytes(FILES["a.jpg"])
    (first,) = deblurred(tmp_path, tmp_path / "out")
    for link in (os.link, os.symlink):
        folder = tmp_path / link.__name__
        folder.mkdir()
        link(first.result, folder / "a.png")
        places = sources.results([first.result], folder)
        assert places[0].result.name == "a-2.png"


@pytest.mark.parametrize("length", [200, 250, 251])
def test_long_names_are_cut(tmp_path, length):
    (place,) = sources.results([f"{'é' * (length // 2)}.jpg"], tmp_path)
    place.result.touch()
    (again,) = sources.results([f"{'é' * (length // 2)}.jpg"], tmp_path)
    assert again.result != place.result and len(os.fsencode(again.result.name)) <= 255


@posix
def test_a_folder_gives_every_picture_and_nothing_else(tmp_path):
    names = {
        "a.jfif": FILES["a.jpg"],
        "b.JPE": FILES["a.jpg"],
        "c.mpo": FILES["a.jpg"],
        "no suffix": FILES["a.png"],
        "d.heic": b"\0\0\0\x18ftypheic",
        "e.nef": b"II*\0",
        "f.jxl": b"\xff\x0a",
        "g.png": b"",
        "._h.jpg": b"\0\5\x16\7",
        ".i.png": FILES["a.png"],
        "Thumbs.db": b"\xd0\xcf",
        "notes.txt": b"none",
        "j.pdf": b"%PDF",
    }
    for name, content in names.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "fifo.png")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    found = [path.name for path in sources.photos_in([tmp_path])]
    read = ["a.jfif", "b.JPE", "c.mpo", "no suffix"]
    assert sorted(found) == sorted([*read, "d.heic", "e.nef", "f.jxl", "g.png", "fifo.png", "loop.jpg"])
    reports = deblurred(tmp_path, tmp_path / "out", batch=3)
    assert sorted(report.photo.name for report in reports if report.error is None) == read
    said = {report.photo.name: str(report.error) for report in reports}
    assert "HEIC is not read" in said["d.heic"] and "NEF" in said["e.nef"] and "JPEG XL" in said["f.jxl"]


@pytest.mark.parametrize("batch", [1, 8])
def test_few_photographs_wait_in_memory(tmp_path, monkeypatch, batch):
    monkeypatch.setattr("umsn.photos.restore.HELD", FACE.nbytes)
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(FILES["a.png"])
    together = []
    list(
        restore_all(
            sources.photos_in([tmp_path]),
            tmp_path / "out",
            lambda y: together.append(len(y)) or y,
            whole=True,
            batch=batch,
        )
    )
    assert max(together) <= 2 and sum(together) == 5


def test_far_frames_are_worked_on_apart_and_near_ones_together(tmp_path):
    from umsn.faces import Window
    from umsn.photos import framing, restore

    photo = photographs.opened(_written(tmp_path, np.tile(FACE, (4, 4, 1))))
    frames = [Window(0, 0, 40, 40), Window(30, 30, 50, 50), Window(400, 440, 100, 100), Window(-20, 300, 60, 60)]
    changes = [copy * 0.3 - 0.1 for copy in restore.small_copies(photo, frames)]
    expected = restore.put_back(photo.part(slice(None), slice(None)), frames, changes)
    framing.put_into(photo, frames, changes)
    assert (photo.part(slice(None), slice(None)) - expected).abs().max() <= 0.5 / 255 + 1e-6
    assert framing._touching(frames, photo.size) == [[0, 1], [2], [3]]


def test_a_whole_picture_changes_as_its_copy_does(tmp_path):
    from umsn.photos import framing, restore

    for pixels in (FACE, FACE[..., 0]):
        photo = photographs.opened(_written(tmp_path, pixels))
        expected = restore.restore(photo.part(slice(None), slice(None)), lambda y: y * 0.5, [])
        framing.put_into(photo, [], [-0.5 * restore.small_copies(photo, [])[0]])
        assert (photo.part(slice(None), slice(None)) - expected).abs().max() <= 0.5 / 255 + 2e-3


def test_smaller_copies_are_those_of_the_whole(tmp_path):
    photo = photographs.opened(_written(tmp_path, np.tile(FACE, (7, 7, 1))))
    whole = photo.part(slice(None), slice(None))
    small = torch.nn.functional.interpolate(whole[None], (100, 93), mode="bilinear", antialias=True)[0]
    torch.testing.assert_close(photo.shrunk(100, 93), small, atol=1e-5, rtol=0)


def _written(folder, pixels):
    Image.fromarray(pixels).save(folder / "a.png")
    return folder / "a.png"
