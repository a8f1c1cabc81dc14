"""What a reading of the paper changes, as far as trained networks can be asked: numbers for the page *Readings*."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from umsn import blur, datasets, weights
from umsn.evaluation.command import unseen_faces
from umsn.evaluation.intervals import summarise
from umsn.evaluation.measures import SIGMA
from umsn.evaluation.pictures import Batch, blurred_batches
from umsn.faces import CLASSES, FaceSet, K
from umsn.losses import class_losses
from umsn.records import Timer, provenance


def readings(people: int, *, sizes: Sequence[int] = (13, 17, 21, 25, 29)) -> dict[str, Any]:
    """PSNR of UMSN under other readings less PSNR under ours: the same drawn people, kernels and noise.

    ``changed``: in ours more of the photograph than the window is blurred, masks are soft, results cut to [0, 1];
    ``losses``: L_i with S-Net's masks of the sharp picture (the paper's) over L_i with the labels (ours), less 1. One
    kernel of each size; intervals are clustered by face.
    """
    faces, inner = unseen_faces(people, seed=0), datasets.INNER
    cut = FaceSet(faces.names, inner.crop(faces.photos), inner.crop(faces.labels))
    black = FaceSet(faces.names, F.pad(cut.photos, (datasets.MARGIN,) * 4), faces.labels)
    how = {"sigma": SIGMA, "seed": 0}
    kernels = blur.protocol_kernels(sizes, 1, 0)
    with Timer() as timer:
        seen = [blurred_batches(some, kernels, window=inner, **how) for some in (faces, black)]
        triples = zip(*seen, blurred_batches(cut, kernels, **how), strict=True)
        parts = [_asked(*some) for some in triples]
    changed, losses = (pd.concat(some, ignore_index=True) for some in zip(*parts, strict=True))
    about = provenance(
        asked={"measure": "readings", "people": people, "sizes": list(sizes)}, sigma=SIGMA, seed=0,
        source=f"{people} drawn people, {len(sizes)} kernels", weights={"umsn": weights.shipped().digest},
        seconds=round(timer.seconds, 1), peak_mib=timer.peak_mib,
    )  # fmt: skip
    tables = {"changed": summarise(changed, measures=["psnr"]), "losses": summarise(losses, measures=list(CLASSES))}
    return {"provenance": about, **{name: table.round(4).to_dict("records") for name, table in tables.items()}}


@torch.inference_mode()
def _asked(real: Batch, black: Batch, mirrored: Batch) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row a picture and reading: what it changes of PSNR, and of the class losses."""
    own = weights.shipped()
    masks = own.masks(real.blurred)
    uncut = own.network(real.blurred, masks).restored
    hard = F.one_hot(masks.argmax(1), K).movedim(-1, 1).float()
    other = {
        "mirrored at the border": own(mirrored.blurred).restored,
        "zeros beyond the border": own(black.blurred).restored,
        "each pixel of one class": own.network(real.blurred, hard).restored.clamp(0, 1),
        "not cut to [0, 1]": uncut,
    }
    base = _decibels(uncut.clamp(0, 1), real.sharp)
    keys = {"face": real.faces, "size": [size for size, _ in real.kernels]}
    changed = [
        pd.DataFrame({"method": name, **keys, "psnr": (_decibels(restored, real.sharp) - base).numpy()})
        for name, restored in other.items()
    ]
    return pd.concat(changed), pd.DataFrame({"method": "S-Net's masks", **keys, **_lost(uncut, real)})


def _decibels(restored: Tensor, sharp: Tensor) -> Tensor:
    """PSNR (B,), of pictures too that leave [0, 1]."""
    return -10 * (restored - sharp).square().mean((1, 2, 3)).log10()


def _lost(restored: Tensor, some: Batch) -> dict[str, list[float]]:
    """L_i with S-Net's masks over L_i with the labels, less 1; nan for a class that the face lacks."""
    labelled, parsed = (
        class_losses(restored, some.sharp, masks) for masks in (some.masks, weights.shipped().masks(some.sharp))
    )
    share = (parsed / labelled - 1).where(labelled > 0, torch.nan)
    return {name: share[:, i].tolist() for i, name in enumerate(CLASSES)}
