"""What else is measured and kept besides pictures: masks, the face descriptor, hard conditions, real shakes.

Each returns what its record holds, with what was asked in ``provenance.asked``, so that `verify` can ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skimage
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from umsn import blur, datasets, finding, metrics, synthetic, weights
from umsn.evaluation.command import UNSEEN, parse_window
from umsn.evaluation.intervals import gains, pooled_f_scores, summarise
from umsn.evaluation.protocol import evaluate, evaluate_masks
from umsn.faces import FaceSet, Window
from umsn.files import InputError
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
    "as drawn": {"occlusion": None, "light": "day"}, "hand": {"occlusion": "hand"},
    "sunglasses": {"occlusion": "sunglasses"}, "low light": {"light": "low"},
}  # fmt: skip


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
    inner, parts = Window(datasets.MARGIN, datasets.MARGIN, 128, 128), []
    methods = {"blurred": lambda blurred: blurred, "umsn": lambda blurred: weights.shipped()(blurred).restored}
    with Timer() as timer:
        for name, how in CONDITIONS.items():
            who = {"identities": range(UNSEEN, UNSEEN + people), "shots_per_identity": 1}
            faces = synthetic.faces(people, seed=0, margin=datasets.MARGIN, **who, **how)
            kept = {"sizes": (17,), "per_size": 1, "sigma": SIGMA, "seed": 0, "window": inner}
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
