"""What else is measured and kept besides pictures: masks, the face descriptor, hard conditions, confidences, shakes.

Each returns what its record holds, with what was asked in ``provenance.asked``, so that `verify` can ask again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skimage
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from umsn import blur, datasets, finding, metrics, places, synthetic, weights
from umsn.confidence import ConfidenceNetwork, closed_form
from umsn.deblurring import build
from umsn.evaluation.command import parse_window, unseen_faces
from umsn.evaluation.intervals import gains, pooled_f_scores, summarise
from umsn.evaluation.pictures import Batch, blurred_batches
from umsn.evaluation.protocol import evaluate, evaluate_masks
from umsn.faces import CLASSES, FaceSet
from umsn.files import InputError
from umsn.losses import class_losses
from umsn.parsing import SNet
from umsn.recognition import Descriptor, each_in_turn, shipped_descriptor
from umsn.records import Timer, provenance
from umsn.source import fingerprint

#: The noise of these measurements, and what the S-Net of the package is called in them.
SIGMA, OWN = 0.01, "S-Net of the package"

#: The people by whom the descriptor is measured: none of them is drawn for its training.
STRANGERS = {"count": 1000, "seed": 2026, "size": 64, "margin": 0, "shots_per_identity": 10}

#: How the same people are drawn, the plain way first.
CONDITIONS = {
    "as drawn": {"occlusion": None}, "hand": {"occlusion": "hand"},
    "sunglasses": {"occlusion": "sunglasses"}, "low light": {"darkness": 1.0},
}  # fmt: skip

#: The package's UMSN and its confidence network after 3%, 50% and all of their training, as in Table VII.
SNAPSHOTS = ("gpu-umsn-000195", "gpu-umsn-003250", "gpu-umsn-006500")


def masks(
    faces: str,
    *,
    layout: str = "labelmap",
    window: str | None = None,
    kernels: int = 1,
    parsers: Mapping[str, str] = {},
) -> dict[str, Any]:
    """F-scores of the package's S-Net, and of checkpoints by name, on a folder of labelled faces (Table II)."""
    found = {OWN: weights.shipped().snet} | {name: _parser(Path(path)) for name, path in parsers.items()}
    some = datasets.load(faces, layout=layout)
    inner = parse_window(window) if window else None
    with Timer() as timer:
        pooled = pooled_f_scores(evaluate_masks(found, some, per_size=kernels, sigma=SIGMA, seed=0, window=inner))
    asked = {"measure": "masks", "faces": Path(faces).name, "layout": layout, "window": window, "kernels": kernels}
    facts = {name: {k: v for k, v in weights.load(path)[1].items() if k != "history"} for name, path in parsers.items()}
    about = provenance(
        asked=asked, source=f"{len(some)} faces ({layout})", data=fingerprint(some), kernels_per_size=kernels,
        sigma=SIGMA, seed=0, weights={OWN: weights.shipped().digest}, parsers=facts,
        seconds=round(timer.seconds, 1), peak_mib=timer.peak_mib,
    )  # fmt: skip
    return {"provenance": about, "f_scores": pooled.round(4).to_dict("records")}


def _parser(path: Path) -> SNet:
    """The S-Net of a parsing stage's checkpoint."""
    tensors, facts = weights.load(path)
    snet = SNet(widths=tuple(facts["recipe"]["parsing_widths"]))
    weights.into(snet, tensors, prefix="task.snet.", source=path)
    return snet.eval()


def descriptor() -> dict[str, Any]:
    """Scores of the package's face descriptor on `STRANGERS`, who are drawn for it."""
    with Timer() as timer:
        faces = synthetic.faces(**STRANGERS)
        found = descriptor_scores(shipped_descriptor(), faces)
    plan = {**STRANGERS, "fingerprint": fingerprint(FaceSet(faces.names, faces.photos, None))}
    about = {"asked": {"measure": "descriptor"}, "measured on": plan, "seconds": round(timer.seconds, 1)}
    return {"provenance": provenance(**about), "scores": found}


@torch.inference_mode()
def descriptor_scores(network: Descriptor, faces: FaceSet) -> dict[str, Any]:
    """Top-1, 3, 5 of sharp photographs, every one a probe once; top-1's 95% interval clustered by identity.

    Thumbnails of 8 x 8 pixels, compared as they are, say how much of it colour alone would give.
    """
    photos = [p.float() / 255 for p in faces.photos.split(50)]
    found = each_in_turn(torch.cat([network.embed(p) for p in photos]), faces.identities)
    small = torch.cat([F.adaptive_avg_pool2d(p, 8) for p in photos])
    plain = each_in_turn(small.flatten(1), faces.identities)
    people = torch.stack([(found[faces.identities == i] == 1).double().mean() for i in faces.identities.unique()])
    again = torch.randint(len(people), (10_000, len(people)), generator=torch.Generator().manual_seed(0))
    interval = people[again].mean(dim=1).quantile(torch.tensor([0.025, 0.975], dtype=torch.double))
    return {
        **{f"top-{k}": round(float((found <= k).double().mean()), 4) for k in (1, 3, 5)},
        "top-1 95% interval": [round(v, 4) for v in interval.tolist()],
        "thumbnails top-1": round(float((plain <= 1).double().mean()), 4),
    }


def conditions(people: int) -> dict[str, Any]:
    """What UMSN gains over the blurred picture as a face is drawn, occluded and in low light, and what that costs it.

    The same people in the same photographs, one kernel of 17 pixels (Fig. 17, 18). ``lost``: the gain as drawn less
    the gain under the condition, face by face.
    """
    parts = []
    methods = {"blurred": lambda blurred: blurred, "umsn": lambda blurred: weights.shipped()(blurred).restored}
    with Timer() as timer:
        for name, how in CONDITIONS.items():
            faces = unseen_faces(people, seed=0, **how)
            kept = {"sizes": (17,), "per_size": 1, "sigma": SIGMA, "seed": 0, "window": datasets.INNER}
            parts.append(gains(evaluate(methods, faces, **kept)).assign(method=name))
    first, *others = parts
    lost = [part.assign(psnr=first["psnr"].to_numpy() - part["psnr"].to_numpy()) for part in others]
    tables = {"gained": pd.concat(parts), "lost": pd.concat(lost)}
    found = {name: summarise(rows, measures=["psnr"]).round(4).to_dict("records") for name, rows in tables.items()}
    about = provenance(
        asked={"measure": "conditions", "people": people}, source=f"{people} drawn people, {len(parts)} conditions",
        sigma=SIGMA, seed=0, weights={"umsn": weights.shipped().digest}, seconds=round(timer.seconds, 1),
        peak_mib=timer.peak_mib,
    )  # fmt: skip
    return {"provenance": about, **found}


def confidences(people: int, *, sizes: Sequence[int] = blur.TEST_SIZES) -> dict[str, Any]:
    """How sure the confidence network is of each class, over its training and over kernel sizes (Tables VII, VIII).

    Drawn people whom no training drew, each under one kernel of every size, 17 and 27 among them. ``training``: after
    each of `SNAPSHOTS`, ``size``: after the last, the means of C_CLASS (learned), best_CLASS (min(1, lambda / L)) and
    psnr; ``grown``: C at the end less C after the first; ``lower``: C under 17 pixels less C under 27. Intervals are
    clustered by face, differences taken face by face. Of a class that a face lacks nothing is said.
    """
    faces, learned = unseen_faces(people, seed=0), {name: _Learned(name) for name in SNAPSHOTS}
    how = {"sigma": SIGMA, "seed": 0, "window": datasets.INNER}
    with Timer() as timer:
        batches = blurred_batches(faces, blur.protocol_kernels(sizes, 1, 0), **how)
        parts = [part for some in batches for part in _said(learned.values(), some)]
    rows = pd.concat(parts, ignore_index=True)
    about = provenance(
        asked={"measure": "confidences", "people": people, "sizes": list(sizes)}, sigma=SIGMA, seed=0,
        source=f"{people} drawn people, {len(sizes)} kernels, {len(SNAPSHOTS)} times of the training",
        weights={"S-Net": weights.shipped().digest} | {name: one.digest for name, one in learned.items()},
        recipe=learned[SNAPSHOTS[-1]].facts["recipe"]["name"], seconds=round(timer.seconds, 1), peak_mib=timer.peak_mib,
    )  # fmt: skip
    return {"provenance": about, **_sureness(rows)}


@torch.inference_mode()
def _said(learned: Iterable[_Learned], some: Batch) -> list[pd.DataFrame]:
    masks = weights.shipped().masks(some.blurred)
    return [one(some, masks) for one in learned]


class _Learned:
    """UMSN and its confidence network at one time of their training."""

    def __init__(self, name: str) -> None:
        path = places.path_of(f"results/weights/{name}.safetensors")
        tensors, self.facts = weights.load(path)
        self.digest = weights.digest(path)
        network = build(self.facts["method"], width=self.facts["width"], expansion=self.facts["expansion"])
        self.network, self.confidence = network.eval(), ConfidenceNetwork().eval()
        weights.into(self.network, tensors, prefix="network.", source=path)
        weights.into(self.confidence, tensors, prefix="confidence.", source=path)

    def __call__(self, some: Batch, masks: torch.Tensor) -> pd.DataFrame:
        """A row a picture; confidences of the picture as training sees it, which is not clipped."""
        restored = self.network(some.blurred, masks).restored
        there = some.masks.sum((2, 3)) > 0
        best = closed_form(class_losses(restored, some.sharp, some.masks), self.facts["recipe"]["lam"])
        found = {"C": self.confidence(restored, some.sharp, some.masks), "best": best}
        known = {name: values.where(there, torch.nan).unbind(1) for name, values in found.items()}
        columns = {f"{what}_{c}": v.numpy() for what, all_ in known.items() for c, v in zip(CLASSES, all_, strict=True)}
        keys = {"step": self.facts["step"], "face": some.faces, "size": [size for size, _ in some.kernels]}
        return pd.DataFrame({**keys, **columns, "psnr": metrics.psnr(restored.clamp(0, 1), some.sharp).numpy()})


def _sureness(rows: pd.DataFrame) -> dict[str, Any]:
    """The four tables of `confidences`, each with a ``method`` that names its groups."""
    sure, picture = [f"C_{name}" for name in CLASSES], ["face", "size"]
    measured = [*sure, *(f"best_{name}" for name in CLASSES), "psnr"]
    first, last = (rows[rows["step"] == step].set_index(picture) for step in (rows["step"].min(), rows["step"].max()))
    small, large = (last.xs(size, level="size") for size in (17, 27))
    tables = {
        "training": (rows.assign(method=[f"step {step}" for step in rows["step"]]), ["method", "step"], measured),
        "size": (
            last.reset_index().assign(method=lambda t: [f"size {n}" for n in t["size"]]),
            ["method", "size"],
            measured,
        ),
        "grown": ((last - first)[sure].reset_index().assign(method="grown"), "method", sure),
        "lower": ((small - large)[sure].reset_index().assign(method="lower"), "method", sure),
    }
    return {
        name: summarise(table, by, measures=kept).round(4).to_dict("records")
        for name, (table, by, kept) in tables.items()
    }


def astronaut(kernels: str) -> dict[str, Any]:
    """PSNR of the astronaut's face under the kernels of an .npz file, blurred and restored, one row a kernel.

    Each kernel, odd and with sum 1, is used as it is, and once more with its mass moved to the middle by whole pixels:
    nothing in a blurred picture says where the picture was.
    """
    photo = torch.from_numpy(skimage.data.astronaut()).movedim(-1, 0).float() / 255
    frame = finding.find_faces(photo)[0]
    face = F.interpolate(frame.crop(photo)[None], size=(128, 128), mode="area")
    with Timer() as timer:
        rows = [_shaken(name, kernel, face) for name, kernel in _kernels(kernels).items()]
    scores = [key for key in rows[0] if key not in ("kernel", "size")]
    means = {key: round(sum(row[key] for row in rows) / len(rows), 3) for key in scores}
    about = provenance(
        asked={"measure": "astronaut", "kernels": Path(kernels).name}, data=weights.digest(kernels),
        source="skimage.data.astronaut, its face at 128x128", frame=list(frame), sigma=SIGMA, seed=0,
        weights={"umsn": weights.shipped().digest}, seconds=round(timer.seconds, 1), peak_mib=timer.peak_mib,
    )  # fmt: skip
    return {"provenance": about, "psnr": rows, "mean psnr": means}


def _kernels(path: str) -> dict[str, NDArray[np.float64]]:
    try:
        with np.load(path) as found:
            return dict(found)
    except (OSError, ValueError, AttributeError):
        raise InputError(f"{path}: cannot be read; kernels in an .npz file were expected") from None


def _shaken(name: str, kernel: NDArray[np.float64], face: torch.Tensor) -> dict[str, Any]:
    row: dict[str, Any] = {"kernel": name, "size": len(kernel)}
    for what, k in (("", kernel), (", centred", centred(kernel))):
        generator = torch.Generator().manual_seed(0)
        blurred = blur.add_noise(blur.blur(face, torch.from_numpy(k).float()[None]), SIGMA, generator)
        found = {"blurred": blurred, "umsn": weights.shipped()(blurred).restored}
        row |= {method + what: round(float(metrics.psnr(image, face)), 3) for method, image in found.items()}
    return row


def centred(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kernel with a border, and its mass moved to the middle by whole pixels."""
    half = len(kernel) // 2
    wide = np.pad(kernel, half)
    middle = len(wide) // 2
    offsets = [round(float((kernel.sum(1 - axis) * (np.arange(len(kernel)) - half)).sum())) for axis in (0, 1)]
    moved = np.roll(wide, [-offset for offset in offsets], (0, 1))
    reach = max(np.abs(np.argwhere(moved > 0) - middle).max(), 1)
    return moved[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
