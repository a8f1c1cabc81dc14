"""Where are the faces of a photograph? The frames that the networks know them in (Sec. IV: aligned, 128 x 128)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.faces import Window

if TYPE_CHECKING:
    from skimage.feature import Cascade

SMALLEST_FOUND = 40  #: pixels of the smallest face searched for
#: Large faces are searched first, small ones where there is none: the longer side of the copy of the image that is
#: looked at, and the overlapping detections that make a face there. Small boxes need more, being wrong more often.
SEARCHES = ((320, 3), (640, 10))

#: From the cascade's box to the frame: side over width, and how far the centre moves down, in widths. Medians over the
#: 98 of 100 real faces (128 x 128 windows, eyes 0.30 of a side apart) that are found; their s.d. is 0.06 and 0.03.
#: Blurred by eight real camera shakes, 93 are found where they are and the medians are 1.23 and 0.05.
FRAME = (1.235, 0.04)


def find_faces(photo: Tensor) -> list[Window]:
    """The frames of the upright frontal faces in (3, H, W) RGB in [0, 1], largest first. They may reach over the edge.

    scikit-image's cascade of local binary patterns looks at a smaller copy of the image and at its mirror image, and
    a face is what it sees in both: faces of an eighth of the longer side or more; where there are none, a sixteenth.
    """
    return faces_in(photo.shape[-2:], lambda *size: _shrunk(photo, size))


def faces_in(size: Sequence[int], shrunk: Callable[[int, int], Tensor]) -> list[Window]:
    """The same of an image of which only smaller copies are made: height and width -> (3, height, width)."""
    for longest, neighbours in SEARCHES:
        shrink = min(1.0, longest / max(size))
        small = _bytes_of(shrunk(*(max(1, round(n * shrink)) for n in size)))
        frames = []
        for row, column, width in (box / shrink for box in _seen_twice(small, neighbours)):
            side, middle = FRAME[0] * width, (row + (0.5 + FRAME[1]) * width, column + 0.5 * width)
            if not any(_holds(frame, *middle) for frame in frames):
                corner = (round(centre - side / 2) for centre in middle)
                frames.append(Window(*corner, round(side), round(side)))
        if frames or shrink == 1:
            break
    return frames


def _shrunk(photo: Tensor, size: tuple[int, ...]) -> Tensor:
    if tuple(photo.shape[-2:]) == size:
        return photo
    return F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0]


def _bytes_of(photo: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] -> (H, W, 3) bytes."""
    return (photo.movedim(0, -1) * 255).round().to(torch.uint8).numpy()


def _seen_twice(pixels: np.ndarray, neighbours: int) -> list[np.ndarray]:
    """The boxes (row, column, width) seen in (H, W, 3) and in its mirror image, the mean of both, largest first."""
    boxes = _boxes(pixels, neighbours)
    mirrored = _boxes(np.ascontiguousarray(pixels[:, ::-1]), neighbours)
    mirrored[:, 1] = pixels.shape[1] - mirrored[:, 1] - mirrored[:, 2]
    seen = [(a + b) / 2 for a in boxes for b in mirrored if _agree(a, b)]
    return sorted(seen, key=lambda box: -box[2])


def _boxes(pixels: np.ndarray, neighbours: int) -> np.ndarray:
    least, most = min(SMALLEST_FOUND, *pixels.shape[:2]), min(pixels.shape[:2])
    found = _cascade().detect_multi_scale(
        pixels,
        scale_factor=1.1,
        step_ratio=1,
        min_size=(least,) * 2,
        max_size=(most,) * 2,
        min_neighbor_number=neighbours,
    )
    return np.array([(box["r"], box["c"], box["width"]) for box in found], dtype=float).reshape(-1, 3)


@lru_cache(maxsize=1)
def _cascade() -> Cascade:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())


def _agree(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two boxes are of about one size and place."""
    apart = np.abs(a[:2] + a[2] / 2 - b[:2] - b[2] / 2).max()
    return apart < 0.2 * a[2] and 0.7 < a[2] / b[2] < 1.4


def _holds(frame: Window, row: float, column: float) -> bool:
    return 0 <= row - frame.row < frame.height and 0 <= column - frame.column < frame.width
