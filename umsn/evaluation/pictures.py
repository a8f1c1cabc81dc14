"""The blurred pictures of Sec. IV, a batch at a time: made here from faces and kernels, or by somebody else and read.

A photograph larger than the window is blurred before the window is cut, so that no border effect is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from umsn import blur
from umsn.datasets import Pairs
from umsn.faces import FaceSet, Window, masks_of
from umsn.files import InputError

Kernel = tuple[int, int, Tensor]  #: size, number, (size, size) with sum 1
Share = tuple[int, int]  #: which process this is, of how many
ALONE: Share = (0, 1)


class Batch(NamedTuple):
    """Some blurred pictures, windows cut, and what they were made of."""

    places: list[int]  #: B positions among all pictures of the protocol
    faces: list[int]  #: B positions in the face set
    kernels: list[tuple[int, int]]  #: B kernels: size and number
    sharp: Tensor  #: (B, 3, H, W)
    masks: Tensor | None  #: (B, K, H, W) of the sharp picture; None without labels
    blurred: Tensor  #: (B, 3, H, W) in [0, 1]


def blurred_batches(
    faces: FaceSet,
    kernels: Sequence[Kernel],
    *,
    sigma: float,
    seed: int,
    window: Window | None = None,
    quantise: bool = False,
    batch: int = 4,
    device: str | torch.device = "cpu",
    share: Share = ALONE,
) -> Iterator[Batch]:
    """Every face with every kernel, a batch at a time, faces first; or a process's share of them.

    The noise of a picture follows from ``seed``, its face's place and its kernel's size and number, not from ``batch``,
    the device or what else is measured. Pictures are clipped to [0, 1], and with ``quantise`` rounded to the 256
    levels of a file. Raises InputError where the window leaves the photographs.
    """
    height, width = faces.photos.shape[-2:]
    if window is not None and (window.row + window.height > height or window.column + window.width > width):
        raise InputError(f"window {tuple(window)}: does not fit into faces of {height}x{width} pixels")
    largest = max(kernel.shape[-1] for *_, kernel in kernels)
    stack = torch.stack([F.pad(kernel, ((largest - kernel.shape[-1]) // 2,) * 4) for *_, kernel in kernels]).to(device)
    pairs = [(face, kernel) for face in range(len(faces)) for kernel in range(len(kernels))]
    for places in _shared(len(pairs), batch, share):
        which, how = (list(column) for column in zip(*(pairs[place] for place in places), strict=True))
        names = [kernels[i][:2] for i in how]
        photos = faces.photos[which].to(device).float() / 255
        blurred = _cut(blur.blur(photos, stack[how]) if largest > 1 else photos, window)
        noise = [_generator(seed, face, *name) for face, name in zip(which, names, strict=True)]
        noisy = torch.cat([blur.add_noise(one[None], sigma, own) for one, own in zip(blurred, noise, strict=True)])
        yield Batch(
            places,
            which,
            names,
            _cut(photos, window),
            _masks(faces, which, window, device),
            (noisy * 255).round() / 255 if quantise else noisy,
        )


def published_batches(
    pairs: Pairs,
    *,
    window: Window | None = None,
    batch: int = 4,
    device: str | torch.device = "cpu",
    share: Share = ALONE,
) -> Iterator[Batch]:
    """Blurred pictures that somebody else made, as they are on disk, a batch at a time; or a process's share."""
    for places in _shared(len(pairs.pairs), batch, share):
        some = [pairs.pairs[place] for place in places]
        which = [pair.face for pair in some]
        yield Batch(
            places,
            which,
            [(pair.size, pair.kernel) for pair in some],
            _cut(pairs.faces.photos[which].to(device).float() / 255, window),
            _masks(pairs.faces, which, window, device),
            _cut(pairs.blurred(some).to(device), window),
        )


def _shared(count: int, batch: int, share: Share) -> Iterator[list[int]]:
    """The batches of a process: it takes every so-manieth of those that one process would make, whole."""
    rank, processes = share
    for start in range(rank * batch, count, processes * batch):
        yield list(range(start, min(start + batch, count)))


def _cut(image: Tensor, window: Window | None) -> Tensor:
    return image if window is None else window.crop(image)


def _masks(faces: FaceSet, which: list[int], window: Window | None, device: str | torch.device) -> Tensor | None:
    return None if faces.labels is None else _cut(masks_of(faces.labels[which].to(device)), window)


def _generator(*keys: int) -> torch.Generator:
    """A generator for these numbers alone."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> 1))
