"""Tables VII, VIII: do confidences grow as UMSN is trained, and fall for larger kernels?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import pandas as pd
import torch

from umsn.data import blur
from umsn.data.datasets import INNER
from umsn.data.unseen import unseen_faces
from umsn.evaluation import BlurredBatch, Protocol, blurred_batches, metrics, summarise
from umsn.evaluation.protocol import SIGMA
from umsn.faces import CLASSES
from umsn.files import InputError
from umsn.networks import archive, weights
from umsn.networks.confidence import ConfidenceNetwork, closed_form
from umsn.networks.deblurring import build
from umsn.networks.losses import class_losses
from umsn.networks.weights import Pipeline
from umsn.records import Timer, record, rows_of

#: UMSN and its confidence network after 3%, 50% and all of their training, as in Table VII (`umsn.networks.archive`).
SNAPSHOTS = ("gpu-umsn-000195", "gpu-umsn-003250", "gpu-umsn-006500")
#: Sides of kernels, whose confidences are subtracted.
COMPARED = (17, 27)


def measure(
    networks: Pipeline,
    *,
    people: Annotated[int, "synthetic people"] = 24,
    sizes: Annotated[Sequence[int], "kernel sizes, 17 and 27 among them"] = blur.TEST_SIZES,
) -> dict[str, Any]:
    """How sure the confidence network is of each class, over its training and over kernel sizes (Tables VII, VIII).

    Synthetic people whom no training drew, each under one kernel of every size; masks are those of ``networks``.
    ``training``: after each of `SNAPSHOTS`, ``size``: after the last, the means of C_CLASS (learned), best_CLASS
    (min(1, lambda / L)) and psnr; ``grown``: C at the end less C after the first; ``lower``: C under 17 pixels less C
    under 27. Intervals are clustered by face, differences taken face by face. Of a class that a face lacks nothing is
    said. Raises InputError for sizes without 17 and 27.
    """
    if not {*COMPARED} <= {*sizes}:
        raise InputError(f"sizes {', '.join(map(str, sizes))}: expected {' and '.join(map(str, COMPARED))} among them")
    faces, learned = unseen_faces(people, seed=0), {name: Learned(name) for name in SNAPSHOTS}
    with Timer() as timer:
        batches = blurred_batches(faces, Protocol(sizes=sizes, per_size=1, window=INNER))
        parts = [part for some in batches for part in _said(list(learned.values()), some, networks)]
    rows = pd.concat(parts, ignore_index=True)
    return record(
        {"measure": "confidences", "people": people, "sizes": list(sizes)},
        _tables(rows),
        timer,
        sigma=SIGMA,
        seed=0,
        source=f"{people} drawn people, {len(sizes)} kernels, {len(SNAPSHOTS)} times of the training",
        weights={"S-Net": networks.digest} | {name: one.digest for name, one in learned.items()},
        recipe=learned[SNAPSHOTS[-1]].facts["recipe"]["name"],
    )


@torch.inference_mode()
def _said(learned: Sequence[Learned], some: BlurredBatch, networks: Pipeline) -> list[pd.DataFrame]:
    masks = networks.masks(some.blurred)
    return [one(some, masks) for one in learned]


class Learned:
    """UMSN and its confidence network at one time of their training."""

    def __init__(self, name: str) -> None:
        tensors, self.facts, self.digest = archive.kept(name)
        network = build(self.facts["method"], width=self.facts["width"], expansion=self.facts["expansion"])
        self.network, self.confidence = network.eval(), ConfidenceNetwork().eval()
        weights.into(self.network, tensors, prefix="network.", source=name)
        weights.into(self.confidence, tensors, prefix="confidence.", source=name)

    def __call__(self, some: BlurredBatch, masks: torch.Tensor) -> pd.DataFrame:
        """A row an image; confidences of the image as training sees it, which is not clipped."""
        restored = self.network(some.blurred, masks).restored
        there = some.masks.sum((2, 3)) > 0
        best = closed_form(class_losses(restored, some.sharp, some.masks), self.facts["recipe"]["lam"])
        found = {"C": self.confidence(restored, some.sharp, some.masks), "best": best}
        known = {name: values.where(there, torch.nan).unbind(1) for name, values in found.items()}
        columns = {f"{what}_{c}": v.numpy() for what, all_ in known.items() for c, v in zip(CLASSES, all_, strict=True)}
        keys = {"step": self.facts["step"], "face": some.faces, "size": [size for size, _ in some.kernels]}
        return pd.DataFrame({**keys, **columns, "psnr": metrics.psnr(restored.clamp(0, 1), some.sharp).numpy()})


def _tables(rows: pd.DataFrame) -> dict[str, Any]:
    """The four tables of `measure`, each with a ``method`` that names its groups."""
    sure, picture = [f"C_{name}" for name in CLASSES], ["face", "size"]
    measured = [*sure, *(f"best_{name}" for name in CLASSES), "psnr"]
    first, last = (rows[rows["step"] == step].set_index(picture) for step in (rows["step"].min(), rows["step"].max()))
    small, large = (last.xs(size, level="size") for size in COMPARED)
    by_size = last.reset_index().assign(method=lambda t: [f"size {n}" for n in t["size"]])
    tables = {
        "training": (rows.assign(method=[f"step {step}" for step in rows["step"]]), ["method", "step"], measured),
        "size": (by_size, ["method", "size"], measured),
        "grown": ((last - first)[sure].reset_index().assign(method="grown"), "method", sure),
        "lower": ((small - large)[sure].reset_index().assign(method="lower"), "method", sure),
    }
    return {name: rows_of(summarise(table, by, measures=kept)) for name, (table, by, kept) in tables.items()}
