"""How a face gets blurred: y = k * x + noise, with k the trace of a shaking camera (Sec. III; Boracchi & Foi 2012).

A trajectory is a point with inertia, pulled back to where it started, shaken by a Gaussian force and now and then by a
sudden reversal; its speed is held constant, so that it travels exactly its length. The kernel is the time it spends on
each pixel. `umsn.recipes` says which noise each of the paper, its code and its test sets use.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor

from umsn.files import InputError
from umsn.memory import free_memory

#: The kernel sizes of training, 13x13 to 29x29 (Sec. IV-A.2), and of the test sets of Shen et al. (80 kernels a face).
SIZES = tuple(range(13, 30, 2))
TEST_SIZES = SIZES[:-1]

#: Path length over kernel size. The one test kernel that Shen et al. published (27x27) fits a path of about 60 pixels.
LENGTH_PER_SIZE = 60 / 27

#: Bytes at work for each step of a path, and for each pixel of a kernel.
PATH_BYTES, KERNEL_BYTES = 80, 32

Centre = Literal["box", "mass"]
Kernel = tuple[int, int, Tensor]  #: size, number, (size, size) with sum 1


def trajectories(
    lengths: Tensor, generator: torch.Generator, *, anxiety: float | Tensor = 0.005, steps: int = 2000
) -> Tensor:
    """Camera-shake paths that start at the origin (Boracchi & Foi 2012, Sec. II).

    lengths (N,) in pixels  ->  (N, steps, 2) positions (row, column) in pixels. ``anxiety`` in [0, 1] is how much the
    hand trembles: 0 gives straight lines, 0.005 is the authors' demonstration.
    """
    count = len(lengths)
    kind = {"generator": generator, "device": generator.device}
    lengths = lengths.to(generator.device, torch.float32)
    anxiety = torch.as_tensor(anxiety, dtype=torch.float32, device=generator.device).expand(count)
    pull, shake, reversal = (scale * torch.rand(count, **kind) for scale in (0.7, 10, 0.2))
    angle = 2 * torch.pi * torch.rand(count, **kind)
    stride = lengths / (steps - 1)
    velocity = torch.polar(stride, angle)
    position = torch.zeros_like(velocity)
    path = torch.empty(steps, count, dtype=velocity.dtype, device=generator.device)
    path[0] = position
    for t in range(1, steps):
        force = torch.randn(count, dtype=velocity.dtype, **kind) * 2**0.5
        chance, swerve = torch.rand(2, count, **kind)
        turn = torch.polar(torch.ones_like(swerve), torch.pi + swerve - 0.5)
        jolt = torch.where(chance < reversal * anxiety, 2 * velocity * turn, 0)
        velocity = velocity + jolt + anxiety * (shake * force - pull * position) * stride
        velocity = velocity * (stride / velocity.abs().clamp_min(1e-12))
        position = position + velocity
        path[t] = position
    return torch.view_as_real(path.T.contiguous()).flip(-1)


def rasterise(paths: Tensor, sizes: Tensor, *, centre: Centre = "box", pad_to: int) -> Tensor:
    """The time a path spends on each pixel: (N, steps, 2) -> (N, pad_to, pad_to), sum 1, zero beyond its size.

    A path is placed by its bounding box, as in the authors' package, or by its centre of mass. Time spent outside the
    size x size support is lost and what remains is scaled to sum 1; a path that spends none of it there blurs nothing.
    """
    middle = (paths.amin(1) + paths.amax(1)) / 2 if centre == "box" else paths.mean(1)
    reach = (sizes.to(paths.device).float() - 1)[:, None, None] / 2
    offsets = paths - middle[:, None]
    inside = (offsets.abs() <= reach).all(-1)
    points = offsets + (pad_to - 1) / 2
    corner = points.floor().clamp(0, pad_to - 1).long()
    share = points - corner
    kernels = points.new_zeros(len(paths), pad_to * pad_to)
    for row in (0, 1):
        for column in (0, 1):
            weight = (share[..., 0] if row else 1 - share[..., 0]) * (share[..., 1] if column else 1 - share[..., 1])
            index = (corner[..., 0] + row).clamp_max(pad_to - 1) * pad_to + (corner[..., 1] + column).clamp_max(
                pad_to - 1
            )
            kernels.scatter_add_(1, index, weight * inside)
    total = kernels.sum(1, keepdim=True)
    still = torch.zeros_like(kernels).index_fill_(1, torch.tensor(pad_to * pad_to // 2, device=kernels.device), 1.0)
    kernels = torch.where(total > 0, kernels / total, still)
    return kernels.unflatten(1, (pad_to, pad_to))


def kernels(
    sizes: Sequence[int] | Tensor,
    generator: torch.Generator,
    *,
    anxiety: float | Tensor = 0.005,
    length: float | None = None,
    centre: Centre = "box",
    pad_to: int | None = None,
    steps: int = 2000,
) -> Tensor:
    """Camera-shake kernels of the given odd sizes: (N,) -> (N, pad_to, pad_to), each with sum 1.

    sizes: in pixels, odd
    generator: what they are drawn with; its device is theirs
    anxiety: how much the hand trembles, 0 to 1; one number, or (N,)
    length: of the path, in pixels; by default it grows with the size, by `LENGTH_PER_SIZE`
    centre: what of the path lies in the middle of the kernel: its bounding "box", or its centre of "mass"
    pad_to: side of the square of every kernel, with a border of zeros around smaller ones; by default the largest size
    steps: points of the path

    Raises InputError for no size, an even one or one larger than ``pad_to``, and for more kernels than fit into free
    memory.
    """
    sizes = torch.as_tensor(sizes)
    if not len(sizes):
        raise InputError("no kernel sizes: at least one was expected")
    pad_to = int(sizes.max()) if pad_to is None else pad_to
    if (sizes % 2 == 0).any() or (sizes < 1).any() or pad_to % 2 == 0 or int(sizes.max()) > pad_to:
        raise InputError(f"kernel sizes must be odd and at most {pad_to}, not {sizes[:20].tolist()}")
    if len(sizes) * (PATH_BYTES * steps + KERNEL_BYTES * pad_to**2) > free_memory():
        raise InputError(f"{len(sizes)} kernels of {pad_to} x {pad_to} do not fit into the free memory")
    lengths = sizes * LENGTH_PER_SIZE if length is None else torch.full_like(sizes, length, dtype=torch.float32)
    paths = trajectories(lengths, generator, anxiety=anxiety, steps=steps)
    return rasterise(paths, sizes, centre=centre, pad_to=pad_to)


def off_centre(kernels: Tensor) -> Tensor:
    """How far a kernel's mass lies from its middle, down and to the right: (.., k, k) -> (.., 2) in pixels."""
    place = torch.arange(kernels.shape[-1], device=kernels.device) - kernels.shape[-1] // 2
    return torch.stack([(kernels.sum(axis) * place).sum(-1) for axis in (-1, -2)], dim=-1)


def protocol_kernels(
    sizes: Sequence[int] = TEST_SIZES, per_size: int = 10, seed: int = 0, *, centre: Centre = "box"
) -> list[Kernel]:
    """The test kernels, ``per_size`` for each size, as (size, number 1.., kernel (size, size)).

    The same seed gives the same kernels. They are drawn in tens, each ten from a generator of its own, so that a
    smaller protocol is a part of a larger one.
    """
    drawn = []
    for size in sizes:
        for ten in range(0, per_size, 10):
            some = _ten_kernels(int(size), seed, ten, centre).clone()
            drawn += [(size, ten + i + 1, kernel) for i, kernel in enumerate(some[: per_size - ten])]
    return drawn


@lru_cache(maxsize=256)
def _ten_kernels(size: int, seed: int, ten: int, centre: Centre) -> Tensor:
    """Ten kernels of the protocol, (10, size, size): drawn once, since every measurement asks for them again."""
    generator = torch.Generator().manual_seed(seed * 10**6 + size * 1000 + ten)
    return kernels([size] * 10, generator, centre=centre)


def shaken(photo: Tensor, sizes: Sequence[int], *, sigma: float, seed: int) -> Tensor:
    """A photograph (3, H, W) blurred by the protocol's first kernel of each size, with noise: (N, 3, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    blurred = [blur(photo[None], kernel) for *_, kernel in protocol_kernels(sizes, 1, seed)]
    return add_noise(torch.cat(blurred), sigma, generator)


def blur(photos: Tensor, kernels: Tensor) -> Tensor:
    """k * x by FFT, the border reflected: photos (B, 3, H, W), kernels (B, k, k) or (k, k), k odd  ->  (B, 3, H, W).

    Raises InputError for an even kernel or a photo no larger than half of it.
    """
    size = kernels.shape[-1]
    reach = size // 2
    height, width = photos.shape[-2:]
    if size % 2 == 0 or min(height, width) <= reach:
        raise InputError(
            f"a {size}x{size} kernel cannot blur a {height}x{width} photo: odd and at most twice its side, please"
        )
    padded = F.pad(photos, (reach,) * 4, mode="reflect")
    shape = [next_fast_len(n, real=True) for n in padded.shape[-2:]]  # 148 = 4 x 37 would take three times as long
    spectrum = torch.fft.rfft2(padded, s=shape) * torch.fft.rfft2(kernels, s=shape).unsqueeze(-3)
    everywhere = torch.fft.irfft2(spectrum, s=shape)
    return everywhere[..., 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width].contiguous()


def add_noise(images: Tensor, sigma: float | Tensor, generator: torch.Generator) -> Tensor:
    """Gaussian noise of standard deviation ``sigma`` (on the scale [0, 1]; a number or (B,)), clipped to [0, 1]."""
    noise = torch.randn(images.shape, generator=generator, device=generator.device).to(images.device)
    return noisy(images, noise, sigma)


def noisy(images: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
    """The same with noise of standard deviation 1 that is drawn already, of the images' shape."""
    sigma = torch.as_tensor(sigma, dtype=images.dtype, device=images.device)
    return (images + noise * sigma.reshape(-1, *[1] * (images.ndim - 1))).clamp(0, 1)
