"""Blind deconvolution with a normalised sparsity measure (Krishnan, Tay & Fergus, CVPR 2011), written from the paper.

On the gradients y of a grey image, from coarse to fine, by turns:

    x:  min_x  lambda ||k * x - y||^2 + ||x||_1 / ||x||_2    ISTA, with ||x||_2 held while it runs
    k:  min_k  lambda ||k * x - y||^2 + psi ||k||_1          reweighted least squares; then k >= 0, sum 1

and at the end the colours by `nonblind.deconvolve`. Scales lie a factor of the square root of 2 apart. Free choices
here: x reaches beyond the border and is compared inside it (`spectra`); ISTA takes the longest safe step; the k step is
one round of weights and eight conjugate gradients; x is enlarged between scales as k is; how often each is repeated;
faint values go at every scale; the kernel's mass is moved to its middle, since nothing in a blurred image says where
it was. `WEIGHT`, `KERNEL_WEIGHT`, `FAINT` and `nonblind.WEIGHT` were chosen on 16 images of four synthetic people whom
no record measures, never on photographs.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from umsn.evaluation.rivals import scales, spectra
from umsn.evaluation.rivals.nonblind import deconvolve
from umsn.evaluation.rivals.scales import LARGEST

TURNS, OUTER, INNER = 21, 2, 2  #: of x and k at a scale; of ||x||_2 within x; of ISTA within that
WEIGHT = 15.0  #: lambda; larger ones end in a kernel of one pixel, smaller ones in a filled box
KERNEL_WEIGHT = 1.0  #: psi over lambda, times the number of the kernel's pixels, over the energy of x
FAINT = 0.2  #: at the end of a scale kernel values below this share of the largest are dropped


def deblur(blurred: Tensor, *, largest: int = LARGEST) -> Tensor:
    """Blurred (B, 3, H, W) in [0, 1] -> restored, likewise. ``largest``: odd side that no kernel exceeds, in pixels.

    Raises ValueError for other shapes, for a ``largest`` that is even, below 3 or does not fit into the image.
    """
    return deconvolve(blurred, estimate_kernel(blurred, largest=largest))


def estimate_kernel(blurred: Tensor, *, largest: int = LARGEST) -> Tensor:
    """The kernels (B, largest, largest) of blurred images (B, 3, H, W): none negative, sum 1, mass in the middle."""
    grey, scene = scales.checked(blurred, largest).mean(1, keepdim=True), None
    kernel = scales.first_kernel(grey)
    for size in scales.sizes(largest):
        y = scales.gradients(scales.resized(grey, size / largest))
        kernel = scales.enlarged(kernel, size)
        scene = _scene(scene, y, size)
        scene, kernel = _alternate(y, scene, kernel)
        kernel, scene = scales.recentred(scales.unit(kernel, FAINT), scene)
    return kernel[:, 0]


def _alternate(y: Tensor, scene: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """One scale: gradients y (B, 2, h, w), x (B, 2, h + 2r, w + 2r), k (B, 1, 2r + 1, 2r + 1) -> x and k."""
    for _ in range(TURNS):
        scene = _sharpen(y, scene, kernel)
        kernel = _fit(y, scene, kernel)
    return scene, kernel


def _sharpen(y: Tensor, scene: Tensor, kernel: Tensor) -> Tensor:
    """The x step. The data term's gradient has the Lipschitz constant 2 lambda, hence steps of 1 / (2 lambda)."""
    size, shape = kernel.shape[-1], (y.shape[-2], y.shape[-1])
    sides = spectra.grid(*shape, size)
    blur = spectra.spectrum(kernel, sides)
    for _ in range(OUTER):
        threshold = 1 / (2 * WEIGHT * scene.square().sum((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-6))
        for _ in range(INNER):
            residual = spectra.photograph(spectra.spectrum(scene, sides) * blur, sides, size, shape) - y
            scene = scene - spectra.adjoint(spectra.seen(residual, sides, size), blur, sides, scene.shape[-2:])
            scene = (scene.abs() - threshold).clamp_min(0) * scene.sign()
    return scene


def _fit(y: Tensor, scene: Tensor, kernel: Tensor) -> Tensor:
    """The k step: the weights W = psi / |k| are those of the present k."""
    return scales.fitted(y, scene, kernel, scales.sparse(scene, kernel, KERNEL_WEIGHT), steps=8)


def _scene(coarser: Tensor | None, y: Tensor, size: int) -> Tensor:
    """What x starts from: the gradients themselves, or the coarser scale's x, enlarged."""
    reach = size // 2
    if coarser is None:
        return F.pad(y, (reach,) * 4, mode="replicate")
    shape = (y.shape[-2] + 2 * reach, y.shape[-1] + 2 * reach)
    found = F.interpolate(coarser, size=shape, mode="bilinear", align_corners=False)
    return found * (coarser.shape[-1] / shape[-1])  # slopes of a larger image are gentler
