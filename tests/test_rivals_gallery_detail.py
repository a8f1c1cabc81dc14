import pytest
import torch

from umsn.evaluation.metrics import psnr
from umsn.evaluation.rivals import gallery_detail
from umsn.evaluation.rivals.gallery_detail import Gallery, enhanced, matches, smoothed, taken_apart


def textured(count=3, height=40, width=40, seed=0):
    """Images with edges and fine texture."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=generator)
    large = torch.nn.functional.interpolate(coarse, size=(height, width), mode="nearest")
    fine = torch.rand(count, 3, height, width, generator=generator)
    return (0.2 + 0.5 * large + 0.1 * fine).clamp(0, 1)


def test_a_face_that_is_in_the_gallery_gets_its_details_back(monkeypatch):
    faces = textured()
    structure = smoothed(faces)
    better = psnr(enhanced(structure, taken_apart(faces)), faces) - psnr(structure, faces)
    assert (better > 1).all()
    monkeypatch.setattr(gallery_detail, "NEAREST", 1)  # its own patches alone
    assert (psnr(enhanced(structure, taken_apart(faces)), faces) > 40).all()


def test_its_own_gallery_gives_more_than_another():
    faces, others = textured(), textured(seed=1)
    structure = smoothed(faces)
    own, other = (psnr(enhanced(structure, taken_apart(g)), faces).mean() for g in (faces, others))
    assert own > other + 1


def test_a_gallery_without_details_changes_nothing():
    faces = textured()
    empty = Gallery(smoothed(faces), torch.zeros_like(faces))
    assert torch.equal(enhanced(faces, empty), faces)


def test_flat_images_resemble_nothing():
    flat = torch.full((1, 3, 32, 32), 0.4)
    assert torch.allclose(enhanced(flat, taken_apart(textured())), flat, atol=1e-3)


def test_a_moved_face_is_found_within_reach_and_not_beyond(monkeypatch):
    monkeypatch.setattr(gallery_detail, "NEAREST", 1)
    wide = torch.rand(1, 3, 60, 60, generator=torch.Generator().manual_seed(0))
    gallery = wide[..., 10:50, 10:50]
    reach = gallery_detail.REACH
    moved, far = wide[..., 10 - reach : 50 - reach, 10:50], wide[..., 10 - reach - 3 : 50 - reach - 3, 10:50]
    grey = gallery.mean(1, keepdim=True)
    near, beyond = (matches(image.mean(1, keepdim=True), grey)[0] for image in (moved, far))
    inside = near.score.view(-1, 9)[2:]
    assert (inside > 0.99).all() and beyond.score.mean() < inside.mean() - 0.1
    assert (near.shift.view(-1, 9)[2:] // (2 * reach + 1) == 0).all()


def test_smoothing_and_details_add_up_to_the_face():
    faces = textured()
    found = taken_apart(faces)
    torch.testing.assert_close(found.smooth + found.detail, faces)
    flat = torch.full((1, 3, 20, 20), 0.3)
    torch.testing.assert_close(smoothed(flat), flat)


@pytest.mark.parametrize("size", [(40, 40), (37, 61), (5, 9)])
def test_any_size_is_enhanced_alone_as_in_company_and_the_same_each_time(size):
    structure, gallery = smoothed(textured(2, *size)), taken_apart(textured())
    found = enhanced(structure, gallery)
    assert found.shape == structure.shape and 0 <= found.min() and found.max() <= 1
    assert torch.equal(enhanced(structure, gallery), found)
    assert torch.equal(enhanced(structure[:1], gallery), found[:1])


def test_the_nearest_are_in_order_and_of_different_patches():
    z = smoothed(textured(1)).mean(1, keepdim=True)
    match = matches(z, smoothed(textured(4)).mean(1, keepdim=True))[0]
    assert match.score.shape[0] == gallery_detail.NEAREST and (match.score.diff(dim=0) <= 0).all()
    who = match.face * 1000 + match.shift
    assert all(len(set(column.tolist())) == len(column) for column in who.T)
    assert match.score.max() <= 1 + 1e-4 and match.ratio.max() <= gallery_detail.STRONGEST
