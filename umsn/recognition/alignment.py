"""Faces put where an embedder wants them, by five points or by a box: as in their training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.faces import LABELS, Window
from umsn.files import InputError

#: Where ArcFace's 112 x 112 images have the eyes, the tip of the nose and the corners of the mouth: x, y in pixels,
#: left and right as seen (Deng et al. 2019).
TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))


class Frame(NamedTuple):
    """Where aligned faces have five points: x, y in pixels of an image that is so many pixels a side."""

    points: tuple[tuple[float, float], ...]
    side: int


ARCFACE = Frame(TEMPLATE, 112)

#: The same points of the mean face of dlib's faces: a quarter of the face's size is added at each side (King 2009).
DLIB = Frame(((47.549, 46.599), (100.476, 46.599), (74.013, 76.563), (50.415, 103.023), (97.610, 103.023)), 150)


def five_points(labels: Tensor) -> Tensor:
    """Eyes, tip of the nose, corners of the mouth from exact labels: (H, W) Helen's 0..10 -> (5, 2) x, y in pixels.

    Eyes are the centres of their labels, the tip the centre of the nose's lower third, the corners the outermost pixels
    of lips and mouth. Raises InputError where a part is not to be seen.
    """

    def pixels(*names: str) -> Tensor:
        there = torch.isin(labels, torch.tensor([LABELS.index(n) for n in names], dtype=labels.dtype))
        found = torch.nonzero(there).flip(1).float()  # x, y
        if not len(found):
            raise InputError(f"labels without {names[0]}: all of eyes, nose and mouth are needed to align a face")
        return found

    nose = pixels("nose")
    lower = nose[nose[:, 1] >= nose[:, 1].quantile(2 / 3)].mean(dim=0)
    mouth = pixels("upper lip", "inner mouth", "lower lip")
    ends = [mouth[mouth[:, 0] == x].mean(dim=0) for x in (mouth[:, 0].min(), mouth[:, 0].max())]
    return torch.stack([pixels("left eye").mean(dim=0), pixels("right eye").mean(dim=0), lower, *ends])


def by_points(points: Tensor, size: int, frame: Frame = ARCFACE) -> Tensor:
    """The similarity that lays the frame's points on five of a face: (B, 5, 2) x, y -> (B, 2, 3).

    It leads from pixels of the aligned image, ``size`` x ``size``, to those of the photograph, by least squares
    (Umeyama 1991): a division, when points in the plane are complex numbers. Raises InputError for other shapes.
    """
    if points.ndim != 3 or points.shape[1:] != (5, 2):
        raise InputError(f"points {tuple(points.shape)}: (B, 5, 2) were expected, x and y of five points a face")
    target = torch.view_as_complex(torch.tensor(frame.points, dtype=torch.float64) * size / frame.side)
    source = torch.view_as_complex(points.double().contiguous())
    centre, middle = source.mean(dim=1), target.mean()
    spread = target - middle
    turn = ((source - centre[:, None]) * spread.conj()).sum(dim=1) / spread.abs().pow(2).sum()
    shift = centre - turn * middle
    rows = [turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag]
    return torch.stack(rows, dim=1).view(-1, 2, 3).float()


def by_box(boxes: Sequence[Window], size: int) -> Tensor:
    """Each box stretched to ``size`` x ``size`` pixels: B windows -> (B, 2, 3), as of `by_points`."""
    rows = []
    for row, column, height, width in boxes:
        x, y = width / size, height / size
        rows.append([[x, 0, column + x / 2 - 0.5], [0, y, row + y / 2 - 0.5]])
    return torch.tensor(rows, dtype=torch.float32)


def aligned(images: Tensor, placing: Tensor, size: int) -> Tensor:
    """Cut faces out: (B, 3, H, W), (B, 2, 3) of `by_points` or `by_box` -> (B, 3, size, size); black outside."""
    height, width = images.shape[-2:]
    steps = torch.arange(size, dtype=torch.float32, device=images.device)
    here = torch.stack([*torch.meshgrid(steps, steps, indexing="xy"), torch.ones(size, size, device=images.device)])
    there = torch.einsum("brk,khw->bhwr", placing.to(images.device), here)  # x, y in pixels of the photograph
    scale = torch.tensor([width, height], dtype=torch.float32, device=images.device)
    return F.grid_sample(images, (2 * there + 1) / scale - 1, align_corners=False)
