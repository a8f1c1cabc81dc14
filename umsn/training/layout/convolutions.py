"""Convolutions and ResBlocks of several equal networks side by side, as groups of one (Sec. III-A, Fig. 4).

Their parameters are those of the plain modules, put beside each other and between zeros: `Place` says where each lies.
Zeros stay zero: a padded channel is zero, so is what ReLU and the next convolution make of it, and so are all their
gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from umsn.networks.blocks import ResBlock, SharedSmoothing
from umsn.training.layout.operations import rectified, rounded_up


class Place(NamedTuple):
    """Where a plain module's parameter lies: it is ``own[index]``."""

    own: nn.Parameter
    plain: nn.Parameter
    index: tuple


class Laid(nn.Module):
    """A module that has its parameters from plain ones; they are zero until they are filled in (`Place`)."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Place] = []

    def take(self, own: nn.Parameter, plain: nn.Parameter, *index: slice | None) -> None:
        """Note that ``plain`` is ``own[index]``."""
        self.taken.append(Place(own, plain, index or (...,)))


def places(module: nn.Module) -> Iterator[Place]:
    """Where all plain parameters of a module lie."""
    for part in module.modules():
        if isinstance(part, Laid):
            yield from part.taken


def empty(like: nn.Parameter, *shape: int) -> nn.Parameter:
    """A parameter of zeros."""
    return nn.Parameter(torch.zeros(shape, dtype=like.dtype, device=like.device))


class Convolution(Laid):
    """Equal convolutions side by side, as one with groups; input and output channels of each are multiples of 8."""

    def __init__(self, sources: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        one = sources[0]
        outputs, inputs = one.weight.shape[:2]
        self.groups, self.outputs, self.dilation = len(sources), rounded_up(outputs), one.dilation
        self.weight = empty(one.weight, self.groups * self.outputs, rounded_up(inputs), *one.kernel_size)
        self.bias = empty(one.bias, self.groups * self.outputs)
        for group, source in enumerate(sources):
            rows = slice(group * self.outputs, group * self.outputs + outputs)
            self.take(self.weight, source.weight, rows, slice(inputs))
            self.take(self.bias, source.bias, rows)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, padding="same", dilation=self.dilation, groups=self.groups)


class Conv(Laid):
    """``Conv l x l (p, q)`` of several networks: instance norm, ReLU, [smoothing,] convolution (`blocks.conv`)."""

    rectified = staticmethod(rectified)  #: what computes all but the convolution

    def __init__(self, sources: Sequence[nn.Sequential]) -> None:
        super().__init__()
        self.normalise = isinstance(sources[0][0], nn.InstanceNorm2d)
        smoothing = [layer for source in sources for layer in source if isinstance(layer, SharedSmoothing)]
        self.filters = empty(smoothing[0].weight, len(smoothing), *smoothing[0].weight.shape[2:]) if smoothing else None
        for group, source in enumerate(smoothing):
            self.take(self.filters, source.weight, slice(group, group + 1), None)
        self.convolution = Convolution([source[-1] for source in sources])

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(self.rectified(x, self.filters) if self.normalise else x)


class Block(nn.Module):
    """ResBlocks side by side: (B, G m', H, W) -> (B, G n', H, W), m' and n' the next multiples of 8."""

    def __init__(self, sources: Sequence[ResBlock]) -> None:
        super().__init__()
        self.body = nn.Sequential(*(Conv(layers) for layers in zip(*(s.body for s in sources), strict=True)))
        shortcuts = [source.shortcut for source in sources]
        self.shortcut = nn.Identity() if isinstance(shortcuts[0], nn.Identity) else Convolution(shortcuts)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


def chain(sources: Sequence[nn.Sequential]) -> nn.Sequential:
    """Chains of ResBlocks side by side (`blocks.chain`)."""
    return nn.Sequential(*(Block(blocks) for blocks in zip(*sources, strict=True)))
