"""What blind methods share: scales from coarse to fine, slopes of an image, kernels that stay kernels.

A kernel is (B, 1, k, k), a scene or image (B, C, H, W). A kernel's mass is kept in its middle, since nothing in a
blurred image says where it was.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.data.blur import off_centre
from umsn.evaluation.rivals import spectra
from umsn.files import InputError

LARGEST = 27  #: the largest kernel of the protocol (Sec. IV)


def checked(blurred: Tensor, largest: int) -> Tensor:
    """The images as they are. Raises ValueError where they are none, or a kernel of ``largest`` is too large."""
    if blurred.dim() != 4 or blurred.shape[1] != 3 or not blurred.is_floating_point():
        raise ValueError(f"images {tuple(blurred.shape)}, {blurred.dtype}; expected floating (B, 3, H, W)")
    if largest % 2 == 0 or not 3 <= largest <= min(blurred.shape[-2:]) // 2:
        raise InputError(f"largest {largest} for {tuple(blurred.shape)}: expected odd, 3 to half of the image")
    return blurred


def sizes(largest: int) -> list[int]:
    """Odd kernel sizes from 3 to ``largest``, each about the square root of 2 of the one before."""
    found = [largest]
    while found[0] > 3:
        smaller = int(found[0] / 2**0.5)
        found.insert(0, max(3, smaller - 1 + smaller % 2))
    return found


def gradients(grey: Tensor) -> Tensor:
    """Differences across and down: (B, 1, H, W) -> (B, 2, H - 1, W - 1)."""
    across = grey[..., :-1, 1:] - grey[..., :-1, :-1]
    down = grey[..., 1:, :-1] - grey[..., :-1, :-1]
    return torch.cat([across, down], 1)


def resized(image: Tensor, scale: float) -> Tensor:
    """Smaller by ``scale``, without aliasing."""
    shape = [max(8, round(side * scale)) for side in image.shape[-2:]]
    return F.interpolate(image, size=shape, mode="bicubic", antialias=True, align_corners=False)


def unit(kernel: Tensor, faint: float = 0.0) -> Tensor:
    """Negative and faint values to zero, sum 1; a single pixel where nothing is left."""
    kernel = kernel.clamp_min(0)
    kernel = torch.where(kernel < faint * kernel.amax((-2, -1), keepdim=True), 0, kernel)
    total, size = kernel.sum((-2, -1), keepdim=True), kernel.shape[-1]
    pixel = F.pad(kernel.new_ones(1, 1, 1, 1), (size // 2,) * 4)
    return torch.where(total > 1e-8, kernel / total.clamp_min(1e-8), pixel)


def recentred(kernel: Tensor, *scenes: Tensor) -> tuple[Tensor, ...]:
    """Move the kernels' mass (B, 1, k, k) to the middle, by whole pixels, and the scenes the other way."""
    moves = off_centre(kernel[:, 0]).round().int().tolist()
    moved = torch.stack([_shifted(k, -row, -column) for k, (row, column) in zip(kernel, moves, strict=True)])
    others = [torch.stack([_shifted(x, *move) for x, move in zip(scene, moves, strict=True)]) for scene in scenes]
    return unit(moved), *others


def _shifted(image: Tensor, rows: int, columns: int) -> Tensor:
    """Moved down and to the right; what leaves is lost, zeros come in."""
    return F.pad(image, (columns, -columns, rows, -rows))


def first_kernel(grey: Tensor) -> Tensor:
    """Of 3 x 3, for images (B, 1, H, W): two pixels side by side."""
    return F.pad(grey.new_full((len(grey), 1, 1, 2), 0.5), (0, 1, 1, 1))


def enlarged(kernel: Tensor, size: int) -> Tensor:
    """The kernel of the scale before, for the next one."""
    return unit(F.interpolate(kernel, size=(size, size), mode="bilinear", align_corners=False))


def fitted(y: Tensor, scene: Tensor, kernel: Tensor, weights: Tensor | float, *, steps: int) -> Tensor:
    """A few conjugate gradients on (X'X + weights) k = X'y from the present k; negative values to zero, sum 1.

    y (B, C, h, w), scene X (B, C, h + 2r, w + 2r), kernel (B, 1, 2r + 1, 2r + 1), weights as many, one an image, or
    one.
    """
    size, shape = kernel.shape[-1], (y.shape[-2], y.shape[-1])
    sides = spectra.grid(*shape, size)
    x = spectra.spectrum(scene, sides)

    def back(image: Tensor) -> Tensor:
        return spectra.adjoint(spectra.seen(image, sides, size), x, sides, (size, size)).sum(1, keepdim=True)

    def normal(k: Tensor) -> Tensor:
        return back(spectra.photograph(x * spectra.spectrum(k, sides), sides, size, shape)) + weights * k

    return unit(_conjugate(normal, back(y), kernel, steps))


def sparse(scene: Tensor, kernel: Tensor, weight: float) -> Tensor:
    """For `fitted`: the weights that stand for ||k||_1 around the present k, (B, 1, k, k), in shares of x's energy."""
    energy = scene.square().sum((1, 2, 3), keepdim=True).clamp_min(1e-12)
    return weight * energy / kernel.shape[-1] ** 2 / kernel.clamp_min(1e-4)


def _conjugate(normal: Callable[[Tensor], Tensor], right: Tensor, start: Tensor, steps: int) -> Tensor:
    """A few conjugate gradients towards normal(k) = right."""
    found, residual = start, right - normal(start)
    direction, size = residual, residual.square().sum((1, 2, 3), keepdim=True)
    for _ in range(steps):
        turned = normal(direction)
        step = size / (direction * turned).sum((1, 2, 3), keepdim=True).clamp_min(1e-20)
        found, residual = found + step * direction, residual - step * turned
        before, size = size, residual.square().sum((1, 2, 3), keepdim=True)
        direction = residual + size / before.clamp_min(1e-20) * direction
    return found
