"""The one building block, and the smoothing filter inside it (Sec. III-A, Fig. 4).

``Conv l x l (p, q)`` in the paper's figures stands for instance normalisation, ReLU, then a convolution: `conv` here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SharedSmoothing(nn.Module):
    """One 3x3 filter shared by all channels joins the grids that a dilated convolution keeps apart (Fig. 4, [40]).

    (B, C, H, W) -> (B, C, H, W). A dilation of d needs a filter of 2d - 1 taps; it starts as the identity and is
    learned.
    """

    by_shifts = False  #: whether to compute `smooth_by_shifts` when torch.compile reads this

    def __init__(self, dilation: int = 2) -> None:
        super().__init__()
        taps = 2 * dilation - 1
        weight = torch.zeros(1, 1, taps, taps)
        weight[..., dilation - 1, dilation - 1] = 1
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        if self.by_shifts and torch.compiler.is_compiling():
            return smooth_by_shifts(x, self.weight)
        channels = x.shape[1]
        return F.conv2d(x, self.weight.expand(channels, -1, -1, -1), padding="same", groups=channels)


def smooth_by_shifts(x: Tensor, weight: Tensor) -> Tensor:
    """What `SharedSmoothing` gives, as a sum of shifted copies: torch.compile makes one kernel of it.

    On a GPU the gradients of a convolution by groups are slow.
    """
    taps, (height, width) = weight.shape[-1], x.shape[-2:]
    padded = F.pad(x, (taps // 2,) * 4)
    shifts = [(i, j) for i in range(taps) for j in range(taps)]
    parts = [weight[0, 0, i, j] * padded[..., i : i + height, j : j + width] for i, j in shifts]
    return sum(parts[1:], parts[0]).to(x.dtype)


def conv(inputs: int, outputs: int, size: int, *, dilation: int = 1, normalise: bool = True) -> nn.Sequential:
    """``Conv size x size (inputs, outputs)``: instance norm, ReLU, [smoothing,] convolution; same height and width."""
    layers: list[nn.Module] = [nn.InstanceNorm2d(inputs), nn.ReLU()] if normalise else []
    if dilation > 1:
        layers.append(SharedSmoothing(dilation))
    layers.append(nn.Conv2d(inputs, outputs, size, padding="same", dilation=dilation))
    return nn.Sequential(*layers)


class ResBlock(nn.Module):
    """ResBlock(m, n): 1x1, 3x3 and two smoothed 3x3 convolutions of dilation 2, beside a residual path (Fig. 4).

    (B, m, H, W) -> (B, n, H, W). ``expansion`` x n channels run between the convolutions: the width that Sec. IV-C sets
    to give all rows of Table VI the same number of parameters. ``image`` says that the input is an image: its first
    convolution then sees it as it is, since normalising a photograph by its own contrast would throw that contrast
    away.
    """

    def __init__(self, inputs: int, outputs: int, *, expansion: float = 1, image: bool = False) -> None:
        super().__init__()
        width = max(1, round(expansion * outputs))
        self.body = nn.Sequential(
            conv(inputs, width, 1, normalise=not image),
            conv(width, width, 3),
            conv(width, width, 3, dilation=2),
            conv(width, outputs, 3, dilation=2),
        )
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


def chain(channels: Sequence[int], *, expansion: float | Sequence[float] = 1, image: bool = False) -> nn.Sequential:
    """ResBlocks in a row: ``channels`` [a, b, c] gives ResBlock(a, b), ResBlock(b, c); only the first may see an image.

    ``expansion`` is one number for all blocks or one for each.
    """
    steps = list(pairwise(channels))
    each = expansion if isinstance(expansion, Sequence) else [expansion] * len(steps)
    return nn.Sequential(
        *(
            ResBlock(m, n, expansion=e, image=image and not i)
            for i, ((m, n), e) in enumerate(zip(steps, each, strict=True))
        )
    )


def compile_blocks(network: nn.Module) -> None:
    """Have torch compile every ResBlock, for the shapes that come: blocks of one shape share what was compiled.

    Who compiles says so to the smoothing filters: torch 2.11 takes itself for exporting inside of torch.compile, too.
    """
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)  # one for each shape
    for module in network.modules():
        if isinstance(module, SharedSmoothing):
            module.by_shifts = True
        if isinstance(module, ResBlock):
            module.compile(dynamic=False)


def halve(x: Tensor) -> Tensor:
    """Average pooling: (B, C, H, W) -> (B, C, H/2, W/2)."""
    return F.avg_pool2d(x, 2)


def double(x: Tensor) -> Tensor:
    """Bilinear upsampling: (B, C, H, W) -> (B, C, 2H, 2W)."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def pad_to(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until height and width are multiples of ``multiple``: (B, C, H, W) -> the same."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")
