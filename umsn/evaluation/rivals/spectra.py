"""Convolution of an image that is wider than what the camera saw of it, and its two adjoints, by FFT.

A photograph (.., H, W) under a kernel of k x k, k = 2 r + 1, shows parts of a scene (.., H + 2r, W + 2r): nothing need
be assumed of what lies beyond the border. Whatever is transformed shares one grid, on which nothing wraps around.
"""

from __future__ import annotations

import torch
from scipy.fft import next_fast_len
from torch import Tensor

Shape = tuple[int, int]


def grid(height: int, width: int, size: int) -> Shape:
    """Sides on which a scene for a photograph of (height, width) under a kernel of ``size`` fits."""
    rows, columns = (int(next_fast_len(side + size - 1, real=True)) for side in (height, width))
    return rows, columns


def spectrum(image: Tensor, sides: Shape) -> Tensor:
    """Of (.., h, w), continued by zeros to ``sides``."""
    return torch.fft.rfft2(image, s=sides)


def photograph(product: Tensor, sides: Shape, size: int, shape: Shape) -> Tensor:
    """What the camera sees, (.., H, W) = ``shape``: ``product`` is the spectrum of scene x that of kernel."""
    image = torch.fft.irfft2(product, s=sides)
    return image[..., size - 1 : size - 1 + shape[0], size - 1 : size - 1 + shape[1]]


def seen(image: Tensor, sides: Shape, size: int) -> Tensor:
    """The spectrum of a photograph (.., H, W) at its place on the grid."""
    placed = image.new_zeros(*image.shape[:-2], *sides)
    placed[..., size - 1 : size - 1 + image.shape[-2], size - 1 : size - 1 + image.shape[-1]] = image
    return torch.fft.rfft2(placed)


def adjoint(residual: Tensor, other: Tensor, sides: Shape, shape: Shape) -> Tensor:
    """The first ``shape`` of the correlation of a photograph with a kernel (gives a scene) or a scene (a kernel).

    ``residual`` as from `seen`, ``other`` as from `spectrum`.
    """
    return torch.fft.irfft2(other.conj() * residual, s=sides)[..., : shape[0], : shape[1]]
