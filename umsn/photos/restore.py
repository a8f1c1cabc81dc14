"""Deblur the faces of a photograph and put them back: the paper's networks on images that were never aligned.

The networks learn faces framed alike (Sec. IV: eyes about a third from the top), at 128 x 128. So each face is found,
framed as they know it, brought to their scale and deblurred; only what deblurring changed goes back into the
photograph, brought to its scale and faded out towards the frame's edge. What lies outside the frames stays as it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from umsn.faces import Window
from umsn.files import InputError
from umsn.memory import free_memory, ran_out
from umsn.photos import photographs
from umsn.photos.detection import faces_in
from umsn.photos.framing import put_back, put_into, small_copies, square
from umsn.photos.raster import Raster
from umsn.photos.sources import Place, photos_in, results

__all__ = ["Report", "photos_in", "put_back", "restore", "restore_all", "results", "small_copies", "square"]

Deblur = Callable[[Tensor], Tensor]  #: blurred (B, 3, H, W) RGB in [0, 1] -> restored, the same

SMALLEST = 16  #: pixels a side, of an image or a frame: below it a face has no features left
LONGEST = 8  #: longer side over shorter of an image worked on whole
HELD = 2**28  #: bytes of photographs that wait for others to be deblurred with


class Report(NamedTuple):
    """What became of one photograph."""

    photo: Path
    result: Path | None  #: the file written; None where it failed
    frames: list[Window]  #: the squares worked on; empty where it was the whole image
    seconds: float  #: reading, searching, deblurring and writing
    error: InputError | None = None
    dropped: tuple[str, ...] = ()  #: what the result does not keep, in words


def restore(photo: Tensor, deblur: Deblur, frames: Iterable[Window]) -> Tensor:
    """Deblur (3, H, W) RGB in [0, 1] within square frames, or whole where there are none; the same shape and range.

    Raises InputError for an image or frame below ``SMALLEST`` pixels, a frame outside the image or twice as large,
    and an image to be worked on whole that is more than ``LONGEST`` times as long as wide.
    """
    frames = list(frames)
    _check(photo.shape[-2:], frames)
    copies = small_copies(photo, frames)
    return put_back(photo, frames, (deblur(copy[None])[0].float() - copy for copy in copies))


def _check(size: Iterable[int], frames: list[Window]) -> None:
    height, width = size
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
            raise InputError(f"box {_text(frame)}: far larger than the image of {height} x {width} pixels")
        if not (-frame.height < frame.row < height and -frame.width < frame.column < width):
            raise InputError(f"box {_text(frame)}: outside the image of {height} x {width} pixels")
        if 64 * frame.height * frame.width > free_memory():
            raise InputError(f"box {_text(frame)}: does not fit into the free memory")


def _text(frame: Window) -> str:
    return ",".join(map(str, frame))


class _Opened(NamedTuple):
    """A photograph between reading and writing."""

    place: Place
    raster: Raster
    frames: list[Window]
    copies: list[Tensor]
    seconds: float


def _open(place: Place, box: Window | None, whole: bool) -> _Opened:
    """Read a photograph and find what is to be deblurred. Raises InputError naming it."""
    start = time.perf_counter()
    raster = photographs.opened(place.source)
    try:
        frames = [] if whole else [square(box)] if box is not None else faces_in(raster.size, raster.shrunk)
        _check(raster.size, frames)
        copies = small_copies(raster, frames)
    except InputError as error:
        raise InputError(f"{place.source}: {error}") from None
    except (MemoryError, RuntimeError) as error:
        raise _too_large(place.source, error) from error
    return _Opened(place, raster, frames, copies, time.perf_counter() - start)


def _too_large(photo: Path, error: Exception) -> InputError:
    """An error of memory as one that names the photograph; an InputError as it is; all others are raised."""
    if not isinstance(error, InputError) and not ran_out(error):
        raise error
    return error if isinstance(error, InputError) else InputError(f"{photo}: does not fit into the free memory")


def _deblurred(copies: list[Tensor], deblur: Deblur, batch: int) -> list[Tensor]:
    """What deblurring changes in each of the copies; up to ``batch`` of one size are deblurred together."""
    changes: list[Tensor] = []
    for _, alike in groupby(copies, key=lambda copy: copy.shape):
        for some in torch.stack(list(alike)).split(batch):
            changes += deblur(some).float() - some
    return changes


def _finish(opened: list[_Opened], deblur: Deblur, batch: int) -> Iterator[Report]:
    """Deblur photographs together, and write them as PNG. Alpha, depth, greyness and profile are kept."""
    start = time.perf_counter()
    changes = _deblurred([copy for one in opened for copy in one.copies], deblur, batch)
    share = (time.perf_counter() - start) / max(len(changes), 1)
    while opened:
        one, start = opened.pop(0), time.perf_counter()
        own, changes = changes[: len(one.copies)], changes[len(one.copies) :]
        try:
            put_into(one.raster, one.frames, own)
            photographs.save(one.place.result, one.raster)
        except (InputError, MemoryError, RuntimeError) as error:
            yield Report(one.place.source, None, [], one.seconds, _too_large(one.place.source, error))
            continue
        seconds = one.seconds + share * len(own) + time.perf_counter() - start
        yield Report(*one.place, one.frames, seconds, dropped=one.raster.dropped)


def restore_all(
    sources: Iterable[str | PathLike[str]],
    folder: str | PathLike[str],
    deblur: Deblur,
    *,
    box: Window | None = None,
    whole: bool = False,
    batch: int = 1,
) -> Iterator[Report]:
    """Work through photographs, each reported as it is done. A bad one is reported too and the others still done.

    sources: files, as `photos_in` finds them
    folder: for the results, one PNG a photograph
    deblur: blurred (B, 3, H, W) RGB in [0, 1] -> restored, the same
    box: the face in every photograph; None searches it
    whole: take the whole image for the face
    batch: photographs are read until they hold so many faces, or `HELD` bytes, and are then deblurred together
    """
    waiting: list[_Opened] = []
    for place in results(sources, folder):
        start = time.perf_counter()
        try:
            waiting.append(_open(place, box, whole))
        except InputError as error:
            yield Report(place.source, None, [], time.perf_counter() - start, error)
        held = sum(one.raster.pixels.nbytes for one in waiting)
        if sum(len(one.copies) for one in waiting) >= batch or held > HELD:
            yield from _finish(waiting, deblur, batch)
            waiting = []
    yield from _finish(waiting, deblur, batch)
