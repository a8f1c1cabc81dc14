"""Tables VII, VIII: do confidences grow as UMSN is trained, and fall for larger kernels?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import pandas as pd
import torch

from umsn.data import blur
from umsn.data.datasets import INNER, data_hash
from umsn.data.unseen import unseen_faces
from umsn.evaluation import BlurredBatch, Protocol, blurred_batches, metrics, summarise
from umsn.evaluation.protocol import SIGMA
from umsn.evaluation.resampling import Resample
from umsn.faces import CLASSES, FaceSet
from umsn.files import InputError
from umsn.networks import archive, weights
from umsn.networks.confidence import ConfidenceNetwork, closed_form
from umsn.networks.deblurring import UMSN, build
from umsn.networks.losses import class_losses
from umsn.networks.weights import Pipeline
from umsn.records import Timer, provenance, record, reported, rows_of
from umsn.training.stages import Run, Whole

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
    faces, learned = unseen_faces(people, seed=0), [kept(name) for name in SNAPSHOTS]
    with Timer() as timer:
        rows = rows_of_times(learned, faces, Protocol(sizes=sizes, per_size=1, window=INNER), networks.masks)
    return record(
        {"measure": "confidences", "people": people, "sizes": list(sizes)},
        tables(rows, "faces"),
        timer,
        sigma=SIGMA,
        seed=0,
        source=f"{people} synthetic people, {len(sizes)} kernels, {len(SNAPSHOTS)} times of the training",
        weights={"S-Net": networks.digest} | {name: archive.entries()[name]["digest"] for name in SNAPSHOTS},
        recipe=archive.kept(SNAPSHOTS[-1])[1]["recipe"]["name"],
    )


def measure_run(
    run: Run, faces: FaceSet, protocol: Protocol, *, source: str, device: str | torch.device = "cpu"
) -> dict[str, Any]:
    """The tables of `measure` of a training's own snapshots, on labelled faces under any protocol: an edition's record.

    run: where UMSN was trained, with its snapshots
    faces: sharp, with labels
    protocol: how they are blurred; sizes 17 and 27 among them
    source: the faces in words
    device: where it is computed

    Where there is more than one kernel of a size, intervals draw faces and kernels anew (`umsn.evaluation.resampling`).
    """
    found = run.snapshots()
    learned = [_of_task(step, task.to(device)) for step, task in found.items()]
    with Timer() as timer:
        rows = rows_of_times(learned, faces, protocol, run.parse(), device=device)
    about = {"source": source, "recipe": run.recipe.name, "training seed": run.seed, "protocol": protocol.facts()}
    facts = {**about, "faces": len(faces), "data": data_hash(faces), "seconds": round(timer.seconds, 1)}
    return {"provenance": provenance(**facts), **tables(rows, "auto")}


class Learned(NamedTuple):
    """UMSN and its confidence network at one time of their training."""

    step: int
    network: UMSN
    confidence: ConfidenceNetwork
    lam: float  #: of Eq. 4

    def __call__(self, some: BlurredBatch, masks: torch.Tensor) -> pd.DataFrame:
        """A row an image; confidences of the image as training sees it, which is not clipped."""
        restored = self.network(some.blurred, masks).restored
        there = some.masks.sum((2, 3)) > 0
        best = closed_form(class_losses(restored, some.sharp, some.masks), self.lam)
        found = {"C": self.confidence(restored, some.sharp, some.masks), "best": best}
        known = {name: values.where(there, torch.nan).cpu().unbind(1) for name, values in found.items()}
        columns = {f"{what}_{c}": v.numpy() for what, all_ in known.items() for c, v in zip(CLASSES, all_, strict=True)}
        sizes, numbers = zip(*some.kernels, strict=True)
        keys = {"step": self.step, "face": some.faces, "size": sizes, "kernel": numbers}
        return pd.DataFrame({**keys, **columns, "psnr": metrics.psnr(restored.clamp(0, 1), some.sharp).cpu().numpy()})


def kept(name: str) -> Learned:
    """The networks of that name in the repository's history (`umsn.networks.archive`)."""
    tensors, facts, _ = archive.kept(name)
    network = build(facts["method"], width=facts["width"], expansion=facts["expansion"])
    learned = Learned(facts["step"], network.eval(), ConfidenceNetwork().eval(), facts["recipe"]["lam"])
    weights.into(learned.network, tensors, prefix="network.", source=name)
    weights.into(learned.confidence, tensors, prefix="confidence.", source=name)
    return learned


def _of_task(step: int, task: Whole) -> Learned:
    return Learned(step, task.network, task.confidence, task.recipe.lam)


@torch.inference_mode()
def rows_of_times(
    learned: Sequence[Learned],
    faces: FaceSet,
    protocol: Protocol,
    parse: Callable[[torch.Tensor], torch.Tensor],
    *,
    device: str | torch.device = "cpu",
) -> pd.DataFrame:
    """A row an image and time of the training, all with the masks of one S-Net: step, face, size, kernel, C_CLASS
    (learned), best_CLASS (min(1, lambda / L)), psnr; nan for a class that the face lacks.
    """
    parts = []
    for some in blurred_batches(faces, protocol, device=device):
        masks = parse(some.blurred)
        parts += [one(some, masks) for one in learned]
    return pd.concat(parts, ignore_index=True)


def tables(rows: pd.DataFrame, resample: Resample) -> dict[str, Any]:
    """The four tables of `measure`, each with a ``method`` that names its groups.

    ``lower`` takes the kernels of 17 and of 27 pixels in pairs, by their numbers: as good as any other pairing, since
    kernels are drawn independently.
    """
    sure, image = [f"C_{name}" for name in CLASSES], ["face", "size", "kernel"]
    measured = [*sure, *(f"best_{name}" for name in CLASSES), "psnr"]
    first, last = (rows[rows["step"] == step].set_index(image) for step in (rows["step"].min(), rows["step"].max()))
    small, large = (last.xs(size, level="size") for size in COMPARED)
    by_size = last.reset_index().assign(method=lambda t: [f"size {n}" for n in t["size"]])
    found = {
        "training": (rows.assign(method=[f"step {step}" for step in rows["step"]]), ["method", "step"], measured),
        "size": (by_size, ["method", "size"], measured),
        "grown": ((last - first)[sure].reset_index().assign(method="grown"), "method", sure),
        "lower": ((small - large)[sure].reset_index().assign(method="lower"), "method", sure),
    }
    return {
        name: rows_of(summarise(table, by, measures=of, resample=resample)) for name, (table, by, of) in found.items()
    }


#: Where Tables VII and VIII look: the paper's iterations in their order, and its kernel sizes.
TIMES = {3000: "3% of the training", 50000: "50%", 100000: "all of it"}
KERNELS = {17: "kernel 17 × 17", 27: "kernel 27 × 27"}


def as_table(record: Mapping[str, Any]) -> pd.DataFrame:
    """The learned confidences of a record where the paper has some: at, class, metric, value, low, high."""
    training, sizes = (pd.DataFrame(record[name]) for name in ("training", "size"))
    steps = dict(zip(sorted(training["step"].unique()), TIMES.values(), strict=True))
    rows = pd.concat([training.assign(at=training["step"].map(steps)), sizes.assign(at=sizes["size"].map(KERNELS))])
    rows = rows[rows["measure"].str.startswith("C_")].dropna(subset="at")
    rows = rows.assign(metric="C", value=rows["mean"], **{"class": rows["measure"].str.removeprefix("C_")})
    return rows[["at", "class", "metric", "value", "low", "high"]]


def printed() -> pd.DataFrame:
    """The same of the paper's tables: the means of its two images."""
    rows = pd.concat([reported(name) for name in ("table7", "table8")]).astype({"value": float})
    rows["at"] = rows["iteration"].fillna(rows["kernel"]).map(TIMES | KERNELS)
    return rows.groupby(["at", "class", "metric"], sort=False, as_index=False)["value"].mean()


def in_words(record: Mapping[str, Any]) -> dict[str, str | int | float]:
    """What a sentence says of a record: the range of ``grown`` and ``lower`` over the classes, in how many of them the
    interval lies above 0 (``.._clear``), and the largest distance to the closed form at the end (``gap``).
    """
    said: dict[str, str | int | float] = {}
    for name in ("grown", "lower"):
        rows = pd.DataFrame(record[name])
        said |= {
            name: " to ".join(f"{round(end, 3) + 0.0:.3f}" for end in (rows["mean"].min(), rows["mean"].max())),
            f"{name}_clear": int((rows["low"] > 0).sum()),
        }
    ends = pd.DataFrame(record["training"]).groupby("measure", sort=False)["mean"].last()
    return {**said, "gap": max(float(abs(ends[f"C_{name}"] - ends[f"best_{name}"])) for name in CLASSES)}
