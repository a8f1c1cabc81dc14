"""What the multi-scale rivals share: images of several scales, and a residual block without normalisation.

Nah et al. (2017) and Shen et al. (2018) restore a small image first and hand the result on to the next scale.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from umsn.networks.blocks import halve, pad_to


class MultiScale(NamedTuple):
    """What a multi-scale network returns: as `Deblurred`, and what it restored at the coarser scales."""

    restored: Tensor  #: x-hat, (B, 3, H, W) RGB, near [0, 1]
    residual: Tensor  #: (B, 3, H, W), the difference from the blurred image
    coarser: tuple[Tensor, ...]  #: x-hat of H/2, H/4, ... rounded up to whole pixels of the coarsest scale


class ResBlock(nn.Module):
    """Conv 5x5, ReLU, conv 5x5, and the sum with the input, which is not rectified: (B, C, H, W) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(channels, channels), nn.ReLU(), conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def conv(inputs: int, outputs: int, size: int = 5) -> nn.Conv2d:
    """A convolution that keeps height and width."""
    return nn.Conv2d(inputs, outputs, size, padding="same")


def scaled(image: Tensor, scales: int) -> list[Tensor]:
    """The image at ``scales`` scales, each of half the size of the one before, by averages of 2 x 2 pixels.

    (B, C, H, W) -> (B, C, H, W), (B, C, H/2, W/2), ...; H and W grow to multiples of the smallest scale's pixel first.
    """
    found = [pad_to(image, 2 ** (scales - 1))]
    for _ in range(scales - 1):
        found.append(halve(found[-1]))
    return found
