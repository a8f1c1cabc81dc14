"""Critics: networks that tell restored images from sharp ones, and the losses that they feed (training only).

A generator G and a critic D play Goodfellow's game: D makes -log D(x) - log(1 - D(G(y))) small, G makes -log D(G(y))
small. The loop of this project takes one step of one optimiser on one loss, so both losses are added, and each is cut
off from the other's parameters: D judges G(y) *detached* in its own loss, and with its weights detached in G's. The
gradient of the sum is then, for every parameter, that of its own loss alone; both players move at once. Published
codes take turns, D first. `tests/test_critics.py` compares the gradients of the sum with those of each part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call


class Layer(NamedTuple):
    """One convolution of a critic."""

    channels: int
    stride: int


#: The critic of Nah et al. (2017), as remembered: nine convolutions 5x5. Its images were 256 wide and ended as 1 x 1.
NAH = (
    Layer(32, 2),
    Layer(64, 1),
    Layer(64, 2),
    Layer(128, 1),
    Layer(128, 4),
    Layer(256, 1),
    Layer(256, 4),
    Layer(512, 1),
    Layer(512, 4),
)

#: A critic of the kind of DCGAN: as many channels more as pixels fewer.
DCGAN = (Layer(64, 2), Layer(128, 2), Layer(256, 2), Layer(512, 2))


class Critic(nn.Module):
    """Strided convolutions 5x5 with leaky ReLU and no normalisation, their mean over the image, one linear layer.

    image (B, 3, H, W) RGB in [0, 1], any H and W  ->  logits (B,): above 0 where the image is taken for a sharp one.
    ``width`` scales all channels; 64 leaves them as ``layers`` has them.
    """

    def __init__(self, layers: Sequence[Layer] = DCGAN, *, width: int = 64) -> None:
        super().__init__()
        channels = [3, *(max(1, layer.channels * width // 64) for layer in layers)]
        steps = zip(channels, channels[1:], layers, strict=False)
        self.body = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(m, n, 5, layer.stride, padding=2), nn.LeakyReLU(0.2)) for m, n, layer in steps)
        )
        self.judge = nn.Linear(channels[-1], 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.body(image - 0.5)  # (B, C, h, w)
        return self.judge(x.mean(dim=(2, 3)))[:, 0]  # (B,)


class Game(NamedTuple):
    """The two losses of one step, scalars; neither has a gradient in the other's parameters."""

    generator: Tensor  #: small where the critic takes restored images for sharp ones
    critic: Tensor  #: small where it does not


def judged(critic: nn.Module, image: Tensor) -> Tensor:
    """What the critic says of images, with gradients for the images and none for its own parameters."""
    frozen = {name: tensor.detach() for name, tensor in critic.named_parameters()}
    return functional_call(critic, frozen, (image,))


def game(critic: Critic, restored: Tensor, sharp: Tensor) -> Game:
    """Both players' losses for images (B, 3, H, W): cross entropy, as in Goodfellow et al. (2014).

    The critic's loss is the mean of its two halves.
    """
    real, made = critic(torch.cat([sharp, restored.detach()])).chunk(2)  # (B,), (B,)
    told = (_entropy(real, torch.ones_like(real)) + _entropy(made, torch.zeros_like(made))) / 2
    fooled = judged(critic, restored)  # (B,)
    return Game(_entropy(fooled, torch.ones_like(fooled)), told)


def _entropy(logits: Tensor, truth: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), truth.float())
