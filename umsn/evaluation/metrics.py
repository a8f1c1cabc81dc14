"""Measures of Sec. IV: PSNR, SSIM in two definitions, both per semantic class (Table I), and F-scores (Table II).

Images are batches (B, C, H, W), floating, in [0, 1]; nothing is clipped or rounded here, and values outside raise
ValueError. Every measure returns one number an image, (B,), or an image and class, (B, K), on the images' device.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: SSIM's constants for images in [0, 1] and the s.d. and radius of its Gaussian window (Wang et al. 2004).
C1, C2 = 0.01**2, 0.03**2
SIGMA, RADIUS = 1.5, 5


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB over pixels and channels: (B, C, H, W) x 2 -> (B,); inf where they agree."""
    a, b = _checked(a, b)
    return decibels((a - b).square().mean((1, 2, 3)))


def psnr_shifted(a: Tensor, b: Tensor, reach: int = 5) -> Tensor:
    """The highest PSNR in dB of a, moved by whole pixels, against b: (B, C, H, W) x 2 -> (B,); never below `psnr`.

    Moves go up to ``reach`` pixels both ways, each compared over the pixels where both images are. A blind method
    cannot know where a scene was before the camera shook, and may return it shifted. Raises ValueError for a ``reach``
    below 0 or not below H and W.
    """
    a, b = _checked(a, b)
    height, width = a.shape[-2:]
    if not 0 <= reach < min(height, width):
        raise ValueError(f"reach {reach} for {height}x{width} pixels; expected 0 or more, and less than its sides")
    moves = range(-reach, reach + 1)
    errors = [_error_moved(a, b, row, column) for row in moves for column in moves]
    return decibels(torch.stack(errors).amin(0))


def _error_moved(a: Tensor, b: Tensor, row: int, column: int) -> Tensor:
    """Mean squared error where a, moved down and to the right, overlaps b: (B,)."""
    height, width = a.shape[-2:]
    a = a[..., max(-row, 0) : height - max(row, 0), max(-column, 0) : width - max(column, 0)]
    b = b[..., max(row, 0) : height - max(-row, 0), max(column, 0) : width - max(-column, 0)]
    return (a - b).square().mean((1, 2, 3))


def psnr_of_each(images: Sequence[Tensor], sharp: Tensor) -> list[float]:
    """PSNR in dB of images (3, H, W), clipped to [0, 1], against one sharp image (3, H, W)."""
    return [psnr(image.clamp(0, 1)[None], sharp[None]).item() for image in images]


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of each colour channel, averaged (Wang et al. 2004): (B, C, H, W) x 2 -> (B,).

    11x11 Gaussian of s.d. 1.5, no sample covariance, averaged over the windows that lie inside the image. This is
    scikit-image's ``structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    data_range=1, channel_axis=...)``. H and W must be at least 11.
    """
    a, b = _checked(a, b, least=2 * RADIUS + 1)
    return _ssim_map(a, b).mean((1, 2, 3))


def ssim_volumetric(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of RGB taken for a volume, as MATLAB's ``ssim`` does by default: (B, C, H, W) x 2 -> (B,).

    The window is an 11x11x11 Gaussian of s.d. 1.5 that also mixes the colours; all three axes are continued by
    repeating their last value, and the mean is over every pixel. It is higher than `ssim`, and very likely what the
    paper's SSIM columns hold.
    """
    a, b = _checked(a, b)
    return _ssim_map(a, b, volumetric=True).mean((1, 2, 3))


def class_psnr(a: Tensor, b: Tensor, masks: Tensor, *, within: bool = False) -> Tensor:
    """PSNR of each semantic class in dB (Table I): images (B, C, H, W) and masks (B, K, H, W) -> (B, K).

    The images compared are m_i * a and m_i * b over *all* their pixels, so that the class mean squared errors sum to
    the whole image's and every class scores above it, as in Table I. ``within=True`` averages over the class's own
    pixels instead. nan where a class has no pixel.
    """
    a, b = _checked(a, b, masks)
    squared = (a - b).square().mean(1, keepdim=True)
    area = masks.mean((2, 3))
    errors = (masks.square() * squared).mean((2, 3))
    return _present(decibels(errors / area if within else errors), area)


def class_ssim(a: Tensor, b: Tensor, masks: Tensor, *, within: bool = False, volumetric: bool = False) -> Tensor:
    """SSIM of each semantic class (Table I): images (B, C, H, W) and masks (B, K, H, W) -> (B, K).

    The images compared are m_i * a and m_i * b, averaged over all windows as in `ssim` (or `ssim_volumetric`).
    ``within=True`` instead averages the whole images' similarity over the windows centred on the class, so that
    the class values, weighted by area, sum to the whole's. nan where a class has no such pixel.
    """
    a, b = _checked(a, b, masks, least=0 if volumetric else 2 * RADIUS + 1)
    if within:
        inner = masks if volumetric else masks[..., RADIUS:-RADIUS, RADIUS:-RADIUS]
        similarity = _ssim_map(a, b, volumetric=volumetric).mean(1, keepdim=True)
        area = inner.mean((2, 3))
        return _present((inner * similarity).mean((2, 3)) / area, area)
    values = [_ssim_map(m * a, m * b, volumetric=volumetric).mean((1, 2, 3)) for m in masks.split(1, dim=1)]
    return _present(torch.stack(values, dim=1), masks.mean((2, 3)))


def overlaps(predicted: Tensor, true: Tensor, classes: int = 4) -> Tensor:
    """Pixels a class has in both maps, in the first, in the second: (B, H, W) integer x 2 -> (B, K, 3) int64."""
    if predicted.shape != true.shape or predicted.dim() != 3:
        raise ValueError(f"class maps {tuple(predicted.shape)} and {tuple(true.shape)}; expected two of one (B, H, W)")
    if predicted.is_floating_point() or true.is_floating_point():
        raise ValueError(f"class maps of {predicted.dtype} and {true.dtype}; expected integers 0..{classes - 1}")
    wanted = torch.arange(classes, device=true.device)[:, None, None]
    first, second = predicted[:, None] == wanted, true[:, None] == wanted
    if not (first.any(1).all() and second.any(1).all()):
        raise ValueError(f"a class map holds values outside 0..{classes - 1}")
    return torch.stack([(first & second).sum((2, 3)), first.sum((2, 3)), second.sum((2, 3))], dim=-1)


def f_score(predicted: Tensor, true: Tensor, classes: int = 4) -> Tensor:
    """F-score of each class (Table II), 2 |P and T| / (|P| + |T|): class maps (B, H, W) integer x 2 -> (B, K).

    0 where a class is in one map only, nan where it is in neither.
    """
    both, first, second = overlaps(predicted, true, classes).unbind(-1)
    return 2 * both / (first + second)


def reliability(predicted: Tensor, true: Tensor, bins: int = 10) -> Tensor:
    """How sure a parser is and how often it is right: class maps (B, K, H, W) in [0, 1] x 2 -> (B, bins, 3).

    For each of ``bins`` equal parts of [0, 1]: the pixels, of all classes, whose probability lies in it; the sum of
    these probabilities; and how many of these pixels are of the class.
    """
    predicted, true = _checked(predicted, true)
    place = (predicted * bins).long().clamp(max=bins - 1).flatten(1)
    found = torch.zeros(len(predicted), bins, 3, dtype=torch.double, device=predicted.device)
    for i, values in enumerate((torch.ones_like(predicted), predicted, true)):
        found[..., i].scatter_add_(1, place, values.flatten(1).double())
    return found


def _checked(a: Tensor, b: Tensor, masks: Tensor | None = None, least: int = 0) -> tuple[Tensor, Tensor]:
    """Refuse what cannot be measured; half precision becomes single."""
    if a.dim() != 4 or a.shape != b.shape:
        raise ValueError(f"images {tuple(a.shape)} and {tuple(b.shape)}; expected two of one shape (B, C, H, W)")
    if not (a.is_floating_point() and b.is_floating_point()):
        raise ValueError(f"images of {a.dtype} and {b.dtype}; expected floating values in [0, 1]")
    if min(a.shape[-2:]) < least:
        raise ValueError(f"images of {a.shape[-2]}x{a.shape[-1]} pixels; this measure needs {least}x{least}")
    if masks is not None and (masks.dim() != 4 or masks.shape[0] != a.shape[0] or masks.shape[2:] != a.shape[2:]):
        raise ValueError(f"masks {tuple(masks.shape)} for images {tuple(a.shape)}; expected (B, K, H, W)")
    for values in (a, b) if masks is None else (a, b, masks):
        if not bool(((values >= 0) & (values <= 1)).all()):
            low, high = values.min().item(), values.max().item()
            raise ValueError(f"values from {low:.4g} to {high:.4g}; expected numbers in [0, 1]")
    kind = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    return a.to(kind), b.to(kind)


def decibels(error: Tensor) -> Tensor:
    """PSNR in dB of mean squared errors on the scale [0, 1], of any shape; inf for an error of 0."""
    return -10 * error.log10()


def _present(values: Tensor, area: Tensor) -> Tensor:
    return values.masked_fill(area == 0, torch.nan)


def _ssim_map(a: Tensor, b: Tensor, *, volumetric: bool = False) -> Tensor:
    """Wang et al., Eq. 13, at each window: (B, C, H, W) x 2 -> (B, C, H - 10, W - 10), or (B, C, H, W) for a volume."""
    rows, columns = (_smoother(n, a, repeat=volumetric) for n in a.shape[-2:])
    colours = _smoother(a.shape[1], a, repeat=True) if volumetric else None

    def smooth(x: Tensor) -> Tensor:
        x = rows @ x @ columns.T
        return x if colours is None else torch.einsum("ij,bjhw->bihw", colours, x)

    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    covariance = smooth(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return luminance * (2 * covariance + C2) / (var_a + var_b + C2)


def _smoother(n: int, like: Tensor, *, repeat: bool) -> Tensor:
    """The Gaussian window along an axis of length n, as a matrix: (n, n) with ends repeated, else (n - 10, n)."""
    taps = torch.arange(-RADIUS, RADIUS + 1, dtype=like.dtype, device=like.device)
    weights = torch.softmax(-(taps**2) / (2 * SIGMA**2), dim=0)
    centres = torch.arange(0, n) if repeat else torch.arange(RADIUS, n - RADIUS)
    index = (centres[:, None] + taps.cpu().long()).clamp(0, n - 1).to(like.device)
    matrix = torch.zeros(len(centres), n, dtype=like.dtype, device=like.device)
    return matrix.scatter_add_(1, index, weights.expand(len(centres), -1).contiguous())
