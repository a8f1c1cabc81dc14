"""Normalisation, ReLU and smoothing in Triton: two kernels forward, two and a sum backward (`operations.rectified`).

With n = H W, every channel of every image by itself, r the filter's taps and p a pixel:

    h = (x - mean) / sqrt(var + eps),  y = max(h, 0),  z_p = sum_r f_r y_{p + r}
    dy_p = sum_r f_r dz_{p - r},  df_r = sum_p y_p dz_{p - r},  g = dy where h > 0, else 0
    dx = (g - sum(g) / n - h sum(g h) / n) / sqrt(var + eps)

x is read twice forward (its sums, then z) and twice backward (df and the sums of g, then dx), and neither h, y nor g is
ever written: what a compiler that keeps reductions, pointwise operations and shifts apart would bring to memory and
back. Sums are taken in 32 bits, of x less the channel's first pixel, so that a large mean costs no digits; each of
`SPLITS` parts of an image is summed apart and the parts are added in their order, so the same bits come every time.

Images are channels last in memory. Triton comes with torch's builds for GPUs. Its interpreter (TRITON_INTERPRET=1)
runs these kernels on a CPU, which is how they are tested where there is no GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.errors import TritonError

from umsn.training.layout.operations import EPSILON

SPLITS = 16  #: parts of an image that are summed apart; a power of 2
FORWARD, BACKWARD = 2048, 1024  #: numbers that a program holds of one tensor: no more than fit into registers


@triton.jit
def _channels(EACH: tl.constexpr, Q: tl.constexpr):
    """Of this program: the group, which all share a filter, the channels (Q,), and which of them there are."""
    blocks: tl.constexpr = (EACH + Q - 1) // Q
    group, own = tl.program_id(2) // blocks, (tl.program_id(2) % blocks) * Q + tl.arange(0, Q)
    return group, group * EACH + own, own < EACH


@triton.jit
def _tile(p, channels, C: tl.constexpr):
    """Where pixels (P,) of an image, and channels (Q,) of each, lie in memory."""
    return p[:, None] * C + channels[None, :]


@triton.jit
def _statistics(image, sums, channels, there, N: tl.constexpr, C: tl.constexpr, S: tl.constexpr, EPS: tl.constexpr):
    """Mean and 1 / sqrt(var + eps) of channels, from the sums of the parts."""
    at = sums + tl.arange(0, S)[:, None] * (2 * C) + channels[None, :]
    mean = tl.sum(tl.load(at, there[None, :], 0.0), 0) / N
    square = tl.sum(tl.load(at + C, there[None, :], 0.0), 0) / N
    first = tl.load(image + channels, there, 0.0).to(tl.float32)
    return first + mean, 1 / tl.sqrt(tl.maximum(square - mean * mean, 0.0) + EPS)


@triton.jit
def _tap(f, number, SMOOTH: tl.constexpr):
    """A number of the filter, or 1 where nothing is smoothed."""
    tap = 1.0
    if SMOOTH:
        tap = tl.load(f + number).to(tl.float32)
    return tap


@triton.jit
def _sums(
    x,
    sums,
    N: tl.constexpr,
    C: tl.constexpr,
    EACH: tl.constexpr,
    S: tl.constexpr,
    P: tl.constexpr,
    Q: tl.constexpr,
):
    """Of x less the image's first pixel, and of its square, in one part: sums (B, S, 2, C)."""
    b, s = tl.program_id(0).to(tl.int64), tl.program_id(1)
    _, channels, there = _channels(EACH, Q)
    image = x + b * N * C
    first = tl.load(image + channels, there, 0.0).to(tl.float32)
    part: tl.constexpr = (N + S - 1) // S
    one, two = tl.zeros([Q], tl.float32), tl.zeros([Q], tl.float32)
    for start in range(0, part, P):
        i = start + tl.arange(0, P)
        p = s * part + i
        seen = ((i < part) & (p < N))[:, None] & there[None, :]
        value = tl.load(image + _tile(p, channels, C), seen, 0.0).to(tl.float32)
        value = tl.where(seen, value - first[None, :], 0.0)
        one += tl.sum(value, 0)
        two += tl.sum(value * value, 0)
    at = sums + (b * S + s) * (2 * C) + channels
    tl.store(at, one, there)
    tl.store(at + C, two, there)


@triton.jit
def _forward(
    x,
    sums,
    filters,
    z,
    H: tl.constexpr,
    W: tl.constexpr,
    C: tl.constexpr,
    SMOOTH: tl.constexpr,
    TAPS: tl.constexpr,
    EACH: tl.constexpr,
    S: tl.constexpr,
    EPS: tl.constexpr,
    P: tl.constexpr,
    Q: tl.constexpr,
):
    """z of P pixels and Q channels of an image."""
    N: tl.constexpr = H * W
    b = tl.program_id(0).to(tl.int64)
    group, channels, there = _channels(EACH, Q)
    f = filters + group * TAPS * TAPS
    image = x + b * N * C
    mean, scale = _statistics(image, sums + b * S * 2 * C, channels, there, N, C, S, EPS)
    p = tl.program_id(1) * P + tl.arange(0, P)
    row, column = p // W, p % W
    total = tl.zeros([P, Q], tl.float32)
    for i in tl.static_range(TAPS):
        for j in tl.static_range(TAPS):
            up, left = row + i - TAPS // 2, column + j - TAPS // 2
            inside = (p < N) & (up >= 0) & (up < H) & (left >= 0) & (left < W)
            seen = inside[:, None] & there[None, :]
            value = tl.load(image + _tile(up * W + left, channels, C), seen, 0.0).to(tl.float32)
            y = tl.where(seen, tl.maximum((value - mean[None, :]) * scale[None, :], 0.0), 0.0)
            total += _tap(f, i * TAPS + j, SMOOTH) * y
    tl.store(z + b * N * C + _tile(p, channels, C), total.to(z.dtype.element_ty), (p < N)[:, None] & there[None, :])


@triton.jit
def _sums_back(
    x,
    dz,
    sums,
    filters,
    back,
    taps,
    H: tl.constexpr,
    W: tl.constexpr,
    C: tl.constexpr,
    SMOOTH: tl.constexpr,
    TAPS: tl.constexpr,
    ROOM: tl.constexpr,
    EACH: tl.constexpr,
    S: tl.constexpr,
    EPS: tl.constexpr,
    P: tl.constexpr,
    Q: tl.constexpr,
):
    """Of g and g h in one part, back (B, S, 2, C), and df, taps (B, S, TAPS^2, C); ROOM is no less than TAPS^2."""
    N: tl.constexpr = H * W
    b, s = tl.program_id(0).to(tl.int64), tl.program_id(1)
    group, channels, there = _channels(EACH, Q)
    f = filters + group * TAPS * TAPS
    image, gradient = x + b * N * C, dz + b * N * C
    mean, scale = _statistics(image, sums + b * S * 2 * C, channels, there, N, C, S, EPS)
    part: tl.constexpr = (N + S - 1) // S
    number = tl.arange(0, ROOM)
    one, two, df = tl.zeros([Q], tl.float32), tl.zeros([Q], tl.float32), tl.zeros([ROOM, Q], tl.float32)
    for start in range(0, part, P):
        k = start + tl.arange(0, P)
        p = s * part + k
        mine = (k < part) & (p < N)
        seen = mine[:, None] & there[None, :]
        value = tl.load(image + _tile(p, channels, C), seen, 0.0).to(tl.float32)
        h = tl.where(seen, (value - mean[None, :]) * scale[None, :], 0.0)
        y, dy = tl.maximum(h, 0.0), tl.zeros([P, Q], tl.float32)
        row, column = p // W, p % W
        for i in tl.static_range(TAPS):
            for j in tl.static_range(TAPS):
                up, left = row - i + TAPS // 2, column - j + TAPS // 2
                inside = mine & (up >= 0) & (up < H) & (left >= 0) & (left < W)
                both = inside[:, None] & there[None, :]
                d = tl.load(gradient + _tile(up * W + left, channels, C), both, 0.0).to(tl.float32)
                dy += _tap(f, i * TAPS + j, SMOOTH) * d
                if SMOOTH:
                    df += tl.where((number == i * TAPS + j)[:, None], tl.sum(d * y, 0)[None, :], 0.0)
        g = tl.where(h > 0, dy, 0.0)
        one += tl.sum(g, 0)
        two += tl.sum(g * h, 0)
    at = back + (b * S + s) * (2 * C) + channels
    tl.store(at, one, there)
    tl.store(at + C, two, there)
    if SMOOTH:
        at = taps + (b * S + s) * (TAPS * TAPS * C) + number[:, None] * C + channels[None, :]
        tl.store(at, df, (number < TAPS * TAPS)[:, None] & there[None, :])


@triton.jit
def _backward(
    x,
    dz,
    sums,
    filters,
    back,
    dx,
    H: tl.constexpr,
    W: tl.constexpr,
    C: tl.constexpr,
    SMOOTH: tl.constexpr,
    TAPS: tl.constexpr,
    EACH: tl.constexpr,
    S: tl.constexpr,
    EPS: tl.constexpr,
    P: tl.constexpr,
    Q: tl.constexpr,
):
    """dx of P pixels and Q channels of an image."""
    N: tl.constexpr = H * W
    b = tl.program_id(0).to(tl.int64)
    group, channels, there = _channels(EACH, Q)
    f = filters + group * TAPS * TAPS
    image, gradient = x + b * N * C, dz + b * N * C
    mean, scale = _statistics(image, sums + b * S * 2 * C, channels, there, N, C, S, EPS)
    at = back + b * S * 2 * C + tl.arange(0, S)[:, None] * (2 * C) + channels[None, :]
    one = tl.sum(tl.load(at, there[None, :], 0.0), 0) / N
    two = tl.sum(tl.load(at + C, there[None, :], 0.0), 0) / N
    p = tl.program_id(1) * P + tl.arange(0, P)
    seen = (p < N)[:, None] & there[None, :]
    value = tl.load(image + _tile(p, channels, C), seen, 0.0).to(tl.float32)
    h = tl.where(seen, (value - mean[None, :]) * scale[None, :], 0.0)
    row, column = p // W, p % W
    dy = tl.zeros([P, Q], tl.float32)
    for i in tl.static_range(TAPS):
        for j in tl.static_range(TAPS):
            up, left = row - i + TAPS // 2, column - j + TAPS // 2
            inside = (p < N) & (up >= 0) & (up < H) & (left >= 0) & (left < W)
            d = tl.load(gradient + _tile(up * W + left, channels, C), inside[:, None] & there[None, :], 0.0)
            dy += _tap(f, i * TAPS + j, SMOOTH) * d.to(tl.float32)
    g = tl.where(h > 0, dy, 0.0)
    found = scale[None, :] * (g - one[None, :] - h * two[None, :])
    tl.store(dx + b * N * C + _tile(p, channels, C), found.to(dx.dtype.element_ty), seen)


def rectified(x: Tensor, filters: Tensor | None = None) -> Tensor:
    """As `operations.rectified`: (B, C, H, W) of at most 32 bits, filters (G, k, k), k odd -> (B, C, H, W).

    Raises RuntimeError where Triton fails.
    """
    return _rectified(x, filters)[0]


@torch.library.custom_op("umsn::rectified", mutates_args=())
def _rectified(x: Tensor, filters: Tensor | None) -> tuple[Tensor, Tensor]:
    """z, and the sums that its gradient needs."""
    x = x.contiguous(memory_format=torch.channels_last)
    batch, channels, height, width = x.shape
    sums, z = _new_sums(x), torch.empty_like(x)
    facts, form, blocks = _facts(x, filters, FORWARD)
    tiles = triton.cdiv(height * width, form["P"])
    with _failures_told():
        _sums[batch, SPLITS, blocks](x, sums, N=height * width, C=channels, EACH=facts["EACH"], S=SPLITS, **form)
        _forward[batch, tiles, blocks](x, sums, _pointer(filters, x), z, **facts, **form)
    return z, sums


@_rectified.register_fake
def _(x: Tensor, filters: Tensor | None) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x, memory_format=torch.channels_last), _new_sums(x)


@torch.library.custom_op("umsn::rectified_back", mutates_args=())
def _rectified_back(dz: Tensor, x: Tensor, sums: Tensor, filters: Tensor | None) -> tuple[Tensor, Tensor]:
    """The gradients of x and of the filters, which are empty where there are none."""
    dz, x = (t.contiguous(memory_format=torch.channels_last) for t in (dz, x))
    batch, channels, height, width = x.shape
    facts, form, blocks = _facts(x, filters, BACKWARD)
    numbers, back, dx = facts["TAPS"] ** 2, torch.empty_like(sums), torch.empty_like(x)
    taps = sums if filters is None else sums.new_empty(batch * SPLITS, numbers, channels)
    room, given = triton.next_power_of_2(numbers), (x, dz, sums, _pointer(filters, x), back)
    tiles = triton.cdiv(height * width, form["P"])
    with _failures_told():
        _sums_back[batch, SPLITS, blocks](*given, taps, ROOM=room, **facts, **form)
        _backward[batch, tiles, blocks](*given, dx, **facts, **form)
    if filters is None:
        return dx, x.new_empty(0)
    df = taps.unflatten(2, (len(filters), -1)).sum((0, 3))  # (k k, G)
    return dx, df.T.reshape(filters.shape).to(filters.dtype)


@_rectified_back.register_fake
def _(dz: Tensor, x: Tensor, sums: Tensor, filters: Tensor | None) -> tuple[Tensor, Tensor]:
    df = x.new_empty(0) if filters is None else torch.empty_like(filters, memory_format=torch.contiguous_format)
    return torch.empty_like(x, memory_format=torch.channels_last), df


def _keep(ctx, inputs: tuple[Tensor, Tensor | None], output: tuple[Tensor, Tensor]) -> None:
    x, filters = inputs
    ctx.save_for_backward(x, output[1], filters)


def _back(ctx, dz: Tensor, _: Tensor | None) -> tuple[Tensor, Tensor | None]:
    x, sums, filters = ctx.saved_tensors
    dx, df = _rectified_back(dz, x, sums, filters)
    return dx, None if filters is None else df


_rectified.register_autograd(_back, setup_context=_keep)


@contextmanager
def _failures_told() -> Iterator[None]:
    """A block in which what Triton cannot compile or start raises RuntimeError."""
    try:
        yield
    except TritonError as error:
        why = next(iter(str(error).splitlines()), "")
        raise RuntimeError(f"Triton: {type(error).__name__}: {why}") from error


def _new_sums(x: Tensor) -> Tensor:
    return x.new_empty(len(x), SPLITS, 2, x.shape[1], dtype=torch.float32)


def _pointer(filters: Tensor | None, x: Tensor) -> Tensor:
    """Where the filters are in memory, row by row; where there are none, anything that is not read."""
    return x if filters is None else filters.contiguous()


def _facts(x: Tensor, filters: Tensor | None, numbers: int) -> tuple[dict[str, int | float], dict[str, int], int]:
    """What kernels are compiled for, pixels and channels of a program, and how many programs share the channels."""
    channels, height, width = x.shape[1:]
    groups, size = (1, 1) if filters is None else filters.shape[:2]
    each = channels // groups
    q = min(64, triton.next_power_of_2(each))
    facts = {"H": height, "W": width, "C": channels, "SMOOTH": filters is not None, "TAPS": size, "EACH": each}
    return facts | {"S": SPLITS, "EPS": EPSILON}, {"P": numbers // q, "Q": q}, groups * triton.cdiv(each, q)
