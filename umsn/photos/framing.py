"""Frames of a photograph brought to the networks' scale, and what deblurring changed in them brought back.

Of a photograph as its file has it (`Raster`) no more becomes floating point than the frames that touch each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.faces import LUMA, SIDE, Window
from umsn.photos.raster import Raster

FADE = 1 / 8  #: part of the frame's side over which the change fades out


def square(box: Window) -> Window:
    """The smallest square around the box's centre that holds it."""
    side = max(box.height, box.width)
    return Window(box.row - (side - box.height) // 2, box.column - (side - box.width) // 2, side, side)


def small_copies(photo: Tensor | Raster, frames: Iterable[Window]) -> list[Tensor]:
    """What the networks are to see of (3, H, W): each square frame at `SIDE`; without any, the whole image.

    (3, 128, 128) each; the whole image has its shorter side at `SIDE`. Where a frame reaches over the photograph's
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
    """Add a change (3, h, w) to a whole image's channel; to brightness, the change of brightness."""
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
    """The part of an image that holds all that frames cover of it."""
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


def _overlap(frame: Window, size: Iterable[int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of a frame within the image: slices of the image, and of the frame."""
    inside, part = [], []
    for start, count, length in zip(frame[:2], frame[2:], size, strict=True):
        first, last = max(0, start), min(length, start + count)
        inside.append(slice(first, last))
        part.append(slice(first - start, last - start))
    return tuple(inside), tuple(part)
