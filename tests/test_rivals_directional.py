"""Zhong et al. 2013: views of a kernel, what filters leave of them, and kernels found under noise."""

import pytest
import torch
import torch.nn.functional as F
from easy import check, check_sharp, easy, resemblance, wiener

from umsn.data import blur
from umsn.evaluation import metrics
from umsn.evaluation.rivals import directional, fast_motion, noise


def test_kernels_are_found():
    check(directional)


def test_a_sharp_image_stays():
    check_sharp(directional, 23)
    pixel = F.pad(torch.ones(2, 1, 1), (4,) * 4)
    assert metrics.psnr(directional.restored(easy().sharp[:2], pixel), easy().sharp[:2]).min() > 28


def test_known_kernels_are_undone_better_than_by_wiener():
    restored = metrics.psnr(directional.restored(easy().blurred, easy().kernels), easy().sharp).mean()
    for balance in (0.01, 0.1):
        other = wiener(easy().blurred, easy().kernels, balance)
        assert restored > metrics.psnr(other, easy().sharp).mean()


def test_a_filter_does_not_change_the_view_along_it():
    """R_t(k * f_t) = R_t(k), up to what sharing between lines smooths; across it, the filter changes a view much."""
    kernel = F.pad(easy().kernels[:, None], (16,) * 4)
    filtered, plain = directional.projected(directional.filtered(kernel)), directional.projected(kernel)
    torch.testing.assert_close(plain.sum(-1), torch.ones(6, 36))
    along = (filtered - plain).abs().sum(-1).mean()
    across = (directional.projected(directional.filtered(kernel).roll(18, 1)) - plain).abs().sum(-1).mean()
    assert along < 0.1
    assert across > 4 * along


def test_views_give_the_kernel_back():
    kernels = blur.kernels([15] * 4, torch.Generator().manual_seed(2))
    back = directional.assembled(directional.projected(kernels[:, None]), 15)[:, 0]
    assert (resemblance(back.clamp_min(0), kernels) > 0.9).all()
    assert ((back * kernels).sum((1, 2)) / (back.norm(dim=(1, 2)) * kernels.norm(dim=(1, 2))) > 0.9).all()


def test_it_gains_under_noise_only():
    """Over Cho & Lee: much where the standard deviation of the noise is 0.03, nothing where it is 0."""
    gains = []
    for sigma in (0.0, 0.03):
        images = blur.add_noise(easy().blurred[2:5], sigma, torch.Generator().manual_seed(0))
        ours, theirs = (m.estimate_kernel(images, largest=19) for m in (directional, fast_motion))
        gains.append((resemblance(ours, easy().kernels[2:5]) - resemblance(theirs, easy().kernels[2:5])).mean())
    assert gains[0] < 0.05
    assert gains[1] > 0.1


def test_noise_is_measured_and_lessened():
    images = easy().blurred[2:5]
    for sigma in (0.01, 0.05):
        noisy = images + sigma * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
        found = noise.deviation(noisy)
        assert found.shape == (3, 1, 1, 1)
        torch.testing.assert_close(found.mean().item(), sigma, rtol=0.3, atol=0)
    left = noise.nonlocal_means(noisy, found)
    assert ((left - images).square().mean((1, 2, 3)) < (noisy - images).square().mean((1, 2, 3))).all()


@pytest.mark.parametrize("largest", [1, 8, 65])
def test_bad_kernels_are_refused(largest):
    with pytest.raises(ValueError, match=f"largest {largest}"):
        directional.deblur(torch.rand(1, 3, 64, 64), largest=largest)
