"""Strong edges guessed from a soft image (Cho & Lee 2009): bilateral filter, shock filter, choice of slopes.

Images are (B, 1, H, W), in [0, 1], slopes (B, 2, H, W), across and down, as from `scales.gradients`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

DIRECTIONS = 4  #: bins of 45 degrees, opposite directions counted together (the paper)


def bilateral(image: Tensor, *, reach: int = 2, near: float = 2.0, alike: float = 0.5) -> Tensor:
    """Mean over a window of 2 ``reach`` + 1 pixels, weighted by distance (s.d. ``near``, pixels) and value (``alike``).

    Tomasi & Manduchi 1998; the border is repeated.
    """
    wide, (height, width) = F.pad(image, (reach,) * 4, mode="replicate"), image.shape[-2:]
    total, weights = torch.zeros_like(image), torch.zeros_like(image)
    for row in range(2 * reach + 1):
        for column in range(2 * reach + 1):
            other = wide[..., row : row + height, column : column + width]
            distance = ((row - reach) ** 2 + (column - reach) ** 2) / near**2
            weight = torch.exp(-((other - image).square() / alike**2 + distance) / 2)
            total, weights = total + weight * other, weights + weight
    return total / weights


def shock(image: Tensor, step: float) -> Tensor:
    """One step of I_t = -sign(Laplacian I) |grad I| (Osher & Rudin 1990): values flow away from where I turns.

    Slopes are the smaller of the two one-sided ones, 0 where these disagree: an extremum stays as it is.
    """
    wide = F.pad(image, (1,) * 4, mode="replicate")
    middle = wide[..., 1:-1, 1:-1]
    right, left = wide[..., 1:-1, 2:] - middle, middle - wide[..., 1:-1, :-2]
    below, above = wide[..., 2:, 1:-1] - middle, middle - wide[..., :-2, 1:-1]
    slope = (_smaller(left, right).square() + _smaller(above, below).square()).sqrt()
    return image - step * torch.sign(right - left + below - above) * slope


def strongest(slopes: Tensor, count: int, ease: float = 1.0) -> Tensor:
    """The slopes at least as steep as a threshold, the others 0: (B, 2, H, W) -> likewise.

    The threshold leaves ``count`` pixels or more in each of `DIRECTIONS` bins (or half of the pixels of a bin that has
    fewer than twice as many), and is then multiplied by ``ease``.
    """
    steep = slopes.square().sum(1, keepdim=True).sqrt()
    angle = torch.atan2(slopes[:, 1:], slopes[:, :1]) * (DIRECTIONS / torch.pi)
    bins = angle.round().long() % DIRECTIONS
    thresholds = [_threshold(torch.where(bins == b, steep, 0).flatten(1), count) for b in range(DIRECTIONS)]
    threshold = torch.stack(thresholds).amin(0)[:, None, None, None]
    return torch.where(steep >= ease * threshold, slopes, 0)


def _threshold(steep: Tensor, count: int) -> Tensor:
    """The value that ``count`` of (B, N), or half of those above 0, reach: (B,)."""
    ordered = steep.sort(1, descending=True).values
    place = torch.minimum((steep > 0).sum(1) // 2, torch.tensor(count)).clamp_min(1) - 1
    return ordered.gather(1, place[:, None])[:, 0]


def _smaller(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a * b > 0, a.sign() * torch.minimum(a.abs(), b.abs()), 0)
