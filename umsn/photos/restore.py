"""Deblur the faces of a photograph and put them back: the paper's networks on pictures that were never aligned.

The networks learn faces framed alike (Sec. IV: eyes about a third from the top), at 128 x 128. So each face is found,
framed as they know it, brought to their scale and deblurred; only what deblurring changed goes back into the
photograph, brought to its scale and faded out towards the frame's edge. What lies outside the frames stays as it was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.faces import LUMA, SIDE, Window
from umsn.files import InputError
from umsn.memory import free_memory, ran_out
from umsn.photos import photographs
from umsn.photos.detection import faces_in
from umsn.photos.raster import Raster
from umsn.photos.sources import Place, photos_in, results

__all__ = ["Report", "photos_in", "put_back", "restore", "restore_all", "results", "small_copies", "square"]

Deblur = Callable[[Tensor], Tensor]  #: blurred (B, 3, H, W) RGB in [0, 1] -> restored, the same

SMALLEST = 16  #: pixels a side, of a picture or a frame: below it a face has no features left
LONGEST = 8  #: longer side over shorter of a picture worked on whole
FADE = 1 / 8  #: part of the frame's side over which the change fades out
HELD = 2**28  #: bytes of photographs that wait for others to be deblurred with


class Report(NamedTuple):
    """What became of one photograph."""

    photo: Path
    result: Path | None  #: the file written; None where it failed
    frames: list[Window]  #: the squares worked on; empty where it was the whole picture
    seconds: float  #: reading, searching, deblurring and writing
    error: InputError | None = None
    dropped: tuple[str, ...] = ()  #: what the result does not keep, in words


def square(box: Window) -> Window:
    """The smallest square around the box's centre that holds it."""
    side = max(box.height, box.width)
    return Window(box.row - (side - box.height) // 2, box.column - (side - box.width) // 2, side, side)


def small_copies(photo: Tensor | Raster, frames: Iterable[Window]) -> list[Tensor]:
    """What the networks are to see of (3, H, W): each square frame at `SIDE`; without any, the whole picture.

    (3, 128, 128) each; the whole picture has its shorter side at `SIDE`. Where a frame reaches over the photograph's
    edge, the photograph goes on mirrored.
    """
    frames = list(frames)
    if not frames:
        scale = SIDE / min(_size(photo))
        size = [round(n * scale) for n in _size(photo)]
        return [torch.cat([_resized(plane[None], size)[0] for plane in _planes(photo)]).clamp(0, 1)]
    return [_resized(_framed(photo, frame)[None], (SIDE, SIDE))[0].clamp(0, 1) for frame in frames]


def _size(photo: Tensor | Raster) -> tuple[int, int]:
    return photo.size if isinstance(photo, Raster) else tuple(photo.shape[-2:])


def _planes(photo: Tensor | Raster) -> Iterator[Tensor]:
    """Red, green and blue, (1, H, W) each, one after the other: all together may be too large."""
    return (photo.plane(i) if isinstance(photo, Raster) else photo[i : i + 1] for i in range(3))


def _framed(photo: Tensor | Raster, frame: Window) -> Tensor:
    height, width = _size(photo)
    rows = _mirrored(frame.row, frame.height, height)
    columns = _mirrored(frame.column, frame.width, width)
    return photo.part(rows, columns) if isinstance(photo, Raster) else photo[:, rows[:, None], columns]


def put_back(photo: Tensor, frames: Iterable[Window], changes: Iterable[Tensor]) -> Tensor:
    """Add what deblurring changed in each small copy, at the photograph's scale, fading to nothing at a frame's edge.

    (3, H, W) RGB in [0, 1], and changes as large as their `small_copies`  ->  (3, H, W) in [0, 1].
    """
    frames, changes = list(frames), list(changes)
    if not frames:
        return (photo + _resized(changes[0][None], photo.shape[-2:])[0]).clamp(0, 1)
    total, weight = torch.zeros_like(photo), torch.zeros_like(photo[0])
    for frame, small in zip(frames, changes, strict=True):
        fade = _fade(frame.height)[:, None] * _fade(frame.width)
        inside, part = _overlap(frame, photo.shape[-2:])
        total[:, *inside] += (_resized(small[None], frame[2:])[0] * fade)[:, *part]
        weight[inside] += fade[part]
    return (photo + total / weight.clamp(min=1)).clamp(0, 1)


def put_into(raster: Raster, frames: Iterable[Window], changes: Iterable[Tensor]) -> None:
    """The same in place, with no more in floating point than what touches each other."""
    frames, changes = list(frames), list(changes)
    if not frames:
        for channel in range(1 if raster.grey else 3):
            _add_everywhere(raster, channel, changes[0])
    for some in _touching(frames, raster.size):
        row, column, height, width = _around([frames[i] for i in some], raster.size)
        part = raster.part(slice(row, row + height), slice(column, column + width))
        moved = [frames[i]._replace(row=frames[i].row - row, column=frames[i].column - column) for i in some]
        raster.put(row, column, put_back(part, moved, [changes[i] for i in some]))


def _add_everywhere(raster: Raster, channel: int, change: Tensor) -> None:
    """Add a change (3, h, w) to a whole picture's channel; to brightness, the change of brightness."""
    if raster.grey:
        change = (change * change.new_tensor(LUMA)[:, None, None]).sum(0, keepdim=True)
    large = _resized(change[None, channel : channel + 1], raster.size)[0]
    raster.put_plane(channel, large.add_(raster.plane(channel)).clamp_(0, 1))


def _touching(frames: list[Window], size: tuple[int, int]) -> list[list[int]]:
    """The numbers of the frames, together where what is around them touches."""
    groups: list[list[int]] = []
    for i in range(len(frames)):
        together = [i]
        while near := [group for group in groups if _meet(frames, together, group, size)]:
            groups = [group for group in groups if group not in near]
            together = sorted([*together, *(number for group in near for number in group)])
        groups.append(together)
    return groups


def _meet(frames: list[Window], some: list[int], others: list[int], size: tuple[int, int]) -> bool:
    a, b = (_around([frames[i] for i in group], size) for group in (some, others))
    return all(a[i] < b[i] + b[i + 2] and b[i] < a[i] + a[i + 2] for i in (0, 1))


def _around(frames: list[Window], size: tuple[int, int]) -> Window:
    """The part of a picture that holds all that frames cover of it."""
    first = [max(0, min(frame[i] for frame in frames)) for i in (0, 1)]
    last = [min(size[i], max(frame[i] + frame[i + 2] for frame in frames)) for i in (0, 1)]
    return Window(*first, last[0] - first[0], last[1] - first[1])


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
    _check(photo.shape[-2:], frames)
    copies = small_copies(photo, frames)
    return put_back(photo, frames, (deblur(copy[None])[0].float() - copy for copy in copies))


def _overlap(frame: Window, size: Iterable[int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of a frame within the picture: slices of the picture, and of the frame."""
    inside, part = [], []
    for start, count, length in zip(frame[:2], frame[2:], size, strict=True):
        first, last = max(0, start), min(length, start + count)
        inside.append(slice(first, last))
        part.append(slice(first - start, last - start))
    return tuple(inside), tuple(part)


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
            raise InputError(f"box {_text(frame)}: far larger than the picture of {height} x {width} pixels")
        if not (-frame.height < frame.row < height and -frame.width < frame.column < width):
            raise InputError(f"box {_text(frame)}: outside the picture of {height} x {width} pixels")
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
    whole: take the whole picture for the face
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
