"""High-quality motion deblurring from a single image (Shan, Jia & Agarwala, SIGGRAPH 2008), written from the paper.

From coarse to fine, on a grey image y, by turns:

    L:  min_L  sum_* w_* ||k * d_* L - d_* y||^2 + lambda_1 sum_j phi(d_j L) + lambda_2 sum_j ||m (d_j L - d_j y)||^2
    k:  min_k  sum_* w_* ||k * d_* L - d_* y||^2 + psi ||k||_1;           then k >= 0, sum 1

d_* runs over y itself (L step only) and its first and second derivatives, d_j over the two first ones: noise is random
at every order. phi is a photograph's slope by its rarity: k |v| up to l_t, then a v^2 + b, v in grey levels of 0..255.
m is 1 where y is smooth over a window as large as the kernel, and L must be as smooth there: so rings are held down.
The L step is split by half: psi_j takes the place of d_j L at the price gamma (psi_j - d_j L)^2, gamma doubles, psi_j
is found pixel by pixel, L in the Fourier domain.

Simplified: the k step is one round of reweighted least squares and eight conjugate gradients, not an interior-point
solver; the kernel starts from two pixels at the coarsest of scales that lie a factor of the square root of 2 apart,
not from a user's guess; each scale has three turns; the image is continued beyond its border as what the present L,
blurred, would show there; a kernel's mass is moved to its middle. `GLOBAL`, `KERNEL_WEIGHT` and `FINAL` were chosen on
eight blurred photographs and faces without noise and eight other synthetic faces under noise of 0.01, whom no record
measures.

It works when psi_j costs no more than any other value does (the tests try thousands), when the energy of an L step
falls at a fixed gamma, and when L under the true kernel is nearer to the truth than Wiener's filter comes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.evaluation.rivals import scales
from umsn.evaluation.rivals.fast_motion import WEIGHTS, derivatives
from umsn.evaluation.rivals.nonblind import beyond, operators, padded, penalty
from umsn.evaluation.rivals.scales import LARGEST

TURNS = 3  #: of L and k at a scale
LINEAR, QUADRATIC, OFFSET, BEND = 2.7, 6.1e-4, 5.0, 1.853  #: k, a, b and l_t of phi, for grey levels
GLOBAL, LOCAL = 0.05, 15.0  #: lambda_1 and lambda_2 in a scale's first turn; the paper has 0.002 to 0.5 and 10 to 25
GLOBAL_DECAY, LOCAL_DECAY = 1.2, 1.5  #: they are divided by these at each turn; the paper has 1.1 to 1.4, and 1.5
GAMMAS = tuple(2.0**step for step in range(1, 12))  #: from 2, doubled (the paper)
FLAT = 5 / 255  #: y is smooth where its standard deviation is less
KERNEL_WEIGHT = 1.0  #: psi, times the number of the kernel's pixels, over the energy of L's derivatives
FAINT = 0.01  #: at the end of a scale kernel values below this share of the largest are dropped
FINAL = 0.005  #: lambda_1 of the last L step, in colour, for noise of 0.01


def deblur(blurred: Tensor, *, largest: int = LARGEST) -> Tensor:
    """Blurred (B, 3, H, W) in [0, 1] -> restored, likewise. ``largest``: odd side that no kernel exceeds, in pixels.

    Raises ValueError for other shapes, for a ``largest`` that is even, below 3 or does not fit into the image.
    """
    return restored(blurred, estimate_kernel(blurred, largest=largest))


def restored(blurred: Tensor, kernels: Tensor, weight: float = FINAL) -> Tensor:
    """The L step in colour: (B, 3, H, W) in [0, 1] and kernels (B, k, k), k odd, sum 1 -> (B, 3, H, W), clipped."""
    reach = kernels.shape[-1] // 2
    return F.pad(latent(blurred, kernels[:, None], weight, LOCAL), (-reach,) * 4).clamp(0, 1)


def estimate_kernel(blurred: Tensor, *, largest: int = LARGEST) -> Tensor:
    """The kernels (B, largest, largest) of blurred images (B, 3, H, W): none negative, sum 1, mass in the middle."""
    grey = scales.checked(blurred, largest).mean(1, keepdim=True)
    kernel = scales.first_kernel(grey)
    for size in scales.sizes(largest):
        y = scales.resized(grey, size / largest)
        slopes = derivatives(scales.gradients(y))
        kernel = scales.enlarged(kernel, size)
        for turn in range(TURNS):
            L = latent(y, kernel, GLOBAL / GLOBAL_DECAY**turn, LOCAL / LOCAL_DECAY**turn)
            scene = derivatives(scales.gradients(L))
            weights = scales.sparse(scene, kernel, KERNEL_WEIGHT)
            kernel = scales.fitted(slopes, scene, kernel, weights, steps=8)
        (kernel,) = scales.recentred(scales.unit(kernel, FAINT))
    return kernel[:, 0]


def latent(y: Tensor, kernel: Tensor, weight: float, local: float) -> Tensor:
    """The L step: y (B, C, h, w) and kernel (B, 1, 2r + 1, 2r + 1) -> L (B, C, h + 2r, w + 2r), beyond the border.

    ``weight`` is lambda_1, ``local`` lambda_2.
    """
    size = kernel.shape[-1]
    wide, inside = padded(y, size)
    smooth = local * (inside & (_deviation(wide, size) < FLAT))
    return beyond(split(wide, inside, kernel, weight, smooth), size, y.shape[-2:])


def split(
    wide: Tensor, inside: Tensor, kernel: Tensor, weight: float, smooth: Tensor, gammas: Sequence[float] = GAMMAS
) -> Tensor:
    """The L step by splitting: a scene (B, C, H, W) on a periodic grid.

    wide: y on the grid, (B, C, H, W)
    inside: where y is known, the same or (1, 1, H, W), bool
    kernel: (B, 1, k, k)
    weight: lambda_1, of the prior
    smooth: lambda_2 m of each pixel
    gammas: what the split costs, growing
    """
    sides = wide.shape[-2:]
    blur, slopes, power = operators(kernel[:, 0], sides)
    orders = penalty(slopes, WEIGHTS)
    there = [wide - wide.roll(1, axis) for axis in (-1, -2)]
    transformed = torch.fft.rfft2(wide)
    for gamma in gammas:
        seen = torch.where(inside, wide, torch.fft.irfft2(transformed * blur, s=sides))
        right = blur.conj() * orders * torch.fft.rfft2(seen)
        for slope, y in zip(slopes, there, strict=True):
            d = torch.fft.irfft2(transformed * slope, s=sides)
            psi = cheapest((smooth * y + gamma * d) / (smooth + gamma), weight, smooth + gamma)
            right = right + gamma * slope.conj() * torch.fft.rfft2(psi)
        transformed = right / (blur.abs().square() * orders + gamma * power)
    return torch.fft.irfft2(transformed, s=sides)


def prior(slopes: Tensor) -> Tensor:
    """phi of slopes of values in [0, 1], any shape."""
    v = 255 * slopes.abs()
    return torch.where(v <= BEND, LINEAR * v, QUADRATIC * v.square() + OFFSET)


def cheapest(target: Tensor, weight: float, price: Tensor) -> Tensor:
    """argmin_psi weight phi(psi) + price (psi - target)^2, pixel by pixel: the better of phi's two branches."""
    size, bend = target.abs(), BEND / 255
    gentle = (size - weight * LINEAR * 255 / (2 * price)).clamp(0, bend)
    steep = (price * size / (price + weight * QUADRATIC * 255**2)).clamp_min(bend)
    first, second = (weight * prior(psi) + price * (psi - size).square() for psi in (gentle, steep))
    return torch.where(first <= second, gentle, steep) * target.sign()


def _deviation(image: Tensor, size: int) -> Tensor:
    """The standard deviation in a window of ``size`` pixels around each pixel of (B, C, H, W)."""

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, size, stride=1, padding=size // 2, count_include_pad=False)

    return (mean(image.square()) - mean(image).square()).clamp_min(0).sqrt()
