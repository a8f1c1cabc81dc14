"""Fast motion deblurring (Cho & Lee, ACM Transactions on Graphics 28(5), SIGGRAPH Asia 2009), written from the paper.

From coarse to fine, on a grey image y, by turns:

    L:  min_L  sum_* w_* ||k * d_* L - d_* y||^2 + alpha ||grad L||^2     closed form in the Fourier domain
    P:  the steep slopes of L after a bilateral and a shock filter        "prediction", see `edges`
    k:  min_k  sum_* w_* ||k * P_* - d_* y||^2 + beta ||k||^2;            then k >= 0, faint values 0, sum 1

d_* runs over y itself (L step only) and its first and second derivatives. L is soft and rings, but P keeps sharp edges
only, and from an edge known to be a step the kernel can be read: no prior that has to be minimised slowly, hence fast.

Simplified: L starts anew at each scale from the enlarged kernel, not from the enlarged L; borders are continued as what
the present L, blurred, would show there; scales lie a factor of the square root of 2 apart; a kernel's mass is moved to
its middle; the colours come at the end from `nonblind.deconvolve`, where the paper repeats the L step, which rings.
The shock filter takes one-sided slopes. `RIDGE`, `FAINT` and `PER_SIDE` were chosen on eight blurred photographs and
faces without noise and eight other synthetic faces under noise of 0.01, whom no record measures: under noise the
paper's beta of 5 and share of 1/20 leave a kernel full of specks.

It works when a photograph blurred by a thick diagonal gives the diagonal back, and when P shows a few clean contours.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from umsn.evaluation.rivals import edges, scales
from umsn.evaluation.rivals.nonblind import beyond, deconvolve, operators, padded, penalty
from umsn.evaluation.rivals.scales import LARGEST

TURNS = 5  #: of L, P and k at a scale; the paper has 7, which gain nothing here
WEIGHTS = (50.0, 25.0, 12.5)  #: w_* of y itself, its first and its second derivatives (Shan et al. 2008: halved each)
SMOOTH = 1.0  #: alpha, for values in [0, 1]; the paper has 0.1 to 1
RIDGE = 1500.0  #: beta, for values in [0, 1]; the paper has 5
FAINT = 0.15  #: kernel values below this share of the largest are dropped; the paper has 1/20
PER_SIDE = 5  #: slopes kept in each direction, times the kernel's side; the paper's r is 2, of its own count
EASE = 0.9  #: the threshold of slopes falls by this factor a turn, so that more of them speak (paper)
ALIKE, STEP = 0.5, 1.0  #: the bilateral filter's s.d. of values and the shock filter's step (paper)
DECAY = 0.9  #: both fall by this factor at each finer scale, where L is better (public code of the method)
BORDER = 3  #: closed forms of an L step, each with the border continued by the one before


def deblur(blurred: Tensor, *, largest: int = LARGEST) -> Tensor:
    """Blurred (B, 3, H, W) in [0, 1] -> restored, likewise. ``largest``: odd side that no kernel exceeds, in pixels.

    Raises ValueError for other shapes, for a ``largest`` that is even, below 3 or does not fit into the image.
    """
    return deconvolve(blurred, estimate_kernel(blurred, largest=largest))


def estimate_kernel(blurred: Tensor, *, largest: int = LARGEST) -> Tensor:
    """The kernels (B, largest, largest) of blurred images (B, 3, H, W): none negative, sum 1, mass in the middle."""
    grey = scales.checked(blurred, largest).mean(1, keepdim=True)
    return coarse_to_fine(grey, scales.sizes(largest), largest)[:, 0]


def coarse_to_fine(grey: Tensor, sizes: Sequence[int], largest: int) -> Tensor:
    """The kernels (B, 1, k, k) of grey images (B, 1, H, W) after the scales where they have ``sizes``, the last k."""
    kernel = scales.first_kernel(grey)
    for level, size in enumerate(sizes):
        y = scales.resized(grey, size / largest)
        slopes = derivatives(scales.gradients(y))
        kernel = scales.enlarged(kernel, size)
        for turn in range(TURNS):
            P = predicted(latent(y, kernel), size, DECAY**level, EASE**turn)
            kernel = fitted(slopes, P, kernel)
        (kernel,) = scales.recentred(kernel)
    return kernel


def latent(y: Tensor, kernel: Tensor) -> Tensor:
    """L: image (B, 1, h, w) and kernel (B, 1, 2r + 1, 2r + 1) -> (B, 1, h + 2r, w + 2r), r pixels beyond the border."""
    size = kernel.shape[-1]
    wide, inside = padded(y, size)
    sides = wide.shape[-2:]
    blur, slopes, power = operators(kernel[:, 0], sides)
    weights = penalty(slopes, WEIGHTS)
    inverse = blur.conj() * weights / (blur.abs().square() * weights + SMOOTH * power)
    transformed = torch.fft.rfft2(wide)
    for _ in range(BORDER):
        seen = torch.where(inside, wide, torch.fft.irfft2(transformed * blur, s=sides))
        transformed = inverse * torch.fft.rfft2(seen)
    return beyond(torch.fft.irfft2(transformed, s=sides), size, y.shape[-2:])


def predicted(image: Tensor, size: int, decay: float = 1.0, ease: float = 1.0) -> Tensor:
    """P of L (B, 1, H, W), for a kernel of ``size`` pixels: slopes (B, 2, H - 1, W - 1).

    ``decay`` weakens the filters, ``ease`` lowers the threshold of slopes.
    """
    image = edges.shock(edges.bilateral(image, alike=ALIKE * decay), STEP * decay)
    return edges.strongest(scales.gradients(image), PER_SIDE * size, ease)


def fitted(slopes: Tensor, P: Tensor, kernel: Tensor) -> Tensor:
    """The k step: `derivatives` of y (B, 5, h, w), P (B, 2, h + 1 + 2r, w + 1 + 2r), kernel (B, 1, 2r + 1, 2r + 1)."""
    return scales.unit(scales.fitted(slopes, derivatives(P), kernel, RIDGE, steps=5), FAINT)


def derivatives(slopes: Tensor) -> Tensor:
    """First and second derivatives times the roots of their weights: slopes (B, 2, h, w) -> (B, 5, h - 1, w - 1)."""
    across, down = slopes[:, :1], slopes[:, 1:]
    twice, mixed = scales.gradients(across).split(1, 1)
    other, twice_down = scales.gradients(down).split(1, 1)
    first = WEIGHTS[1] ** 0.5 * slopes[..., :-1, :-1]
    second = WEIGHTS[2] ** 0.5 * torch.cat([twice, (mixed + other) / 2, twice_down], 1)
    return torch.cat([first, second], 1)
