"""Deblur the faces of a photograph and put them back: the paper's networks on pictures that were never aligned.

The networks learn faces framed alike (Sec. IV: eyes about a third from the top), at 128 x 128. So each face is found,
framed as they know it, brought to their scale and deblurred; only what deblurring changed goes back into the
photograph, brought to its scale and faded out towards the frame's edge. What lies outside the frames stays as it was.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from umsn import photographs
from umsn.faces import Window
from umsn.files import InputError

if TYPE_CHECKING:
    from skimage.feature import Cascade

Deblur = Callable[[Tensor], Tensor]  #: blurred (B, 3, H, W) RGB in [0, 1] -> restored, the same

SCALE = 128  #: pixels the networks see across a face's frame (Sec. IV)
SMALLEST = 16  #: pixels a side, of a picture or a frame: below it a face has no features left
LONGEST = 8  #: longer side over shorter of a picture worked on whole
SMALLEST_FOUND = 40  #: pixels of the smallest face searched for
#: Large faces are searched first, small ones where there is none: the longer side of the copy of the picture that is
#: looked at, and the overlapping detections that make a face there. Small boxes need more, being wrong more often.
SEARCHES = ((320, 3), (640, 10))
FADE = 1 / 8  #: part of the frame's side over which the change fades out

#: From the cascade's box to the frame: side over width, and how far the centre moves down, in widths. Medians over the
#: 98 of 100 real faces (128 x 128 windows, eyes 0.30 of a side apart) that are found; their s.d. is 0.06 and 0.03.
#: Blurred by eight real camera shakes, 93 are found where they are and the medians are 1.23 and 0.05.
FRAME = (1.235, 0.04)


class Report(NamedTuple):
    """What became of one photograph."""

    photo: Path
    result: Path | None  #: the file written; None where it failed
    frames: list[Window]  #: the squares worked on; empty where it was the whole picture
    seconds: float  #: reading, searching, deblurring and writing
    error: InputError | None = None


def find_faces(photo: Tensor) -> list[Window]:
    """The frames of the upright frontal faces in (3, H, W) RGB in [0, 1], largest first. They may reach over the edge.

    scikit-image's cascade of local binary patterns looks at a smaller copy of the picture and at its mirror image, and
    a face is what it sees in both: faces of an eighth of the longer side or more; where there are none, a sixteenth.
    """
    for longest, neighbours in SEARCHES:
        shrink = min(1.0, longest / max(photo.shape[-2:]))
        frames = []
        for row, column, width in (box / shrink for box in _seen_twice(_small_copy(photo, shrink), neighbours)):
            side, middle = FRAME[0] * width, (row + (0.5 + FRAME[1]) * width, column + 0.5 * width)
            if not any(_holds(frame, *middle) for frame in frames):
                corner = (round(centre - side / 2) for centre in middle)
                frames.append(Window(*corner, round(side), round(side)))
        if frames or shrink == 1:
            break
    return frames


def _small_copy(photo: Tensor, shrink: float) -> np.ndarray:
    """(3, H, W) in [0, 1] -> (h, w, 3) bytes."""
    if shrink < 1:
        size = [max(1, round(n * shrink)) for n in photo.shape[-2:]]
        photo = F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0]
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


def square(box: Window) -> Window:
    """The smallest square around the box's centre that holds it."""
    side = max(box.height, box.width)
    return Window(box.row - (side - box.height) // 2, box.column - (side - box.width) // 2, side, side)


def change(photo: Tensor, frame: Window, deblur: Deblur) -> Tensor:
    """What deblurring changes within a frame: (3, H, W) and a square of s pixels -> (3, s, s), fading to 0 at its edge.

    Where the frame reaches over the photograph's edge, the photograph goes on mirrored.
    """
    rows = _mirrored(frame.row, frame.height, photo.shape[-2])
    columns = _mirrored(frame.column, frame.width, photo.shape[-1])
    fade = _fade(frame.height)
    return _residual(photo[:, rows[:, None], columns], (SCALE, SCALE), deblur) * fade[:, None] * fade


def change_whole(photo: Tensor, deblur: Deblur) -> Tensor:
    """What deblurring changes when all of (3, H, W) is taken for a face's frame, its shorter side at ``SCALE``."""
    height, width = photo.shape[-2:]
    scale = SCALE / min(height, width)
    return _residual(photo, (round(height * scale), round(width * scale)), deblur)


def _residual(blurred: Tensor, size: tuple[int, int], deblur: Deblur) -> Tensor:
    """(restored - blurred) at the networks' scale, brought back to the size of ``blurred`` (3, H, W)."""
    small = _resized(blurred[None], size).clamp(0, 1)
    return _resized(deblur(small).float() - small, blurred.shape[-2:])[0]


def _resized(images: Tensor, size: Iterable[int]) -> Tensor:
    return F.interpolate(images, tuple(size), mode="bicubic", antialias=True, align_corners=False)


def _mirrored(start: int, count: int, length: int) -> Tensor:
    """The indices start .. start + count - 1 into an axis that goes on mirrored (c b | a b c | b a) without end."""
    period = max(1, 2 * length - 2)
    index = torch.arange(start, start + count) % period
    return torch.minimum(index, period - index)


def _fade(side: int) -> Tensor:
    """(side,) from near 0 at both ends to 1 within, along half a period of a cosine."""
    distance = torch.minimum(torch.arange(side) + 0.5, side - 0.5 - torch.arange(side))
    return 0.5 - 0.5 * torch.cos(math.pi * (distance / (FADE * side)).clamp(max=1))


def restore(photo: Tensor, deblur: Deblur, frames: Iterable[Window]) -> Tensor:
    """Deblur (3, H, W) RGB in [0, 1] within square frames, or whole where there are none; the same shape and range.

    Raises InputError for a picture or frame below ``SMALLEST`` pixels, a frame outside the picture or twice as large,
    and a picture to be worked on whole that is more than ``LONGEST`` times as long as wide.
    """
    frames = list(frames)
    _check(photo, frames)
    if not frames:
        return (photo + change_whole(photo, deblur)).clamp(0, 1)
    total, weight = torch.zeros_like(photo), torch.zeros_like(photo[0])
    for frame in frames:
        inside, part = _overlap(frame, photo.shape[-2:])
        total[:, *inside] += change(photo, frame, deblur)[:, *part]
        weight[inside] += (_fade(frame.height)[:, None] * _fade(frame.width))[part]
    return (photo + total / weight.clamp(min=1)).clamp(0, 1)


def _overlap(frame: Window, size: Iterable[int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of a frame within the picture: slices of the picture, and of the frame."""
    inside, part = [], []
    for start, count, length in zip(frame[:2], frame[2:], size, strict=True):
        first, last = max(0, start), min(length, start + count)
        inside.append(slice(first, last))
        part.append(slice(first - start, last - start))
    return tuple(inside), tuple(part)


def _check(photo: Tensor, frames: list[Window]) -> None:
    height, width = photo.shape[-2:]
    if min(height, width) < SMALLEST:
        raise InputError(f"{height} x {width} pixels; at least {SMALLEST} on each side were expected")
    if not frames and max(height, width) > LONGEST * min(height, width):
        raise InputError(
            f"no face found, and {height} x {width} pixels are too long and thin to be worked on whole "
            f"(at most {LONGEST} : 1); give the face with --box"
        )
    for frame in frames:
        if frame.height < SMALLEST:
            raise InputError(f"box {_text(frame)}: at least {SMALLEST} pixels on each side were expected")
        if frame.height > 2 * max(height, width):
            raise InputError(f"box {_text(frame)}: far larger than the picture of {height} x {width} pixels")
        if not (-frame.height < frame.row < height and -frame.width < frame.column < width):
            raise InputError(f"box {_text(frame)}: outside the picture of {height} x {width} pixels")


def _text(frame: Window) -> str:
    return ",".join(map(str, frame))


def restore_file(
    source: Path, result: Path, deblur: Deblur, *, box: Window | None = None, whole: bool = False
) -> list[Window]:
    """Read a photograph, deblur it in the box, whole, or (by default) in the faces found, and write a PNG.

    The frames worked on; none means the whole picture. Alpha, depth, greyness and profile are kept. Raises InputError
    naming ``source``.
    """
    photograph = photographs.read(source)
    frames = [] if whole else [square(box)] if box is not None else find_faces(photograph.rgb)
    try:
        restored = restore(photograph.rgb, deblur, frames)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    photographs.write(result, photograph._replace(rgb=restored))
    return frames


def results(sources: Iterable[str | os.PathLike[str]], folder: str | os.PathLike[str]) -> list[tuple[Path, Path]]:
    """Each photograph and its result: FOLDER/<stem>.png, or <stem>-2.png where that is taken or a photograph itself."""
    sources = [Path(source) for source in sources]
    taken = {source.resolve() for source in sources}
    pairs = []
    for source in sources:
        result, number = Path(folder) / f"{source.stem}.png", 1
        while result.resolve() in taken:
            number += 1
            result = result.with_name(f"{source.stem}-{number}.png")
        taken.add(result.resolve())
        pairs.append((source, result))
    return pairs


def restore_all(
    sources: Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    deblur: Deblur,
    *,
    box: Window | None = None,
    whole: bool = False,
) -> Iterator[Report]:
    """Work through photographs, each reported as it is done. A bad one is reported too and the others still done."""
    for source, result in results(sources, folder):
        start = time.perf_counter()
        try:
            frames = restore_file(source, result, deblur, box=box, whole=whole)
        except InputError as error:
            yield Report(source, None, [], time.perf_counter() - start, error)
        else:
            yield Report(source, result, frames, time.perf_counter() - start)
