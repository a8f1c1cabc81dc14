"""Laws of putting faces back: an identity changes nothing, only what is framed changes, any size and mode goes."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut, coffee

from umsn.faces import Window
from umsn.files import InputError
from umsn.photos import detection, restore

PHOTO = torch.from_numpy(astronaut()).movedim(-1, 0).float() / 255
EYES = (110, 205), (110, 247)  #: row and column of the astronaut's eyes, read off the image


def identity(blurred):
    return blurred


def inverse(blurred):
    return 1 - blurred


def test_the_astronauts_face_is_framed_as_the_networks_know_it():
    """One frame; eyes 0.3 to 0.45 from the top, 0.25 to 0.37 apart and about in the middle."""
    (frame,) = detection.find_faces(PHOTO)
    (row, left), (_, right) = EYES
    assert frame.height == frame.width
    assert 0.30 < (row - frame.row) / frame.height < 0.45
    assert 0.25 < (right - left) / frame.width < 0.37
    assert 0.42 < ((left + right) / 2 - frame.column) / frame.width < 0.58


@pytest.mark.parametrize("scale", [0.5, 3])
def test_the_same_face_is_found_in_smaller_and_larger_pictures(scale):
    (frame,) = detection.find_faces(PHOTO)
    scaled = torch.nn.functional.interpolate(PHOTO[None], scale_factor=scale, mode="bilinear", antialias=True)[0]
    (other,) = detection.find_faces(scaled)
    assert np.abs(np.array(other) / scale - np.array(frame)).max() < 0.12 * frame.height


def test_no_face_is_seen_in_a_cup_of_coffee():
    assert detection.find_faces(torch.from_numpy(coffee()).movedim(-1, 0).float() / 255) == []


@pytest.mark.parametrize(
    "frames", [[], [Window(58, 161, 124, 124)], [Window(-30, 400, 300, 300), Window(0, 0, 400, 400)]]
)
def test_an_identity_changes_nothing(frames):
    assert torch.equal(restore.restore(PHOTO, identity, frames), PHOTO)


def test_nothing_outside_the_frame_changes():
    frame = Window(58, 161, 124, 124)
    restored = restore.restore(PHOTO, inverse, [frame])
    outside = torch.ones(PHOTO.shape[1:], dtype=torch.bool)
    outside[58:182, 161:285] = False
    assert torch.equal(restored[:, outside], PHOTO[:, outside])
    assert (restored - PHOTO)[:, 90:150, 190:250].abs().mean() > 0.1
    rim = (restored - PHOTO)[:, 58, 161:285].abs().max()
    assert rim < 0.01


def test_the_change_is_what_the_network_changed():
    """At the networks' own scale and away from the rim, the image becomes what the network says."""
    frame = Window(20, 30, 128, 128)
    restored = restore.restore(PHOTO, lambda x: x * 0.5 + 0.2, [frame])
    inner = Window(40, 50, 88, 88)
    torch.testing.assert_close(inner.crop(restored), inner.crop(PHOTO) * 0.5 + 0.2, atol=2e-3, rtol=0)


def test_overlapping_frames_do_not_add_up():
    """Two frames on one place change it as one does."""
    frame = Window(58, 161, 128, 128)
    once, twice = (restore.restore(PHOTO, inverse, [frame] * n) for n in (1, 2))
    inner = Window(80, 185, 80, 80)
    torch.testing.assert_close(inner.crop(once), inner.crop(twice))


def test_a_frame_over_the_edge_sees_the_picture_mirrored():
    seen = []
    restore.restore(PHOTO, lambda x: seen.append(x) or x, [Window(-64, 0, 128, 128)])
    np.testing.assert_allclose(seen[0][0, :, 1:64], seen[0][0, :, 65:].flip(1), atol=1e-6)


def test_the_network_sees_its_own_scale():
    shapes = []
    for frames in ([Window(0, 0, 300, 300)], [Window(0, 0, 40, 40)], []):
        restore.restore(PHOTO[:, :300, :400], lambda x: shapes.append(tuple(x.shape)) or x, frames)
    assert shapes == [(1, 3, 128, 128), (1, 3, 128, 128), (1, 3, 128, 171)]


def test_a_box_becomes_the_square_around_it():
    assert restore.square(Window(10, 20, 30, 50)) == Window(0, 20, 50, 50)


@pytest.mark.parametrize(
    ("size", "frames", "words"),
    [
        ((15, 300), [], "at least 16"),
        ((20, 300), [], "too long and thin"),
        ((300, 20), [], "--box"),
        ((100, 100), [Window(0, 0, 8, 8)], "at least 16"),
        ((100, 100), [Window(200, 0, 50, 50)], "outside the image"),
        ((100, 100), [Window(-50, -60, 50, 50)], "outside the image"),
        ((100, 100), [Window(0, 0, 9999, 9999)], "far larger"),
    ],
)
def test_what_cannot_be_done_is_said(size, frames, words):
    with pytest.raises(InputError, match=words):
        restore.restore(torch.rand(3, *size), identity, frames)


@pytest.mark.parametrize("size", [(16, 16), (17, 130), (128, 16), (301, 77)])
def test_odd_sizes_come_back_whole(size):
    photo = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    for frames in ([], detection.find_faces(photo), [Window(0, 0, 16, 16)]):
        restored = restore.restore(photo, inverse, frames)
        assert restored.shape == photo.shape and restored.min() >= 0 and restored.max() <= 1


def test_names_never_collide_with_each_other_or_with_a_photograph(tmp_path):
    sources = [tmp_path / name for name in ("a/face.jpg", "b/face.png", "out/face-2.png", "c/other.tif")]
    pairs = restore.results(sources, tmp_path / "out")
    names = [result.name for _, result in pairs]
    assert len(set(names)) == 4 and not {result for _, result in pairs} & set(sources)
    assert names == ["face.png", "face-3.png", "face-2-2.png", "other.png"]


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_faces_deblurred_together_come_back_where_they_were(tmp_path, batch):
    """Five photographs of two sizes, one of them bad: the same results, in the same order, for any batch."""
    for number in range(4):
        Image.fromarray(np.roll(astronaut(), 10 * number, 2)).save(tmp_path / f"{number}.png")
    Image.fromarray(astronaut()[:200, 150:300]).save(tmp_path / "small.png")
    (tmp_path / "2.png").write_bytes(b"nonsense")
    sizes, batches = [], []

    def inverted(small):
        batches.append(len(small))
        sizes.append(small.shape[-2:])
        return 1 - small

    photos = restore.photos_in([tmp_path])
    assert [photo.name for photo in photos] == ["0.png", "1.png", "2.png", "3.png", "small.png"]
    reports = list(restore.restore_all(photos, tmp_path / "out", inverted, batch=batch))
    assert {report.photo.name for report in reports if report.error is not None} == {"2.png"}
    assert max(batches) == min(batch, 4) and sum(batches) == 4
    for report in reports:
        if report.error is None:
            photo = torch.from_numpy(np.array(Image.open(report.photo))).movedim(-1, 0) / 255
            expected = restore.restore(photo, lambda small: 1 - small, report.frames)
            found = torch.from_numpy(np.array(Image.open(report.result))).movedim(-1, 0) / 255
            assert (found - expected).abs().max() < 1 / 255


def test_a_folder_without_pictures_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("none here")
    (report,) = restore.restore_all(restore.photos_in([tmp_path]), tmp_path / "out", identity)
    assert str(tmp_path) in str(report.error) and "photograph" in str(report.error)


def test_a_bad_photograph_does_not_stop_the_others(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"nonsense")
    Image.fromarray(astronaut()).save(tmp_path / "good.png")
    reports = list(restore.restore_all([tmp_path / "bad.jpg", tmp_path / "good.png"], tmp_path / "out", identity))
    assert [report.error is None for report in reports] == [False, True]
    assert str(tmp_path / "bad.jpg") in str(reports[0].error)
    assert len(reports[1].frames) == 1 and reports[1].seconds > 0
    assert (np.asarray(Image.open(reports[1].result)) == astronaut()).all()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]
