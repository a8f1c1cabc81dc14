"""What the networks learn from: blurred, noisy faces, mixed anew for every step (Sec. IV-A)."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from umsn import processes
from umsn.data import blur, datasets, synthetic
from umsn.faces import MIRRORED_LABEL, FaceSet, masks_of, relabel
from umsn.files import InputError
from umsn.recipes import Recipe


class Batch(NamedTuple):
    """What one step learns from."""

    sharp: Tensor  #: x, (B, 3, c, c) RGB in [0, 1]
    blurred: Tensor  #: y, (B, 3, c, c)
    masks: Tensor  #: m, (B, K, c, c) of the sharp faces


@dataclass(frozen=True)
class Source:
    """Endless blurred faces: labelled photographs and a stock of kernels, mixed anew for every step."""

    faces: FaceSet
    kernels: Tensor  #: (N, k, k)
    recipe: Recipe

    @classmethod
    def of(cls, faces: FaceSet, recipe: Recipe, *, seed: int, device: str | torch.device = "cpu") -> Source:
        """Draw the recipe's kernels, keep all on the device. Raises InputError for small or unlabelled faces."""
        side = min(faces.photos.shape[-2:])
        if side < recipe.crop:
            raise InputError(f"faces of {side} pixels: recipe {recipe.name!r} crops {recipe.crop}")
        if faces.labels is None:
            raise InputError("faces without labels: training needs the eleven classes of every pixel")
        there = replace(faces, photos=faces.photos.to(device), labels=faces.labels.to(device))
        return cls(there, _stock(recipe.kernels, recipe.anxiety, seed).to(device), recipe)

    def batch(self, size: int, generator: torch.Generator, *, only: int | None = None) -> Batch:
        """``size`` blurred, noisy faces, shifted and perhaps mirrored; ``only`` blurs just that class (Fig. 8)."""
        pick = torch.randint(len(self.faces), (size,), generator=generator)
        shake = torch.randint(len(self.kernels), (size,), generator=generator)
        low, high = self.recipe.sigma
        sigma = low + (high - low) * torch.rand(size, generator=generator)
        # what is drawn here goes to the card without waiting for what the card is doing
        pick, shake, sigma = (t.to(self.kernels.device, non_blocking=True) for t in (pick, shake, sigma))
        photos = self.faces.photos[pick].float() / 255
        labels = self.faces.labels[pick]
        if torch.rand((), generator=generator) < 0.5:
            photos, labels = photos.flip(-1), relabel(labels.flip(-1), MIRRORED_LABEL)
        blurred = blur.blur(photos, self.kernels[shake])
        crop = self.recipe.crop
        row, column = (int(torch.randint(n - crop + 1, (), generator=generator)) for n in photos.shape[-2:])
        photos, blurred, labels = (t[..., row : row + crop, column : column + crop] for t in (photos, blurred, labels))
        masks = masks_of(labels)
        if only is not None:
            blurred = torch.lerp(photos, blurred, masks[:, only : only + 1])
        if blurred.device.type != "cpu":  # drawing noise on the processor would take longer than a step on a card
            seed = int(torch.randint(2**62, (), generator=generator))
            generator = torch.Generator(blurred.device).manual_seed(seed)
        return Batch(photos, blur.add_noise(blurred, sigma, generator), masks)


@lru_cache(maxsize=1)
def _stock(count: int, anxiety: tuple[float, float], seed: int) -> Tensor:
    """The kernels of a training, (count, k, k): drawn once, since the next stage asks for the same."""
    sizes = torch.tensor(blur.SIZES).repeat(-(-count // len(blur.SIZES)))[:count]
    low, high = anxiety
    spread = torch.rand(len(sizes), generator=torch.Generator().manual_seed(seed + 1))
    trembling = low * (high / low) ** spread if high > low else low
    return blur.kernels(sizes, torch.Generator().manual_seed(seed), anxiety=trembling, pad_to=max(blur.SIZES))


def drawn_faces(count: int, folder: str | os.PathLike[str], *, seed: int, margin: int = datasets.MARGIN) -> FaceSet:
    """``count`` drawn faces with ``margin`` pixels around them, so that a blur has no border; kept in ``folder``.

    They are drawn once (by the first of the processes that train together), and read as pictures ever after.
    """
    folder = Path(folder)
    if processes.first() and not (folder / "identities.csv").exists():  # what `save` writes last
        datasets.save(synthetic.faces(count, seed=seed, margin=margin), folder)
    processes.wait()
    return datasets.load(folder, layout="synthetic")
