"""Blind deconvolution with an unnatural L0 representation (Xu, Zheng & Jia, CVPR 2013), written from the paper.

From coarse to fine, on a grey image y, by turns:

    x:  min_x  ||k * x - y||^2 + lambda sum_j phi(d_j * x),   phi(v) = min(|v|^2 / eps^2, 1), d_j = [1, -1] both ways
    k:  min_k  sum_j ||k * (d_j * x) - d_j * y||^2 + gamma ||k||^2;   then k >= 0, sum 1

phi tends to the count of slopes that are not 0: what is left of a face is a drawing of few strong edges, unlike any
photograph, but what its kernel did can be read from it. It is split by half: l_j is d_j * x where that is at least eps,
else 0, then x in the Fourier domain; once for the first eps, twice for its half, four times for a quarter, eight for an
eighth. The colours come at the end from `nonblind.deconvolve`. Free choices here: eps begins at 0.3, where the paper
has 1; scales, borders and the kernel's middle are those of `normalised_sparsity`; the k step is ten conjugate
gradients. `EPSILONS`, `WEIGHT`, `KERNEL_WEIGHT` and `FAINT` were chosen on 16 images of four synthetic people whom no
record measures.
"""

from __future__ import annotations

import torch
from torch import Tensor

from umsn.evaluation.rivals import scales
from umsn.evaluation.rivals.nonblind import beyond, deconvolve, operators, padded
from umsn.evaluation.rivals.scales import LARGEST

TURNS = 5  #: of x and k at a scale
WEIGHT = 7e-4  #: lambda
KERNEL_WEIGHT = 1.0  #: gamma over the energy of the slopes
FAINT = 0.25  #: at the end of a scale kernel values below this share of the largest are dropped
EPSILONS = (0.3, *(0.3 / 2,) * 2, *(0.3 / 4,) * 4, *(0.3 / 8,) * 8)  #: of values in [0, 1]


def deblur(blurred: Tensor, *, largest: int = LARGEST) -> Tensor:
    """Blurred (B, 3, H, W) in [0, 1] -> restored, likewise. ``largest``: odd side that no kernel exceeds, in pixels.

    Raises ValueError for other shapes, for a ``largest`` that is even, below 3 or does not fit into the image.
    """
    return deconvolve(blurred, estimate_kernel(blurred, largest=largest))


def estimate_kernel(blurred: Tensor, *, largest: int = LARGEST) -> Tensor:
    """The kernels (B, largest, largest) of blurred images (B, 3, H, W): none negative, sum 1, mass in the middle."""
    grey = scales.checked(blurred, largest).mean(1, keepdim=True)
    kernel = scales.first_kernel(grey)
    for size in scales.sizes(largest):
        y = scales.resized(grey, size / largest)
        kernel = scales.enlarged(kernel, size)
        for _ in range(TURNS):
            kernel = _fit(scales.gradients(y), _drawing(y, kernel), kernel)
        (kernel,) = scales.recentred(scales.unit(kernel, FAINT))
    return kernel[:, 0]


def _drawing(y: Tensor, kernel: Tensor) -> Tensor:
    """The x step: image (B, 1, h, w), kernel (B, 1, 2r + 1, 2r + 1) -> slopes of x (B, 2, h - 1 + 2r, w - 1 + 2r)."""
    size = kernel.shape[-1]
    wide, inside = padded(y, size)
    sides = wide.shape[-2:]
    blur, slopes, power = operators(kernel[:, 0], sides)
    transformed = torch.fft.rfft2(wide)
    for epsilon in EPSILONS:
        seen = torch.where(inside, wide, torch.fft.irfft2(transformed * blur, s=sides))
        price = WEIGHT / epsilon**2
        right = blur.conj() * torch.fft.rfft2(seen)
        for slope in slopes:
            d = torch.fft.irfft2(transformed * slope, s=sides)
            right = right + price * slope.conj() * torch.fft.rfft2(torch.where(d.abs() >= epsilon, d, 0))
        transformed = right / (blur.abs().square() + price * power)
    return scales.gradients(beyond(torch.fft.irfft2(transformed, s=sides), size, y.shape[-2:]))


def _fit(y: Tensor, scene: Tensor, kernel: Tensor) -> Tensor:
    """The k step; y and scene are slopes."""
    weight = KERNEL_WEIGHT * scene.square().sum((1, 2, 3), keepdim=True).clamp_min(1e-12)
    return scales.fitted(y, scene, kernel, weight, steps=10)
