"""Cho & Lee 2009: its filters, its steps, and kernels found."""

import pytest
import torch
import torch.nn.functional as F
from easy import check, check_sharp, easy, resemblance, shaken, sharp, wiener

from umsn.evaluation import metrics, rivals
from umsn.evaluation.rivals import edges, fast_motion, scales


def test_kernels_are_found():
    check(fast_motion)


def test_a_sharp_image_stays():
    check_sharp(fast_motion, 29)
    pixel = F.pad(torch.ones(6, 1, 1), (4,) * 4)
    assert metrics.psnr(rivals.deconvolve(easy().sharp, pixel), easy().sharp).min() > 30


def test_a_thick_diagonal_comes_back():
    kernel = torch.eye(15)
    kernel[6:9, 6:9] += 0.7
    kernel = (kernel / kernel.sum())[None]
    found = fast_motion.estimate_kernel(shaken(sharp()[:1], kernel).blurred)
    assert resemblance(found, kernel) > 0.8


def test_known_kernels_are_undone_better_than_by_wiener():
    restored = metrics.psnr(rivals.deconvolve(easy().blurred, easy().kernels), easy().sharp).mean()
    for balance in (0.001, 0.01, 0.1):
        other = wiener(easy().blurred, easy().kernels, balance)
        assert restored > metrics.psnr(other, easy().sharp).mean()


def _misfit(blurred, scene, kernel):
    """||k * x - y||^2 of slopes, an image."""
    return torch.stack([
        (F.conv2d(x[:, None], k[None].flip(-1, -2)) - y[:, None]).square().sum()
        for x, k, y in zip(scene, kernel, blurred, strict=True)
    ])  # fmt: skip


def test_both_steps_lower_their_energy():
    """L's slopes, blurred, are nearer to y's than y's own are; then k for P's derivatives than a pixel is."""
    y = easy().blurred.mean(1, keepdim=True)
    kernel, pixel = easy().kernels[:, None], F.pad(torch.ones(6, 1, 1, 1), (8,) * 4)
    L, slopes = fast_motion.latent(y, kernel), scales.gradients(y)
    wide = F.pad(y, (8,) * 4, mode="replicate")
    assert (_misfit(slopes, scales.gradients(L), kernel) < _misfit(slopes, scales.gradients(wide), kernel) / 2).all()
    P = fast_motion.predicted(L, 17)
    fitted = fast_motion.fitted(fast_motion.derivatives(slopes), P, pixel)
    y, x = fast_motion.derivatives(slopes), fast_motion.derivatives(P)
    after, before = (
        _misfit(y, x, k) + fast_motion.RIDGE * k.square().sum((1, 2, 3)) for k in (fitted, pixel)
    )  # fmt: skip
    assert (after < before).all()


def test_an_edge_sharpens_and_extrema_stay():
    """A soft step becomes steeper under the shock filter, without leaving its range; the bilateral keeps a hard one."""
    soft = torch.sigmoid(torch.linspace(-6, 6, 32)).expand(1, 1, 8, 32)
    sharper = soft
    for _ in range(8):
        sharper = edges.shock(sharper, 0.7)
    assert sharper.diff(dim=-1).max() > 2 * soft.diff(dim=-1).max()
    assert soft.min() - 1e-6 <= sharper.min() and sharper.max() <= soft.max() + 1e-6
    hard = (torch.arange(32) > 15).float().expand(1, 1, 8, 32)
    torch.testing.assert_close(edges.bilateral(hard, alike=0.1), hard, atol=1e-6, rtol=0)
    noisy = hard + 0.02 * torch.randn(hard.shape, generator=torch.Generator().manual_seed(0))
    assert (edges.bilateral(noisy) - hard)[..., :12].square().mean() < (noisy - hard)[..., :12].square().mean() / 4


def test_each_direction_keeps_its_slopes():
    slopes = (
        torch.randn(2, 2, 40, 40, generator=torch.Generator().manual_seed(1)) * torch.tensor([1, 0.3])[:, None, None]
    )
    kept = edges.strongest(slopes, 30)
    angles = torch.atan2(kept[:, 1], kept[:, 0]).mul(4 / torch.pi).round().long() % 4
    counts = torch.stack([((angles == b) & (kept != 0).any(1)).sum((1, 2)) for b in range(4)])
    assert counts.min() == 30
    assert torch.equal(kept[kept != 0], slopes[kept != 0])
    assert ((edges.strongest(slopes, 30, 0.5) != 0).sum() > (kept != 0).sum()).item()


@pytest.mark.parametrize("largest", [1, 8, 65])
def test_bad_kernels_are_refused(largest):
    with pytest.raises(ValueError, match=f"largest {largest}"):
        fast_motion.deblur(torch.rand(1, 3, 64, 64), largest=largest)
