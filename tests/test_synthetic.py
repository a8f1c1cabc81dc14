"""Synthetic faces: repeatable, labelled to the pixel, framed like the data sets, and found by a detector of faces."""

import dataclasses

import numpy as np
import pytest
import skimage.data
import torch
from skimage.feature import Cascade

from umsn.data.synthetic import draw, faces, identity_of, shot_of
from umsn.faces import CLASS_OF_LABEL, LABELS
from umsn.files import InputError

SEED = 5


@pytest.fixture(scope="module")
def drawn():
    """64 photographs of 32 people."""
    return faces(64, seed=SEED, shots_per_identity=2, workers=1)


def shots(drawn):
    return [shot_of(*map(int, name[2:].split("-")), SEED, {}) for name in drawn.names]


def test_same_seed_same_bytes_however_many_workers(drawn):
    few = faces(4, seed=SEED, shots_per_identity=2, workers=1)
    again = faces(4, seed=SEED, shots_per_identity=2, workers=2)
    assert few.names == again.names == drawn.names[:4] == ["id0000-00", "id0000-01", "id0001-00", "id0001-01"]
    for other in (again, drawn):
        assert torch.equal(few.photos, other.photos[:4])
        assert torch.equal(few.labels, other.labels[:4])
    one = draw(1, 1, seed=SEED)
    assert torch.equal(one.photo, few.face(3).photo)
    assert torch.equal(one.labels, few.labels[3])


def test_another_seed_person_or_shot_is_another_photograph():
    photos = [
        draw(*who, seed=seed, size=64).photo for who, seed in (((0, 0), 1), ((1, 0), 1), ((0, 1), 1), ((0, 0), 2))
    ]
    for i, a in enumerate(photos):
        assert all((a - b).abs().mean() > 0.05 for b in photos[:i])


def test_identities_cycle_in_order():
    some = faces(5, seed=1, size=32, identities=[7, 3], shots_per_identity=2)
    assert some.names == ["id0007-00", "id0007-01", "id0003-00", "id0003-01", "id0007-02"]
    assert some.identities.tolist() == [7, 7, 3, 3, 7]
    assert some.photos.shape == (5, 3, 32, 32)
    assert some.labels.dtype == torch.uint8


def test_an_identity_is_fixed_and_a_shot_varies():
    assert identity_of(4, 9) == identity_of(4, 9) != identity_of(5, 9)
    a, b = shot_of(4, 0, 9, {}), shot_of(4, 1, 9, {})
    assert a.yaw != b.yaw
    with pytest.raises(dataclasses.FrozenInstanceError):
        a.yaw = 0.0


def test_every_helen_label_appears_and_fills_its_usual_share(drawn):
    share = np.bincount(drawn.labels.ravel(), minlength=len(LABELS)) / drawn.labels.numel()
    assert (share > 0).all()
    assert len(share) == len(LABELS)
    classes = np.bincount(CLASS_OF_LABEL, weights=share)
    # Of 100 real faces framed alike: 27, 41, 7 and 25 per cent.
    assert np.abs(classes - [0.27, 0.41, 0.07, 0.25]).max() < 0.06


def test_faces_are_framed_like_the_data_sets(drawn):
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")

    def centre(label):
        masks = (drawn.labels == label).float()
        seen = masks.sum((1, 2)) > 20
        weight = masks[seen].sum((1, 2))
        return torch.stack([(masks[seen] * axis).sum((1, 2)) / weight for axis in (rows, columns)], 1).mean(0)

    left, right, nose, lip = (centre(LABELS.index(name)) for name in ("left eye", "right eye", "nose", "lower lip"))
    assert abs(right[1] - left[1] - 0.30 * 128) < 2
    assert abs((left + right)[0] / 2 - 48) < 2
    assert abs((left + right)[1] / 2 - 63.5) < 2
    assert abs(nose[0] - 64) < 3
    assert abs(lip[0] - 94.5) < 3


def test_a_margin_adds_pixels_around_the_same_face():
    narrow, wide = draw(3, 0, seed=SEED), draw(3, 0, seed=SEED, margin=16)
    assert wide.photo.shape == (3, 160, 160)
    inside = slice(24, 136)  # away from the window's edge, where the lens mixes in what lies beyond
    assert (wide.labels[inside, inside] == narrow.labels[8:120, 8:120]).float().mean() > 0.995
    assert (wide.photo[:, inside, inside] - narrow.photo[:, 8:120, 8:120]).abs().mean() < 2 / 255


def test_labels_lie_on_the_pictures_edges_to_the_pixel(drawn):
    """Light changes most, on average, across the labels' own borders: moved by 2 pixels any way, they fit worse."""
    light = drawn.photos.float().mean(1) / 255
    steep = (light[:, :, 1:] - light[:, :, :-1]).abs(), (light[:, 1:] - light[:, :-1]).abs()

    def fit(labels):
        across = labels[:, :, 1:] != labels[:, :, :-1], labels[:, 1:] != labels[:, :-1]
        inner = slice(8, 119)
        return sum(float(s[:, inner, inner][a[:, inner, inner]].mean()) for s, a in zip(steep, across, strict=True))

    best = fit(drawn.labels)
    for rows, columns in ((2, 0), (-2, 0), (0, 2), (0, -2), (2, 2), (-2, -2)):
        assert fit(drawn.labels.roll((rows, columns), (1, 2))) < 0.85 * best
    for rows, columns in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        assert fit(drawn.labels.roll((rows, columns), (1, 2))) < best


def test_a_detector_trained_on_real_faces_finds_the_sharp_ones(drawn):
    """At least 95% are meant to be found. Of the 50-odd here that allows 2 misses; the seed makes it repeatable."""
    cascade = Cascade(skimage.data.lbp_frontal_face_cascade_filename())
    found = []
    for photo, shot in zip(drawn.photos.numpy(), shots(drawn), strict=True):
        if abs(shot.yaw) <= 15:
            picture = np.pad(photo.transpose(1, 2, 0), ((24, 24), (24, 24), (0, 0)), mode="edge")
            boxes = cascade.detect_multi_scale(
                picture, scale_factor=1.1, step_ratio=1, min_size=(60, 60), max_size=(150, 150)
            )
            found.append(
                any(abs(b["r"] + b["height"] / 2 - 88) < 25 and abs(b["c"] + b["width"] / 2 - 88) < 25 for b in boxes)
            )
    assert len(found) > 40
    assert np.mean(found) >= 0.95


def test_light_varies_with_scale_as_in_photographs(drawn):
    """The power spectrum of natural images falls about as frequency to -2 (Field 1987); of faces, faster."""
    light = drawn.photos.double().mean(1) / 255
    window = torch.hann_window(128, dtype=torch.double)
    power = torch.fft.fft2((light - light.mean((1, 2), keepdim=True)) * window * window[:, None]).abs() ** 2
    f = torch.fft.fftfreq(128, 1 / 128)
    radius = torch.hypot(f, f[:, None]).round().int()
    k = torch.arange(4, 60)
    mean = torch.stack([power[:, radius == r].mean() for r in k])
    slope = np.polyfit(np.log(k), np.log(mean), 1)[0]
    assert -3.4 < slope < -2.5  # 100 real faces framed alike: -3.04
    assert 0.18 < light.std((1, 2)).mean() < 0.28  # and 0.233


def pixels(face, *names):
    return int(torch.isin(face.labels, torch.tensor([LABELS.index(name) for name in names])).sum())


def test_overrides_do_what_they_say():
    plain = {"expression": "neutral", "yaw": 0.0, "pitch": 0.0, "background": "plain"}
    face = draw(2, 0, seed=SEED, **plain)
    assert pixels(draw(2, 0, seed=SEED, **{**plain, "expression": "blink"}), "left eye", "right eye") < 0.2 * pixels(
        face, "left eye", "right eye"
    )
    assert (
        pixels(draw(2, 0, seed=SEED, **{**plain, "expression": "open"}), "inner mouth")
        > pixels(face, "inner mouth") + 30
    )
    assert pixels(draw(2, 0, seed=SEED, occlusion="sunglasses", **plain), "left eye", "right eye") < 5
    lower = "upper lip", "lower lip", "skin", "nose"
    low, high = (draw(2, 0, seed=SEED, occlusion="hand", hand_raised=by, **plain) for by in (0.0, 0.5))
    assert pixels(high, *lower) < pixels(low, *lower) < 0.95 * pixels(face, *lower)
    dusk, night = (draw(2, 0, seed=SEED, darkness=by, **plain).photo.mean() for by in (0.5, 1.0))
    assert night < 0.8 * dusk < 0.8**2 * face.photo.mean()
    columns = torch.arange(128.0)

    def nose(yaw):
        mask = (draw(2, 0, seed=SEED, **{**plain, "yaw": yaw}).labels == LABELS.index("nose")).float()
        return float((mask.sum(0) * columns).sum() / mask.sum())

    assert nose(-20.0) + 1.5 < nose(0.0) < nose(20.0) - 1.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"pose": 3},
        {"expression": "angry"},
        {"occlusion": "scarf"},
        {"darkness": 2.0},
        {"background": "sea"},
        {"size": 8},
        {"margin": -1},
    ],
)
def test_impossible_faces_are_refused(wrong):
    with pytest.raises(InputError, match=r"expected|override"):
        draw(0, 0, seed=0, **wrong)


def test_nothing_to_draw_is_refused():
    with pytest.raises(InputError, match="at least 1"):
        faces(0, seed=0)
