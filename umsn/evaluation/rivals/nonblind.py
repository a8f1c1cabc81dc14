"""Deconvolution with a known kernel and sparse gradients (Krishnan & Fergus, NIPS 2009), written from the paper.

    min_x  lambda/2 ||k * x - y||^2 + sum_j |d_j * x|^alpha,   alpha = 2/3, d_j = [1, -1] across and down,

by half-quadratic splitting: w_j takes the place of d_j * x at the price beta/2 ||w_j - d_j * x||^2, beta grows from 1
to 256, and x and w_j are minimised by turns, x in the Fourier domain. Free choices here: w_j by Newton's method, which
the paper names beside its own; beta grows by the square root of 2; the border is continued as what the present x,
blurred, would show there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor

ALPHA = 2 / 3
BETAS = tuple(2 ** (step / 2) for step in range(17))  #: 1 .. 256
WEIGHT = 1000.0  #: lambda, for noise of 0.01


def deconvolve(blurred: Tensor, kernels: Tensor, *, weight: float | Tensor = WEIGHT) -> Tensor:
    """Blurred (B, 3, H, W) in [0, 1] and kernels (B, k, k), k odd, sum 1 -> sharp (B, 3, H, W), clipped to [0, 1].

    ``weight`` is lambda, or (B, 1, 1, 1) of them. Raises ValueError where they do not fit.
    """
    size, shape = kernels.shape[-1], blurred.shape[-2:]
    if kernels.dim() != 3 or len(kernels) != len(blurred) or size % 2 == 0 or size > min(shape):
        raise ValueError(f"kernels {tuple(kernels.shape)} for images {tuple(blurred.shape)}; odd and smaller, please")
    wide, inside = padded(blurred, size)
    sides = wide.shape[-2:]
    blur, slopes, power = operators(kernels, sides)
    sharp = wide.clone()
    for beta in BETAS:
        transformed = torch.fft.rfft2(sharp)
        y = torch.where(inside, wide, torch.fft.irfft2(transformed * blur, s=sides))
        right = blur.conj() * torch.fft.rfft2(y) * (weight / beta)
        for slope in slopes:
            w = _shrink(torch.fft.irfft2(transformed * slope, s=sides), beta)
            right = right + slope.conj() * torch.fft.rfft2(w)
        sharp = torch.fft.irfft2(right / (power + blur.abs().square() * (weight / beta)), s=sides)
    reach = size - 1
    return sharp[..., reach : reach + shape[0], reach : reach + shape[1]].clamp(0, 1)


def _shrink(slopes: Tensor, beta: float, steps: int = 4) -> Tensor:
    """argmin_w |w|^alpha + beta/2 (w - v)^2, by Newton from v, or 0 where that costs less."""
    v = slopes.abs().clamp_min(1e-6)
    w = v
    for _ in range(steps):
        first = ALPHA * w ** (ALPHA - 1) + beta * (w - v)
        second = ALPHA * (ALPHA - 1) * w ** (ALPHA - 2) + beta
        w = (w - first / second.clamp_min(1e-3 * beta)).clamp(min=1e-6).minimum(v)
    better = w**ALPHA + beta / 2 * (w - v).square() < beta / 2 * v.square()
    return torch.where(better, w, 0) * slopes.sign()


def padded(image: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """On a periodic grid, its last rows and columns repeated and fading into the mean; and where the image is."""
    height, width = image.shape[-2:]
    reach = size - 1
    extra = [int(next_fast_len(side + 2 * reach, real=True)) - side - 2 * reach for side in (height, width)]
    pads = (reach, reach + extra[1], reach, reach + extra[0])
    padded, inside = F.pad(image, pads, mode="replicate"), F.pad(torch.ones_like(image[:1, :1]), pads)
    fade = inside
    for _ in range(2):
        fade = F.avg_pool2d(F.pad(fade, (reach // 2,) * 4, mode="replicate"), 2 * (reach // 2) + 1, stride=1)
    fade = torch.maximum(inside, fade)
    mean = image.mean((-2, -1), keepdim=True)
    return fade * padded + (1 - fade) * mean, inside > 0


def operators(kernels: Tensor, sides: tuple[int, int]) -> tuple[Tensor, list[Tensor], Tensor]:
    """Spectra of kernels (B, k, k), (B, 1, ..), and of d_j, the slopes both ways; and sum_j |d_j|^2."""
    blur = torch.fft.rfft2(_centred(kernels, sides))[:, None]
    slopes = [torch.fft.rfft2(kernels.new_tensor(d), s=sides) for d in ([[1.0, -1.0]], [[1.0], [-1.0]])]
    return blur, slopes, sum(slope.abs().square() for slope in slopes)


def penalty(slopes: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Weighted power of an image's derivatives, the spectra of d_j as from `operators`: a spectrum.

    ``weights`` are those of order 0, of both first and of the three second derivatives.
    """
    across, down = (slope.abs().square() for slope in slopes)
    return weights[0] + weights[1] * (across + down) + weights[2] * (across**2 + across * down + down**2)


def beyond(wide: Tensor, size: int, shape: Sequence[int]) -> Tensor:
    """Of what lies on the grid of `padded`, the image (.., H, W) = ``shape`` and size // 2 pixels beyond its border."""
    reach, first = size // 2, size - 1 - size // 2
    return wide[..., first : first + shape[0] + 2 * reach, first : first + shape[1] + 2 * reach]


def _centred(kernels: Tensor, sides: tuple[int, int]) -> Tensor:
    """Kernels (B, k, k) on the grid with their middle at its first pixel."""
    size = kernels.shape[-1]
    placed = F.pad(kernels, (0, sides[1] - size, 0, sides[0] - size))
    return placed.roll((-(size // 2),) * 2, (-2, -1))
