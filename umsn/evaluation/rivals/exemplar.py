"""Deblurring face images with exemplars (Pan, Hu, Su & Yang, ECCV 2014), written from the paper.

A blurred face y hardly shows which of its edges were sharp; a sharp face that resembles it does. Of a gallery, the face
T with the largest normalised correlation of slopes, over shifts and scales, lends its slopes on the contours of jaw,
eyes and mouth, S. From there, by turns, at full size:

    k:  min_k  ||k * S - grad y||^2 + gamma ||k||^2;     then k >= 0, faint values 0, sum 1
    x:  min_x  ||k * x - y||^2 + lambda ||grad x||_0;    then S = grad x

x is split by half: w takes the place of grad x at the price beta ||w - grad x||^2, is grad x where that costs more than
lambda or else 0, and beta doubles. No scales from coarse to fine: the exemplar stands for them.

Simplified: the gallery is `drawn`, with exact contours from its labels, each face also mirrored,
where the paper has 2,435 photographs; five scales near 1 and no rotations, for faces that fill the image; fewer turns;
the image is continued beyond its border as what the present x, blurred, would show there; the colours come at the end
from `nonblind.deconvolve`.

`KERNEL_WEIGHT` and `FAINT` were chosen on eight synthetic faces whom no record measures, under noise of 0.01: the
paper's gamma of 1 leaves specks in the kernel, and x then settles on a wrong one.

It works when the face itself, in the gallery, is the one found, and gives a better kernel than other faces do: on six
synthetic faces under kernels of 17 to 25 pixels and noise of 0.01 the kernel's correlation with the true one is 0.87
against 0.46 after one turn, 0.78 against 0.70 after twenty, for L0 repairs much of what another face spoils. Without
scales from coarse to fine some images end with a wrong kernel, most of all those without a face or without blur.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.evaluation.rivals import drawn, scales
from umsn.evaluation.rivals.nonblind import beyond, deconvolve, operators, padded
from umsn.evaluation.rivals.scales import LARGEST
from umsn.faces import LABELS

SCALES = (0.8, 0.9, 1.0, 1.1, 1.25)  #: of the exemplar; the paper has 1/2 to 2
REACH = 1 / 8  #: shifts go up to this share of the image's sides
TURNS = 20  #: of k and x; the paper has 50
KERNEL_WEIGHT = 20.0  #: gamma, for values in [0, 1]; the paper has 1
FAINT = 0.2  #: kernel values below this share of the largest are dropped; public code of the method has 0.05
SPARSE, EASE = 4e-3, 1.1  #: lambda, divided by EASE a turn (public code of the method); the paper has 0.002


def deblur(blurred: Tensor, *, largest: int = LARGEST) -> Tensor:
    """Blurred (B, 3, H, W) in [0, 1] -> restored, likewise. ``largest``: odd side that no kernel exceeds, in pixels.

    Raises ValueError for other shapes, for a ``largest`` that is even, below 3 or does not fit into the image.
    """
    return deconvolve(blurred, estimate_kernel(blurred, largest=largest))


def estimate_kernel(blurred: Tensor, *, largest: int = LARGEST, exemplars: Tensor | None = None) -> Tensor:
    """The kernels (B, largest, largest) of blurred images (B, 3, H, W): none negative, sum 1, mass in the middle.

    ``exemplars`` are S, (B, 2, H - 1, W - 1), where not `found` in the gallery.
    """
    y = scales.checked(blurred, largest).mean(1, keepdim=True)
    slopes, reach = scales.gradients(y), largest // 2
    S = F.pad(found(y, *gallery()) if exemplars is None else exemplars, (reach,) * 4)
    kernel = F.pad(y.new_ones(len(y), 1, 1, 1), (reach,) * 4)
    for turn in range(TURNS):
        kernel = scales.unit(scales.fitted(slopes, S, kernel, KERNEL_WEIGHT, steps=20), FAINT)
        S = scales.gradients(drawing(y, kernel, SPARSE / EASE**turn))
    return scales.recentred(kernel)[0][:, 0]


def drawing(y: Tensor, kernel: Tensor, weight: float) -> Tensor:
    """The x step: image (B, 1, h, w), kernel (B, 1, 2r + 1, 2r + 1) -> x (B, 1, h + 2r, w + 2r), beyond the border."""
    size = kernel.shape[-1]
    wide, inside = padded(y, size)
    sides = wide.shape[-2:]
    blur, slopes, power = operators(kernel[:, 0], sides)
    transformed, beta = torch.fft.rfft2(wide), 2 * weight
    while beta < 1:
        seen = torch.where(inside, wide, torch.fft.irfft2(transformed * blur, s=sides))
        right = blur.conj() * torch.fft.rfft2(seen)
        w = torch.fft.irfft2(transformed[None] * torch.stack(slopes)[:, None, None], s=sides)
        w = torch.where(w.square().sum(0) >= weight / beta, w, 0)
        right = right + beta * sum(s.conj() * torch.fft.rfft2(v) for s, v in zip(slopes, w, strict=True))
        transformed = right / (blur.abs().square() + beta * power)
        beta = 2 * beta
    return beyond(torch.fft.irfft2(transformed, s=sides), size, y.shape[-2:])


@cache
def gallery() -> tuple[Tensor, Tensor]:
    """Synthetic faces and their mirror images, grey (N, 1, 128, 128) in [0, 1], and their `contours`, 0 or 1."""
    faces = drawn.faces()
    grey = faces.photos.float().mean(1, keepdim=True) / 255
    lines = contours(faces.labels)
    return torch.cat([grey, grey.flip(-1)]), torch.cat([lines, lines.flip(-1)])


def contours(labels: Tensor) -> Tensor:
    """Pixels at the border of eyes and mouth, and of the face below the eyes: (N, H, W) labels -> (N, 1, H, W)."""
    eyes = (labels == LABELS.index("left eye")) | (labels == LABELS.index("right eye"))
    mouth = (labels >= LABELS.index("upper lip")) & (labels <= LABELS.index("lower lip"))
    face = (labels >= LABELS.index("skin")) & (labels < LABELS.index("hair"))
    rows = torch.arange(labels.shape[-2])[:, None]
    below = rows > torch.where(eyes, rows, 0).amax((-2, -1), keepdim=True)
    return torch.maximum(torch.maximum(_border(eyes), _border(mouth)), _border(face) * below[:, None])


def found(y: Tensor, faces: Tensor, lines: Tensor) -> Tensor:
    """S for grey images (B, 1, H, W), from a `gallery`: slopes on the best face's contours (B, 2, H - 1, W - 1)."""
    shape, best = y.shape[-2:], torch.full((len(y),), -torch.inf, device=y.device)
    target, S = torch.fft.rfft2(scales.gradients(y)), torch.zeros_like(scales.gradients(y))
    for scale in SCALES:
        sharp, mask = (_placed(images.to(y), scale, shape) for images in (faces, lines))
        slopes = scales.gradients(sharp)
        for b in range(len(y)):
            score, face, move = _match(target[b], slopes)
            if score > best[b]:
                best[b] = score
                S[b] = (slopes[face] * (mask[face, :, :-1, :-1] > 0.5)).roll(move, (-2, -1))
    return S


def _match(target: Tensor, slopes: Tensor) -> tuple[Tensor, int, tuple[int, int]]:
    """The best normalised correlation, whose it is, and how far it is moved; ``target`` is a spectrum (2, ..)."""
    height, width = slopes.shape[-2:]
    score = torch.fft.irfft2((torch.fft.rfft2(slopes).conj() * target).sum(1), s=(height, width))
    score = score / slopes.square().sum((1, 2, 3)).sqrt()[:, None, None]
    up, left = round(height * REACH), round(width * REACH)
    near = score.roll((up, left), (-2, -1))[:, : 2 * up + 1, : 2 * left + 1].flatten(1)
    face, place = divmod(int(near.argmax()), near.shape[1])
    return near.max(), face, (place // (2 * left + 1) - up, place % (2 * left + 1) - left)


def _placed(images: Tensor, scale: float, shape: torch.Size) -> Tensor:
    """Resized so that they would fill ``shape`` at scale 1, in the middle, the last rows and columns repeated."""
    side = round(scale * min(shape))
    images = F.interpolate(images, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    top, left = ((there - side) // 2 for there in shape)
    pads = (left, shape[1] - side - left, top, shape[0] - side - top)
    images = F.pad(images, [min(pad, 0) for pad in pads])
    return F.pad(images, [max(pad, 0) for pad in pads], mode="replicate")


def _border(region: Tensor) -> Tensor:
    """Pixels of (N, H, W) with both kinds within one pixel: (N, 1, H, W), 0 or 1."""
    region = region[:, None].float()
    return F.max_pool2d(region, 3, 1, 1) + F.max_pool2d(-region, 3, 1, 1)
