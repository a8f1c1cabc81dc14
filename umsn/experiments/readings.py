"""What does another reading of the paper change, as far as trained networks can be asked? (the page *Readings*)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.data.datasets import INNER, MARGIN
from umsn.data.unseen import unseen_faces
from umsn.evaluation import BlurredBatch, Protocol, blurred_batches, metrics, summarise
from umsn.evaluation.protocol import SIGMA
from umsn.faces import CLASSES, FaceSet, K
from umsn.networks.losses import class_losses
from umsn.networks.weights import Pipeline
from umsn.records import Timer, record, rows_of


def measure(
    networks: Pipeline,
    *,
    people: Annotated[int, "synthetic people"] = 24,
    sizes: Annotated[Sequence[int], "kernel sizes"] = (13, 17, 21, 25, 29),
) -> dict[str, Any]:
    """PSNR of UMSN under other readings less PSNR under ours: the same synthetic people, kernels and noise.

    ``changed``: in ours more of the photograph than the window is blurred, masks are soft, results cut to [0, 1];
    ``losses``: L_i with S-Net's masks of the sharp image (the paper's) over L_i with the labels (ours), less 1. One
    kernel of each size; intervals are clustered by face.
    """
    faces = unseen_faces(people, seed=0)
    cut = FaceSet(faces.names, INNER.crop(faces.photos), INNER.crop(faces.labels))
    black = FaceSet(faces.names, F.pad(cut.photos, (MARGIN,) * 4), faces.labels)
    with Timer() as timer:
        seen = [blurred_batches(some, Protocol(sizes, per_size=1, window=INNER)) for some in (faces, black)]
        triples = zip(*seen, blurred_batches(cut, Protocol(sizes, per_size=1)), strict=True)
        parts = [_asked(*some, networks) for some in triples]
    changed, losses = (pd.concat(some, ignore_index=True) for some in zip(*parts, strict=True))
    tables = {"changed": summarise(changed, measures=["psnr"]), "losses": summarise(losses, measures=list(CLASSES))}
    return record(
        {"measure": "readings", "people": people, "sizes": list(sizes)},
        {name: rows_of(table) for name, table in tables.items()},
        timer,
        sigma=SIGMA,
        seed=0,
        source=f"{people} synthetic people, {len(sizes)} kernels",
        weights={"umsn": networks.digest},
    )


@torch.inference_mode()
def _asked(
    real: BlurredBatch, black: BlurredBatch, mirrored: BlurredBatch, own: Pipeline
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row an image and reading: what it changes of PSNR, and of the class losses."""
    masks = own.masks(real.blurred)
    uncut = own.network(real.blurred, masks).restored
    hard = F.one_hot(masks.argmax(1), K).movedim(-1, 1).float()
    other = {
        "mirrored at the border": own(mirrored.blurred).restored,
        "zeros beyond the border": own(black.blurred).restored,
        "each pixel of one class": own.network(real.blurred, hard).restored.clamp(0, 1),
        "not cut to [0, 1]": uncut,
    }
    base = _psnr(uncut.clamp(0, 1), real.sharp)
    keys = {"face": real.faces, "size": [size for size, _ in real.kernels]}
    changed = [
        pd.DataFrame({"method": name, **keys, "psnr": (_psnr(restored, real.sharp) - base).numpy()})
        for name, restored in other.items()
    ]
    return pd.concat(changed), pd.DataFrame({"method": "S-Net's masks", **keys, **_lost(uncut, real, own)})


def _psnr(restored: Tensor, sharp: Tensor) -> Tensor:
    """PSNR (B,), of images too that leave [0, 1], which `metrics.psnr` refuses."""
    return metrics.decibels((restored - sharp).square().mean((1, 2, 3)))


def _lost(restored: Tensor, some: BlurredBatch, own: Pipeline) -> dict[str, list[float]]:
    """L_i with S-Net's masks over L_i with the labels, less 1; nan for a class that the face lacks."""
    labelled, parsed = (class_losses(restored, some.sharp, masks) for masks in (some.masks, own.masks(some.sharp)))
    share = (parsed / labelled - 1).where(labelled > 0, torch.nan)
    return {name: share[:, i].tolist() for i, name in enumerate(CLASSES)}
