"""What the chapters share: the run of a recipe, faces that no training has seen, and how pictures are distributed."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from umsn import places, weights
from umsn.datasets import INNER, MARGIN, SIDE
from umsn.datasets.loading import PALETTE
from umsn.evaluation import unseen_faces
from umsn.faces import LABELS, FaceSet, Window
from umsn.figures.tables import Table, plain
from umsn.recipes import Recipe
from umsn.source import drawn_faces
from umsn.stages import Run, Task
from umsn.weights import Pipeline

#: Where the differences of neighbouring pixels are counted.
DIFFERENCES = torch.linspace(-0.405, 0.405, 82)


def training(recipe: Recipe, seed: int, runs: str | PathLike[str] | None = None) -> tuple[Run, FaceSet]:
    """The run of a recipe, in RUNS/<recipe>-<seed>, and the faces it learns from: drawn once, kept there as pictures.

    RUNS is ``runs`` at the top of the repository or, without one, here.
    Faces have pixels around them where the recipe's crop is as large as a face (Sec. IV-A.2 crops 128 x 128).
    """
    folder = Path(runs or places.home() / "runs") / f"{recipe.name}-{seed}"
    margin = MARGIN if recipe.crop + 2 * MARGIN > SIDE - 2 * MARGIN else 0
    faces = drawn_faces(recipe.faces, folder / f"faces-{recipe.faces}", seed=seed, margin=margin)
    return Run(folder, recipe, seed), faces


def unseen(count: int, seed: int) -> tuple[FaceSet, Window]:
    """One photograph each of people whom no training drew, with a margin, and the window that cuts it off.

    They are the faces of `umsn evaluate`.
    """
    return unseen_faces(count, seed=seed), INNER


def snapshots(run: Run, stage: str = "umsn") -> Mapping[int, Task]:
    """What a stage had learned by the iterations at which its checkpoint was kept (Table VII), in their order."""
    found = {}
    for path in sorted(run.folder.glob(f"{stage}-[0-9]*.safetensors")):
        task = run.task(stage).eval().requires_grad_(False)
        weights.into(task, weights.load(path)[0], prefix="task.", source=path)
        found[int(path.stem.rpartition("-")[2])] = task
    return found


def colour_labels(labels: Tensor) -> Tensor:
    """Helen's labels as a picture, in the colours of `umsn.datasets.save`: (H, W) -> (3, H, W) in [0, 1]."""
    return torch.tensor(PALETTE)[labels.long()].movedim(-1, 0) / 255


def about(pipeline: Pipeline, *, caption: str) -> Table:
    """What trained networks say of themselves, in two columns; lists and nested facts are left out."""
    plainly = {name: value for name, value in pipeline.facts.items() if not isinstance(value, list | dict)}
    return plain(pd.DataFrame({"fact": plainly.keys(), "value": map(str, plainly.values())}), caption=caption)


def luma(photos: Tensor) -> Tensor:
    """Brightness of pictures (N, 3, H, W), bytes: (N, H, W) in [0, 1] (ITU-R BT.601)."""
    return torch.einsum("nchw,c->nhw", photos.float() / 255, torch.tensor([0.299, 0.587, 0.114]))


def picture_statistics(faces: FaceSet) -> dict[str, list[float]]:
    """How faces are distributed, as curves that hold no picture.

    ``share``: of the pixels, for each of the eleven labels. ``power``: of the brightness at the radial frequencies 1,
    2, .. side/2 cycles a picture (Hann window, mean over pictures and directions). ``gradient``: the density of the
    brightness's difference between neighbours, down and across, between the edges `DIFFERENCES`. Raises ValueError for
    pictures that are not square.
    """
    y = luma(faces.photos)
    side = y.shape[-1]
    if y.shape[-2] != side:
        raise ValueError(f"pictures of {y.shape[-2]}x{side} pixels; the spectrum needs squares")
    window = torch.hann_window(side, periodic=False)
    power = torch.fft.fft2((y - y.mean((1, 2), keepdim=True)) * torch.outer(window, window)).abs().square().mean(0)
    frequency = torch.fft.fftfreq(side, 1 / side)
    radius = torch.hypot(frequency[:, None], frequency[None]).round().long()
    differences = torch.cat([y.diff(dim=1).flatten(), y.diff(dim=2).flatten()])
    density = torch.histogram(differences, DIFFERENCES).hist / len(differences) / DIFFERENCES.diff()
    labels = [] if faces.labels is None else torch.bincount(faces.labels.flatten().long(), minlength=len(LABELS))
    return {
        "share": [float(count) / faces.labels.numel() for count in labels],
        "power": [float(power[radius == r].mean()) for r in range(1, side // 2 + 1)],
        "gradient": density.tolist(),
    }
