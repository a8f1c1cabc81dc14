"""Pan et al. 2014: contours, the exemplar found, and what it does for the kernel; on synthetic faces."""

from functools import cache

import pytest
import torch
import torch.nn.functional as F
from easy import easy, resemblance, shaken

from umsn.data import blur, synthetic
from umsn.evaluation import metrics, rivals
from umsn.evaluation.rivals import exemplar, scales
from umsn.faces import Face


@cache
def faces():
    """Six faces of 160 pixels, their blurred middles, and their own contours' slopes (6, 2, 127, 127)."""
    drawn = [synthetic.draw(identity, 0, seed=5, margin=16) for identity in range(500_000, 500_006)]
    images, labels = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    kernels = blur.kernels([13, 15, 17] * 2, torch.Generator().manual_seed(11), centre="mass")
    inside = Face(images, labels[:, 16:-16, 16:-16])
    lines = exemplar.contours(inside.labels)
    set_of = shaken(images, kernels)
    slopes = scales.gradients(set_of.sharp.mean(1, keepdim=True))
    return set_of, lines, slopes * lines[..., :-1, :-1]


def test_kernels_are_found():
    blurred, kernels = (part[:4] for part in faces()[0][1:])
    found = exemplar.estimate_kernel(blurred)
    assert found.shape == (4, 27, 27)
    assert found.min() >= 0
    torch.testing.assert_close(found.sum((1, 2)), torch.ones(4))
    assert (resemblance(found, kernels) >= 0.7).sum() >= 2
    assert resemblance(found[:1], exemplar.estimate_kernel(blurred[:1])) > 0.98


def test_ones_own_contours_beat_another_faces(monkeypatch):
    """After three turns; after twenty the others have caught up on most of it."""
    monkeypatch.setattr(exemplar, "TURNS", 3)
    _, _, own = faces()
    blurred, kernels = faces()[0].blurred, faces()[0].kernels
    found = [exemplar.estimate_kernel(blurred, exemplars=S) for S in (own, own.roll(1, 0), own.roll(2, 0))]
    values = [resemblance(k, kernels).mean() for k in found]
    assert values[0] > max(values[1:]) + 0.1
    again = [exemplar.estimate_kernel(blurred[:1], exemplars=own[:1]) for _ in range(2)]
    assert torch.equal(*again)


def test_a_face_in_the_gallery_is_found():
    """By its blurred image, among six, where it is and as large as it is."""
    set_of, lines, own = faces()
    S = exemplar.found(set_of.blurred.mean(1, keepdim=True), set_of.sharp.mean(1, keepdim=True), lines)
    near = [F.avg_pool2d(slopes.abs(), 7, stride=1).flatten(1) for slopes in (S, own)]
    alike = F.cosine_similarity(near[0][:, None], near[1], dim=-1)
    assert alike.argmax(1).tolist() == [0, 1, 2, 3, 4, 5]
    assert (alike.diagonal() > 0.85).all()


def test_contours_are_thin_and_leave_the_brow_out():
    _, lines, _ = faces()
    assert set(lines.unique().tolist()) == {0.0, 1.0}
    assert 0.01 < lines.mean() < 0.1
    assert lines[..., :30, :].sum() == 0


def test_a_drawing_has_fewer_slopes_and_a_lower_energy():
    """What the last x minimises, slopes counted at most lambda each, is less than for the blurred image itself."""
    set_of = faces()[0]
    y, kernel, weight = set_of.blurred.mean(1, keepdim=True), set_of.kernels[:, None], 4e-3
    x = exemplar.drawing(y, kernel, weight)

    def energy(image):
        again = torch.cat([F.conv2d(i[None], k[None].flip(-1, -2)) for i, k in zip(image, kernel, strict=True)])
        counted = (0.5 * scales.gradients(image).square().sum(1)).clamp_max(weight).sum((1, 2))
        return (again - y).square().sum((1, 2, 3)) + counted

    assert (energy(x) < energy(F.pad(y, (8,) * 4, mode="replicate"))).all()


def test_a_known_pixel_changes_nothing():
    pixel = F.pad(torch.ones(6, 1, 1), (4,) * 4)
    assert metrics.psnr(rivals.deconvolve(easy().sharp, pixel), easy().sharp).min() > 30
    flat = torch.full((1, 3, 64, 64), 0.4)
    torch.testing.assert_close(exemplar.deblur(flat, largest=9), flat, atol=1e-3, rtol=0)


@pytest.mark.parametrize("largest", [1, 8, 65])
def test_bad_kernels_are_refused(largest):
    with pytest.raises(ValueError, match=f"largest {largest}"):
        exemplar.deblur(torch.rand(1, 3, 64, 64), largest=largest)
