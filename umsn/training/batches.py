"""What the networks are trained on: blurred, noisy faces, mixed anew for every step (Sec. IV-A)."""

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
    """What one step is trained on."""

    sharp: Tensor  #: x, (B, 3, c, c) RGB in [0, 1]
    blurred: Tensor  #: y, (B, 3, c, c)
    masks: Tensor  #: m, (B, K, c, c) of the sharp faces


class Drawn(NamedTuple):
    """What is random about a batch, on the device where it is mixed."""

    pick: Tensor  #: (B,) which faces
    shake: Tensor  #: (B,) which kernels
    sigma: Tensor  #: (B,) standard deviations of the noise
    mirrored: Tensor  #: (), whether all faces are seen in a mirror
    row: Tensor  #: (), the first of the pixels that are cropped
    column: Tensor  #: ()
    noise: Tensor  #: (B, 3, c, c) of standard deviation 1


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
        return self.mixed(self.draw(size, generator), only=only)

    def draw(self, size: int, generator: torch.Generator) -> Drawn:
        """All that is random about ``size`` images."""
        device, crop = self.kernels.device, self.recipe.crop
        pick = torch.randint(len(self.faces), (size,), generator=generator)
        shake = torch.randint(len(self.kernels), (size,), generator=generator)
        low, high = self.recipe.sigma
        sigma = low + (high - low) * torch.rand(size, generator=generator)
        mirrored = torch.rand((), generator=generator) < 0.5
        sides = self.faces.photos.shape[-2:]
        row, column = (torch.randint(n - crop + 1, (), generator=generator) for n in sides)
        if device.type != "cpu":  # drawing noise on the processor would take longer than a step on a GPU
            seed = int(torch.randint(2**62, (), generator=generator))
            generator = torch.Generator(device).manual_seed(seed)
        noise = torch.randn(size, 3, crop, crop, generator=generator, device=device)
        # what is drawn here goes to the GPU without waiting for what the GPU is doing
        small = (t.to(device, non_blocking=True) for t in (pick, shake, sigma, mirrored, row, column))
        return Drawn(*small, noise)

    def mixed(self, drawn: Drawn, *, only: int | None = None) -> Batch:
        """The batch that was drawn. Nothing here depends on a number that the processor would have to read."""
        photos, labels = self.faces.photos[drawn.pick].float() / 255, self.faces.labels[drawn.pick]
        photos = torch.where(drawn.mirrored, photos.flip(-1), photos)
        labels = torch.where(drawn.mirrored, relabel(labels.flip(-1), MIRRORED_LABEL), labels)
        blurred = blur.blur(photos, self.kernels[drawn.shake])
        reach = torch.arange(self.recipe.crop, device=photos.device)
        rows, columns = drawn.row + reach, drawn.column + reach
        cropped = (t.index_select(-2, rows).index_select(-1, columns) for t in (photos, blurred, labels))
        photos, blurred, labels = cropped
        masks = masks_of(labels)
        if only is not None:
            blurred = torch.lerp(photos, blurred, masks[:, only : only + 1])
        return Batch(photos, blur.noisy(blurred, drawn.noise, drawn.sigma), masks)


@lru_cache(maxsize=1)
def _stock(count: int, anxiety: tuple[float, float], seed: int) -> Tensor:
    """The kernels of a training, (count, k, k): drawn once, since the next stage asks for the same."""
    sizes = torch.tensor(blur.SIZES).repeat(-(-count // len(blur.SIZES)))[:count]
    low, high = anxiety
    spread = torch.rand(len(sizes), generator=torch.Generator().manual_seed(seed + 1))
    trembling = low * (high / low) ** spread if high > low else low
    return blur.kernels(sizes, torch.Generator().manual_seed(seed), anxiety=trembling, pad_to=max(blur.SIZES))


def drawn_faces(count: int, folder: str | os.PathLike[str], *, seed: int, margin: int = datasets.MARGIN) -> FaceSet:
    """``count`` synthetic faces with ``margin`` pixels around them, so that a blur has no border; kept in ``folder``.

    They are drawn once (by the first of the processes that train together), and read as images ever after.
    """
    folder = Path(folder)
    if processes.first() and not (folder / "identities.csv").exists():  # what `save` writes last
        datasets.save(synthetic.faces(count, seed=seed, margin=margin), folder)
    processes.wait()
    return datasets.load(folder, layout="synthetic")
