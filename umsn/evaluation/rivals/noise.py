"""How noisy an image is, and an image without its noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def deviation(images: Tensor) -> Tensor:
    """The noise's standard deviation in images (B, C, H, W): (B, 1, 1, 1).

    What a mask that ignores slopes and curves leaves (Immerkaer 1996), by its median, which few edges move.
    """
    mask = images.new_tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])[None, None] / 6
    left = F.conv2d(images.flatten(0, 1)[:, None], mask).unflatten(0, images.shape[:2])
    return left.abs().flatten(1).median(1).values[:, None, None, None] / 0.6745


def nonlocal_means(images: Tensor, noise: Tensor, *, reach: int = 5, patch: int = 2) -> Tensor:
    """The mean of pixels within ``reach``, weighted by how alike their patches are (Buades, Coll & Morel 2005).

    images (B, C, H, W), ``noise`` (B, 1, 1, 1): the root mean square difference of patches, 2 ``patch`` + 1 pixels
    wide, at which a weight is 1 / e.
    """
    wide, (height, width) = F.pad(images, (reach,) * 4, mode="reflect"), images.shape[-2:]
    total, weights = torch.zeros_like(images), torch.zeros_like(images[:, :1])
    for row in range(2 * reach + 1):
        for column in range(2 * reach + 1):
            other = wide[..., row : row + height, column : column + width]
            unlike = (other - images).square().mean(1, keepdim=True)
            unlike = F.avg_pool2d(unlike, 2 * patch + 1, stride=1, padding=patch, count_include_pad=False)
            weight = torch.exp(-unlike / noise.square())
            total, weights = total + weight * other, weights + weight
    return total / weights
