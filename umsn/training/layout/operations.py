"""What lies between the convolutions, written so that a compiler makes few kernels of it.

Each is a function of `umsn.networks.blocks` by other means: normalisation by its definition, pooling and upsampling as
sums of neighbours. Written so, they keep whatever order the channels have in memory, and fuse with what is beside them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Convolutions of other channel counts than multiples of this take slower kernels.
MULTIPLE = 8

#: Beside the variance in instance normalisation: that of `torch.nn.InstanceNorm2d`.
EPSILON = 1e-5


def rounded_up(channels: int) -> int:
    """The next multiple of 8."""
    return -(-channels // MULTIPLE) * MULTIPLE


def rectified(x: Tensor, filters: Tensor | None = None) -> Tensor:
    """Instance normalisation, ReLU and, where there are filters, smoothing: what `Conv l x l` begins with (Sec. III-A).

    (B, C, H, W), filters (G, k, k) of which each smooths C / G neighbouring channels -> (B, C, H, W). Mean and variance
    are taken in 32 bits at least. A channel of zeros stays one.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    variance, mean = torch.var_mean(wide, (2, 3), correction=0, keepdim=True)  # (B, C, 1, 1)
    y = F.relu((wide - mean) * torch.rsqrt(variance + EPSILON)).to(x.dtype)
    return y if filters is None else smoothed(y, filters)


def smoothed(x: Tensor, filters: Tensor) -> Tensor:
    """`SharedSmoothing` of groups of channels: (B, C, H, W), filters (G, k, k) -> (B, C, H, W).

    A compiler makes one kernel of the sum of shifted copies, together with what comes before; elsewhere a convolution
    by channels is faster.
    """
    size, (height, width) = filters.shape[-1], x.shape[-2:]
    each = filters.to(x.dtype).repeat_interleave(x.shape[1] // len(filters), 0)  # (C, k, k)
    if not torch.compiler.is_compiling():
        return F.conv2d(x, each[:, None], padding="same", groups=x.shape[1])
    wide = F.pad(x, (size // 2,) * 4)
    shifts = [(i, j) for i in range(size) for j in range(size)]
    return sum(each[:, i, j, None, None] * wide[..., i : i + height, j : j + width] for i, j in shifts)


def halve(x: Tensor) -> Tensor:
    """Average pooling: (B, C, H, W), both even -> (B, C, H/2, W/2)."""
    height, width = x.shape[-2:]
    return x.unflatten(3, (width // 2, 2)).unflatten(2, (height // 2, 2)).mean((3, 5))


def double(x: Tensor) -> Tensor:
    """Bilinear upsampling: (B, C, H, W) -> (B, C, 2H, 2W)."""
    return _double_along(_double_along(x, 2), 3)


def _double_along(x: Tensor, axis: int) -> Tensor:
    """Between each two neighbours come two values, at a quarter and at three quarters; the border is repeated."""
    length = x.shape[axis]
    first, last = x.narrow(axis, 0, 1), x.narrow(axis, length - 1, 1)
    before = torch.cat([first, x.narrow(axis, 0, length - 1)], axis)
    after = torch.cat([x.narrow(axis, 1, length - 1), last], axis)
    pair = [0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after]
    return torch.stack(pair, axis + 1).flatten(axis, axis + 1)


def padded(x: Tensor) -> Tensor:
    """Channels of zeros behind the others, up to a multiple of 8: (B, C, H, W) -> (B, C', H, W)."""
    missing = rounded_up(x.shape[1]) - x.shape[1]
    return torch.cat([x, x.new_zeros(len(x), missing, *x.shape[2:])], 1) if missing else x


def unpadded(x: Tensor, channels: int, groups: int = 1) -> Tensor:
    """The first ``channels`` of each group: (B, G C', H, W) -> (B, G C, H, W)."""
    if x.shape[1] == groups * channels:
        return x
    return x.unflatten(1, (groups, -1))[:, :, :channels].flatten(1, 2)
