"""The blurred images of Sec. IV, a batch at a time: made here from faces and kernels, or by somebody else and read.

Each of 100 faces is blurred by the same 80 kernels, ten of each size 13, 15, .. 27; any part of that can be asked for.
A photograph larger than the window is blurred before the window is cut, so that no border effect is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.data import blur
from umsn.data.blur import Kernel
from umsn.data.datasets import Pairs
from umsn.faces import FaceSet, Window, masks_of
from umsn.files import InputError

Share = tuple[int, int]  #: which process this is, of how many
ALONE: Share = (0, 1)

#: The noise of our measurements, on the scale [0, 1]: what is usually quoted for the test sets of Shen et al. (2018).
SIGMA = 0.01


@dataclass(frozen=True)
class Protocol:
    """How faces are blurred to be measured; as it stands, the paper's test sets (Sec. IV)."""

    sizes: Sequence[int] = blur.TEST_SIZES  #: of the kernels, odd, pixels
    per_size: int = 10  #: kernels of each size
    sigma: float = SIGMA  #: standard deviation of the noise, on the scale [0, 1]
    seed: int = 0  #: of kernels and noise
    centre: blur.Centre = "box"  #: where a kernel has its middle
    window: Window | None = None  #: the part of each photograph that is measured; None for all of it
    quantise: bool = False  #: whether blurred images are rounded to the 256 levels of a file
    kernels: Sequence[Kernel] | None = None  #: in the place of those drawn from sizes, per_size, seed and centre

    def drawn(self) -> list[Kernel]:
        """The kernels that every face is blurred by, in their order."""
        if self.kernels is not None:
            return list(self.kernels)
        return blur.protocol_kernels(self.sizes, self.per_size, self.seed, centre=self.centre)

    def facts(self) -> dict[str, Any]:
        """What a record says of it."""
        kernels = self.drawn()
        return {
            "sizes": sorted({size for size, *_ in kernels}),
            "kernels": len(kernels),
            "centre": self.centre if self.kernels is None else None,
            "sigma": self.sigma,
            "seed": self.seed,
            "window": None if self.window is None else list(self.window),
            "quantise": self.quantise,
        }


class BlurredBatch(NamedTuple):
    """Some blurred images, windows cut, and what they were made of."""

    places: list[int]  #: B positions among all images of the protocol
    faces: list[int]  #: B positions in the face set
    kernels: list[tuple[int, int]]  #: B kernels: size and number
    sharp: Tensor  #: (B, 3, H, W)
    masks: Tensor | None  #: (B, K, H, W) of the sharp image; None without labels
    blurred: Tensor  #: (B, 3, H, W) in [0, 1]


def blurred_batches(
    faces: FaceSet,
    protocol: Protocol,
    *,
    batch: int = 4,
    device: str | torch.device = "cpu",
    share: Share = ALONE,
) -> Iterator[BlurredBatch]:
    """Every face with every kernel, a batch at a time, faces first; or a process's share of them.

    The noise of an image follows from the protocol's seed, its face's place and its kernel's size and number, not from
    ``batch``, the device or what else is measured. Images are clipped to [0, 1]. Raises InputError where the window
    leaves the photographs.
    """
    height, width = faces.photos.shape[-2:]
    window, kernels = protocol.window, protocol.drawn()
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
        noise = [_generator(protocol.seed, face, *name) for face, name in zip(which, names, strict=True)]
        parts = [blur.add_noise(one[None], protocol.sigma, own) for one, own in zip(blurred, noise, strict=True)]
        noisy = torch.cat(parts)
        yield BlurredBatch(
            places,
            which,
            names,
            _cut(photos, window),
            _masks(faces, which, window, device),
            (noisy * 255).round() / 255 if protocol.quantise else noisy,
        )


def published_batches(
    pairs: Pairs,
    *,
    window: Window | None = None,
    batch: int = 4,
    device: str | torch.device = "cpu",
    share: Share = ALONE,
) -> Iterator[BlurredBatch]:
    """Blurred images that somebody else made, as they are on disk, a batch at a time; or a process's share."""
    for places in _shared(len(pairs.pairs), batch, share):
        some = [pairs.pairs[place] for place in places]
        which = [pair.face for pair in some]
        yield BlurredBatch(
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
