"""Shan, Jia & Agarwala 2008: the cheapest slope, an energy that falls, and kernels found."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from easy import check, check_sharp, easy, wiener

from umsn.data import blur
from umsn.evaluation import metrics
from umsn.evaluation.rivals import high_quality as shan
from umsn.evaluation.rivals.nonblind import operators


def test_kernels_are_found():
    check(shan)


def test_a_sharp_image_stays():
    check_sharp(shan, 26)
    pixel = F.pad(torch.ones(6, 1, 1), (4,) * 4)
    assert metrics.psnr(shan.restored(easy().sharp, pixel), easy().sharp).min() > 30


def test_known_kernels_are_undone_better_than_by_wiener():
    restored = metrics.psnr(shan.restored(easy().blurred, easy().kernels), easy().sharp).mean()
    for balance in (0.001, 0.01, 0.1):
        other = wiener(easy().blurred, easy().kernels, balance)
        assert restored > metrics.psnr(other, easy().sharp).mean()


def test_no_slope_is_cheaper():
    """Against every value of a fine grid, around both branches of phi and where they meet."""
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(200, 1, generator=generator, dtype=torch.double) * 0.2 - 0.1
    target[:50] *= 0.1
    price = torch.exp(torch.rand(200, 1, generator=generator, dtype=torch.double) * 9)
    values = torch.linspace(-0.12, 0.12, 20001, dtype=torch.double)
    for weight in (0.002, 0.05, 0.5):
        best = (weight * shan.prior(values) + price * (values - target).square()).amin(1, keepdim=True)
        found = shan.cheapest(target, weight, price)
        assert (weight * shan.prior(found) + price * (found - target).square() <= best + 1e-9).all()


def test_phi_has_no_step():
    bend = torch.tensor([shan.BEND / 255 * (1 - 1e-6), shan.BEND / 255 * (1 + 1e-6)], dtype=torch.double)
    assert shan.prior(bend).diff().abs() < 0.01
    assert (shan.prior(torch.linspace(0.0, 1, 1000)).diff() > 0).all()


def test_the_energy_falls_at_a_fixed_price():
    """On a periodic image, after 1 to 6 exchanges of psi and L."""
    kernel = blur.kernels([9], torch.Generator().manual_seed(1)).double()
    sharp = easy().sharp[:1, :1, ::2, ::2].double()
    blurs, slopes, _ = operators(kernel, (64, 64))
    y = torch.fft.irfft2(torch.fft.rfft2(sharp) * blurs, s=(64, 64))
    smooth, gamma, weight = 15.0 * (y > 0.5), 64.0, 0.02
    there = [y - y.roll(1, axis) for axis in (-1, -2)]

    def energy(steps):
        x = torch.fft.rfft2(shan.split(y, torch.ones_like(y).bool(), kernel[:, None], weight, smooth, [gamma] * steps))
        residual = torch.fft.rfft2(y) - x * blurs
        first = [torch.fft.irfft2(residual * s, s=(64, 64)) for s in slopes]
        second = [torch.fft.irfft2(residual * a * b, s=(64, 64)) for a, b in (slopes[:1] * 2, slopes, slopes[1:] * 2)]
        total = sum(
            w * sum(r.square().sum() for r in group)
            for w, group in zip(shan.WEIGHTS, ([torch.fft.irfft2(residual, s=(64, 64))], first, second), strict=True)
        )
        for slope, d_y in zip(slopes, there, strict=True):
            d = torch.fft.irfft2(x * slope, s=(64, 64))
            psi = shan.cheapest((smooth * d_y + gamma * d) / (smooth + gamma), weight, smooth + gamma)
            total += weight * shan.prior(psi).sum() + (smooth * (psi - d_y).square()).sum()
            total += gamma * (psi - d).square().sum()
        return total.item()

    energies = [energy(steps) for steps in range(1, 7)]
    assert all(after <= before * (1 + 1e-9) for before, after in pairwise(energies))
    assert energies[-1] < energies[0] * 0.999


@pytest.mark.parametrize("largest", [1, 8, 65])
def test_bad_kernels_are_refused(largest):
    with pytest.raises(ValueError, match=f"largest {largest}"):
        shan.deblur(torch.rand(1, 3, 64, 64), largest=largest)
