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
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.faces import SIDE, Window
from umsn.files import InputError
from umsn.photos import photographs
from umsn.photos.detection import find_faces

Deblur = Callable[[Tensor], Tensor]  #: blurred (B, 3, H, W) RGB in [0, 1] -> restored, the same

SMALLEST = 16  #: pixels a side, of a picture or a frame: below it a face has no features left
LONGEST = 8  #: longer side over shorter of a picture worked on whole
FADE = 1 / 8  #: part of the frame's side over which the change fades out


class Report(NamedTuple):
    """What became of one photograph."""

    photo: Path
    result: Path | None  #: the file written; None where it failed
    frames: list[Window]  #: the squares worked on; empty where it was the whole picture
    seconds: float  #: reading, searching, deblurring and writing
    error: InputError | None = None


def square(box: Window) -> Window:
    """The smallest square around the box's centre that holds it."""
    side = max(box.height, box.width)
    return Window(box.row - (side - box.height) // 2, box.column - (side - box.width) // 2, side, side)


def small_copies(photo: Tensor, frames: Iterable[Window]) -> list[Tensor]:
    """What the networks are to see of (3, H, W): each square frame at `SIDE`; without any, the whole picture.

    (3, 128, 128) each; the whole picture has its shorter side at `SIDE`. Where a frame reaches over the photograph's
    edge, the photograph goes on mirrored.
    """
    frames = list(frames)
    if not frames:
        scale = SIDE / min(photo.shape[-2:])
        return [_resized(photo[None], (round(n * scale) for n in photo.shape[-2:]))[0].clamp(0, 1)]
    return [_resized(_framed(photo, frame)[None], (SIDE, SIDE))[0].clamp(0, 1) for frame in frames]


def _framed(photo: Tensor, frame: Window) -> Tensor:
    rows = _mirrored(frame.row, frame.height, photo.shape[-2])
    columns = _mirrored(frame.column, frame.width, photo.shape[-1])
    return photo[:, rows[:, None], columns]


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


class _Opened(NamedTuple):
    """A photograph between reading and writing."""

    source: Path
    result: Path
    photograph: photographs.Photograph
    frames: list[Window]
    copies: list[Tensor]
    seconds: float


def _open(source: Path, result: Path, box: Window | None, whole: bool) -> _Opened:
    """Read a photograph and find what is to be deblurred. Raises InputError naming ``source``."""
    start = time.perf_counter()
    photograph = photographs.read(source)
    frames = [] if whole else [square(box)] if box is not None else find_faces(photograph.rgb)
    try:
        _check(photograph.rgb, frames)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    copies = small_copies(photograph.rgb, frames)
    return _Opened(source, result, photograph, frames, copies, time.perf_counter() - start)


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
    for one in opened:
        start = time.perf_counter()
        own, changes = changes[: len(one.copies)], changes[len(one.copies) :]
        restored = put_back(one.photograph.rgb, one.frames, own)
        try:
            photographs.write(one.result, one.photograph._replace(rgb=restored))
        except InputError as error:
            yield Report(one.source, None, [], one.seconds, error)
            continue
        seconds = one.seconds + share * len(own) + time.perf_counter() - start
        yield Report(one.source, one.result, one.frames, seconds)


def photos_in(sources: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The files named, and the pictures in the folders named (by their suffix, in order of name, not deeper)."""
    found: list[Path] = []
    for source in map(Path, sources):
        if not source.is_dir():
            found.append(source)
            continue
        pictures = sorted(path for path in source.iterdir() if path.suffix.lower() in photographs.SUFFIXES)
        found += pictures or [source]  # which `photographs.read` then refuses, in its turn
    return found


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
    batch: int = 1,
) -> Iterator[Report]:
    """Work through photographs, each reported as it is done. A bad one is reported too and the others still done.

    They are read until they hold ``batch`` faces, which are then deblurred together.
    """
    waiting: list[_Opened] = []
    for source, result in results(sources, folder):
        start = time.perf_counter()
        try:
            waiting.append(_open(source, result, box, whole))
        except InputError as error:
            yield Report(source, None, [], time.perf_counter() - start, error)
        if sum(len(opened.copies) for opened in waiting) >= batch:
            yield from _finish(waiting, deblur, batch)
            waiting = []
    yield from _finish(waiting, deblur, batch)
