"""Joint face hallucination and deblurring via structure generation and detail enhancement (Song et al., IJCV 2019).

The first half: a network, told where the components of the face are, restores the structure of it,

    z = y + up(g(down([y, m-hat])))

with y the blurred image, m-hat the class maps of our S-Net, and g residual blocks at half the size. What z lacks in
detail comes from a gallery, which is the second half: `umsn.evaluation.rivals.gallery_detail`.

A simplification, for no code of the method was found and its aim is another: there the image is small as well as
blurred, and enlarged on the way. Here nothing is enlarged, so the network works at half the size, where structure lies,
and sees twice as far (85 pixels, three of the largest kernels); the facial components are S-Net's four classes; the
loss is L1. Width, number of blocks and rate are ours.

It works when every parameter gets a gradient, one batch can be learned by heart, and z is nearer to the sharp image
than y is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from umsn.faces import K
from umsn.networks.blocks import double, pad_to
from umsn.networks.deblurring import Deblurred

BLOCKS = 10  #: residual blocks
LEARNING_RATE = 1e-4  #: ours: half of UMSN's, since nothing is normalised here


class ResBlock(nn.Module):
    """Two convolutions beside what they change: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.body = nn.Sequential(first, nn.ReLU(), second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Song(nn.Module):
    """Song et al.'s structure network, simplified; ``width`` channels everywhere.

    blurred (B, 3, H, W) RGB in [0, 1], masks (B, K, H, W), any H and W  ->  Deblurred
    """

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Conv2d(4 * (3 + K), width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResBlock(width) for _ in range(BLOCKS)))
        self.to_image = nn.Conv2d(width, 3, 3, padding=1)
        with torch.no_grad():
            self.to_image.weight.mul_(0.1)
            self.to_image.bias.zero_()

    def forward(self, blurred: Tensor, masks: Tensor) -> Deblurred:
        height, width = blurred.shape[-2:]
        inputs = pad_to(torch.cat([blurred, masks], dim=1), 2)
        x = self.first(nn.functional.pixel_unshuffle(inputs, 2))  # (B, w, H/2, W/2)
        residual = double(self.to_image(self.blocks(x)))  # (B, 3, H, W)
        residual = residual[..., :height, :width].float()
        return Deblurred(blurred + residual, residual)


class Objective(nn.Module):
    """L1: Deblurred, sharp (B, 3, H, W), masks (unused)  ->  "loss", a scalar."""

    def forward(self, found: Deblurred, sharp: Tensor, masks: Tensor) -> dict[str, Tensor]:
        return {"loss": (found.restored.float() - sharp).abs().mean()}
