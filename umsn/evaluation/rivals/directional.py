"""Handling noise in single image deblurring using directional filters (Zhong et al., CVPR 2013), from the paper.

A Gaussian f_t along one direction t removes much of the noise and blurs once more: f_t * y = (k * f_t) * x + f_t * n.
What a kernel k * f_t adds up to along its lines of direction t does not depend on f_t, whose sum is 1:

    R_t(k * f_t) = R_t(k)         R_t: sums along all lines of direction t (a view of the Radon transform)

So, at the finest scale, k_t = argmin ||k_t * P - grad f_t * y||^2 + beta ||k_t||^2 in each of 36 directions, from the
same steep slopes P; k_t is summed along t; and the 36 views give k by the inverse Radon transform. The coarser scales
are those of `fast_motion`, for an image of fewer pixels is less noisy. With k, the image x:

    min_x  ||k * x - y||^2 + mu ||x - z||^2,   z: the x before, without noise, by non-local means

Simplified: two rounds of either; x starts from `nonblind.deconvolve`, told how noisy y is; P is that of Cho & Lee. The
least squares are linear: what the filters gain comes from k_t >= 0 and from dropping its faint values, where the noise
has been averaged first. `SPREAD`, `RIDGE` and `PULL` were chosen on eight synthetic faces whom no record measures,
under noise of 0 to 0.05.

It works when R_t(k * f_t) is R_t(k), when the views of a true kernel give it back, and when the kernel is found under
noise where `fast_motion` finds specks; without noise it gains nothing. (Most of that comes from summing 36 views of
first derivatives; the filters' own share shows at a noise of 0.05.)
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from skimage.transform import iradon
from torch import Tensor

from umsn.evaluation.rivals import fast_motion, noise, scales
from umsn.evaluation.rivals.nonblind import WEIGHT, deconvolve, operators, padded
from umsn.evaluation.rivals.scales import LARGEST

DIRECTIONS = 36  #: over half a turn (the paper)
SPREAD = 2.0  #: s.d. of f_t in pixels
MARGIN = 4  #: how many pixels k_t reaches beyond k, each way: 2 s.d. of f_t
TURNS, STEPS = 2, 5  #: of P and k at the finest scale; conjugate gradients in each
RIDGE = 60.0  #: beta; that of `fast_motion` over its weight of first derivatives
LEAST, FAINT = 0.05, 0.15  #: values below this share of the largest are dropped, of k_t and of k
ROUNDS, PULL = 2, 0.1  #: of x and z; mu


def deblur(blurred: Tensor, *, largest: int = LARGEST) -> Tensor:
    """Blurred (B, 3, H, W) in [0, 1] -> restored, likewise. ``largest``: odd side that no kernel exceeds, in pixels.

    Raises ValueError for other shapes, for a ``largest`` that is even, below 3 or does not fit into the image.
    """
    return restored(blurred, estimate_kernel(blurred, largest=largest))


def estimate_kernel(blurred: Tensor, *, largest: int = LARGEST) -> Tensor:
    """The kernels (B, largest, largest) of blurred images (B, 3, H, W): none negative, sum 1, mass in the middle."""
    grey = scales.checked(blurred, largest).mean(1, keepdim=True)
    sizes = scales.sizes(largest)
    kernel = scales.enlarged(fast_motion.coarse_to_fine(grey, sizes[:-1], largest), largest)
    for turn in range(TURNS):
        L = fast_motion.latent(grey, F.pad(kernel, (MARGIN,) * 4))
        P = fast_motion.predicted(L, largest, fast_motion.DECAY ** len(sizes), fast_motion.EASE**turn)
        views = torch.stack([_views(*one) for one in zip(filtered(grey), P, kernel, strict=True)])
        (kernel,) = scales.recentred(scales.unit(assembled(views, largest), FAINT))
    return kernel[:, 0]


def restored(blurred: Tensor, kernels: Tensor) -> Tensor:
    """x in colour: (B, 3, H, W) in [0, 1] and kernels (B, k, k), k odd, sum 1 -> (B, 3, H, W), clipped to [0, 1]."""
    sigma = noise.deviation(blurred).clamp_min(1e-3)
    x = deconvolve(blurred, kernels, weight=WEIGHT * (0.01 / sigma.clamp_min(0.01)).square())
    wide, inside = padded(blurred, kernels.shape[-1])
    reach, sides = kernels.shape[-1] - 1, wide.shape[-2:]
    here = (..., slice(reach, reach + blurred.shape[-2]), slice(reach, reach + blurred.shape[-1]))
    blur = operators(kernels, sides)[0]
    scene = padded(x, kernels.shape[-1])[0]
    for _ in range(ROUNDS):
        seen = torch.where(inside, wide, torch.fft.irfft2(torch.fft.rfft2(scene) * blur, s=sides))
        z = scene.clone()
        z[here] = noise.nonlocal_means(scene[here], sigma)
        right = blur.conj() * torch.fft.rfft2(seen) + PULL * torch.fft.rfft2(z)
        scene = torch.fft.irfft2(right / (blur.abs().square() + PULL), s=sides)
    return noise.nonlocal_means(scene[here], sigma).clamp(0, 1)


def filtered(images: Tensor) -> Tensor:
    """f_t * y for each direction: (B, 1, H, W) -> (B, DIRECTIONS, H, W), the border reflected."""
    reach = math.ceil(3 * SPREAD)
    wide = F.pad(images, (reach,) * 4, mode="reflect")
    sides = wide.shape[-2:]
    down = torch.fft.fftfreq(sides[0], dtype=images.dtype, device=images.device)[:, None]
    across = torch.fft.rfftfreq(sides[1], dtype=images.dtype, device=images.device)
    t = torch.from_numpy(np.deg2rad(_degrees())).to(images)[:, None, None]
    along = 2 * torch.pi * (across * t.sin() + down * t.cos())
    spectra = torch.fft.rfft2(wide) * torch.exp(-(SPREAD * along).square() / 2)
    return torch.fft.irfft2(spectra, s=sides)[..., reach:-reach, reach:-reach]


def projected(kernels: Tensor) -> Tensor:
    """R_t for each direction: kernels (B, DIRECTIONS, k, k), or (B, 1, k, k) for all, -> views (B, DIRECTIONS, D)."""
    rays = _rays(kernels.shape[-1]).to(kernels)
    return torch.einsum("dtp,bdp->bdt", rays, kernels.flatten(2).expand(-1, DIRECTIONS, -1))


def assembled(views: Tensor, size: int) -> Tensor:
    """The inverse Radon transform, by filtered back-projection: (B, DIRECTIONS, D) -> (B, 1, size, size)."""
    views_of = views.cpu().double().numpy()
    found = [iradon(view.T, _degrees(), output_size=size, circle=False) for view in views_of]
    return torch.from_numpy(np.stack(found)).to(views)[:, None]


def _views(y: Tensor, P: Tensor, kernel: Tensor) -> Tensor:
    """k_t of one image, summed along t: f_t * y (DIRECTIONS, h, w), P (2, ..), k (1, k, k) -> (DIRECTIONS, D)."""
    aside = MARGIN + math.ceil(3 * SPREAD)
    start = F.pad(filtered(F.pad(kernel[None], (aside,) * 4))[0], (MARGIN - aside,) * 4)[:, None]
    slopes, scene = scales.gradients(y[:, None]), P.expand(DIRECTIONS, -1, -1, -1)
    found = scales.unit(scales.fitted(slopes, scene, start, RIDGE, steps=STEPS), LEAST)
    return projected(found.movedim(0, 1))[0]


def _degrees() -> np.ndarray:
    return np.arange(DIRECTIONS) * (180 / DIRECTIONS)


@cache
def _rays(size: int) -> Tensor:
    """How much of each pixel falls on each line, shared between the two nearest: (DIRECTIONS, D, size^2).

    Line number D // 2 goes through the middle; its direction is (sin t, cos t) across and down.
    """
    place, lines = torch.arange(size) - size // 2, 2 * math.ceil(size / 2**0.5) + 1
    t = torch.from_numpy(np.deg2rad(_degrees())).float()[:, None, None]
    distance = (place * t.cos() - place[:, None] * t.sin()).flatten(1)
    number = torch.arange(lines) - lines // 2
    return (1 - (distance[:, None] - number[:, None]).abs()).clamp_min(0)
