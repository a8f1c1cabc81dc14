"""A face: a photograph and what each of its pixels is (Sec. III, where 11 labels become 4 classes).

Ranges and layouts are said here once. Photographs are RGB in [0, 1], float32, channels first. Labels are Helen's eleven
(Smith et al. 2013), left and right as seen in the image. Classes live on an axis of length K = 4, in the paper's
order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from umsn.files import InputError

LABELS = (
    "background",
    "skin",
    "left brow",
    "right brow",
    "left eye",
    "right eye",
    "nose",
    "upper lip",
    "inner mouth",
    "lower lip",
    "hair",
)
CLASSES = ("background", "skin", "parts", "hair")
K = len(CLASSES)

#: The class 0..3 of each Helen label 0..10: m1 = {0}, m2 = {1}, m3 = {2..9}, m4 = {10} (Sec. III).
CLASS_OF_LABEL = (0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3)

#: The Helen label of each CelebAMask-HQ id 0..18. Ears, hat, jewellery, neck and cloth are background, as in Helen;
#: eyeglasses (3) count as skin, since Helen's annotators labelled the face through them. Its left is the
#: person's, Helen's the image's.
HELEN_OF_CELEBAMASK = (0, 1, 6, 1, 5, 4, 3, 2, 0, 0, 8, 7, 9, 10, 0, 0, 0, 0, 0)

#: Height and width of the images that the networks are trained and tested on, in pixels (Sec. IV).
SIDE = 128

#: Weights of red, green and blue in the brightness of an image (luma, ITU-R BT.601).
LUMA = (0.299, 0.587, 0.114)

#: Brows and eyes change sides when an image is mirrored.
MIRRORED_LABEL = (0, 1, 3, 2, 5, 4, 6, 7, 8, 9, 10)


class Face(NamedTuple):
    """One labelled photograph."""

    photo: Tensor  #: (3, H, W) float32, RGB in [0, 1]
    labels: Tensor  #: (H, W) uint8, Helen's 0..10


@dataclass(frozen=True)
class FaceSet:
    """Many photographs of one size, stored as bytes so that thousands fit in memory or on a GPU."""

    names: Sequence[str]  #: N names, one a photograph
    photos: Tensor  #: (N, 3, H, W) uint8, RGB 0..255
    labels: Tensor | None  #: (N, H, W) uint8, Helen's 0..10; None where nobody labelled them
    identities: Tensor | None = None  #: (N,) int64; None where unknown

    def __len__(self) -> int:
        return len(self.photos)

    def face(self, index: int) -> Face:
        """The face at ``index`` as float32 in [0, 1]; labels are all background where there are none."""
        photo = self.photos[index].float() / 255
        labels = self.labels[index] if self.labels is not None else torch.zeros(photo.shape[1:], dtype=torch.uint8)
        return Face(photo, labels)

    def some(self, which: Tensor) -> FaceSet:
        """Those at the places (N,) of integers, or where (N,) booleans are true; in that order."""
        places = which.nonzero()[:, 0] if which.dtype == torch.bool else which
        return FaceSet(
            [self.names[i] for i in places.tolist()],
            self.photos[places],
            None if self.labels is None else self.labels[places],
            None if self.identities is None else self.identities[places],
        )


class Window(NamedTuple):
    """A rectangle of pixels: first row, first column, height, width."""

    row: int
    column: int
    height: int
    width: int

    @classmethod
    def parse(cls, text: str, *, what: str = "window", inside: bool = True, least: int = 11) -> Window:
        """The window of "28,16,128,128": row, column, height, width in pixels.

        Raises InputError, calling it ``what``, for other text, for less than ``least`` pixels of height or width and,
        with ``inside``, for a negative row or column.
        """
        try:
            window = cls(*(int(part) for part in text.split(",")))
        except (TypeError, ValueError):
            window = cls(-1, -1, 0, 0)
        if min(window.height, window.width) < least or (inside and min(window.row, window.column) < 0):
            form = f"ROW,COLUMN,HEIGHT,WIDTH in pixels, at least {least} high and wide, for instance 28,16,128,128"
            raise InputError(f"{what} {text!r}: expected {form}")
        return window

    def crop(self, image: Tensor) -> Tensor:
        """Cut the window out of (..., H, W)."""
        return image[..., self.row : self.row + self.height, self.column : self.column + self.width]


def relabel(labels: Tensor, table: Sequence[int]) -> Tensor:
    """Map every label through ``table``: (...) integer -> (...) uint8."""
    return _table(tuple(table), labels.device)[labels.long()]


@cache
def _table(table: tuple[int, ...], device: torch.device) -> Tensor:
    """The table on a device, brought there once."""
    with torch.inference_mode(False):
        return torch.tensor(table, dtype=torch.uint8).to(device)


def masks_of(labels: Tensor) -> Tensor:
    """m_1..m_K of Sec. III: (..., H, W) Helen labels -> (..., K, H, W) float32 in {0, 1} that sum to 1."""
    classes = relabel(labels, CLASS_OF_LABEL).long()
    return torch.nn.functional.one_hot(classes, K).movedim(-1, -3).float()


def mirrored(face: Face) -> Face:
    """The face as in a mirror, with left and right labels exchanged."""
    return Face(face.photo.flip(-1), relabel(face.labels.flip(-1), MIRRORED_LABEL))
