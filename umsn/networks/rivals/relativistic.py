"""The double-scale relativistic critic of DeblurGAN-v2 (Kupyn et al., ICCV 2019; Jolicoeur-Martineau, ICLR 2019).

A critic D gives every patch of an image a mark. It need not say what is real, only that sharp images x look more real
than restored ones x-hat do, on average; the generator G wants it the other way round:

    R(a, b) = E[(D(a) - E D(b) - 1)^2] + E[(D(b) - E D(a) + 1)^2]
    L_D = R(x, x-hat) / 2;    L_G = R(x-hat, x) / 2

Two such critics, one of patches (five layers, 70 pixels) and one that sees the whole (seven layers), count by half
each.

Simplified: both losses are of one step, added up, and neither moves the other's parameters (`critics`); E is over
the batch, where the published code keeps the marks of 50 earlier images; the critic has no bias in front of
normalisations nor at its end, which differences do not see.

It works when R is 0 for marks that are 1 apart, L_D moves the critic alone and L_G the generator alone, and the critic
learns to tell sharp from blurred images.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from umsn.networks.rivals.critics import Game, judged

LAYERS = (3, 5)  #: layers that halve the sides, of the critic of patches and of the critic of the whole


class DoubleScaleCritic(nn.Module):
    """image (B, 3, H, W) in [0, 1], sides of at least 2  ->  marks (B, 1, h, w) of patches and of the whole.

    ``width`` channels follow the first layer (64 in the published code), at most eight times as many the others.
    """

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_judge(width, layers) for layers in LAYERS)

    def forward(self, image: Tensor) -> list[Tensor]:
        return [judge(2 * image - 1) for judge in self.scales]


def _judge(width: int, layers: int) -> nn.Sequential:
    """``layers`` 4x4 convolutions of stride 2 and two of stride 1; all but the first and last are normalised."""
    channels = [width * min(2**n, 8) for n in range(layers + 1)]
    found: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 2), nn.LeakyReLU(0.2)]
    for i, (m, n) in enumerate(pairwise(channels), 1):
        conv = nn.Conv2d(m, n, 4, 2 if i < layers else 1, 2, bias=False)
        found += [conv, nn.InstanceNorm2d(n), nn.LeakyReLU(0.2)]
    return nn.Sequential(*found, nn.Conv2d(channels[-1], 1, 4, 1, 2, bias=False))


def relativistic(better: Tensor, worse: Tensor) -> Tensor:
    """R / 2 of two sets of marks: 0 where each of ``better`` is 1 above the mean of ``worse``, and the reverse."""
    better, worse = better.float(), worse.float()
    above = (better - worse.mean() - 1).square().mean()
    below = (worse - better.mean() + 1).square().mean()
    return (above + below) / 2


def relativistic_game(critic: DoubleScaleCritic, restored: Tensor, sharp: Tensor) -> Game:
    """L_G and L_D of images (B, 3, H, W) in [0, 1]; their sum gives each player the gradients of its own loss alone."""
    real, made, fooled = critic(sharp), critic(restored.detach()), judged(critic, restored)
    told = [relativistic(r, m) for r, m in zip(real, made, strict=True)]
    fools = [relativistic(f, r.detach()) for f, r in zip(fooled, real, strict=True)]
    return Game(torch.stack(fools).mean(), torch.stack(told).mean())
