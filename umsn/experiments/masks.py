"""Table II: how well does S-Net parse real faces, sharp and blurred, before and after its second stage?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from umsn.data import datasets
from umsn.evaluation import Protocol, evaluate_masks, pooled_f_scores
from umsn.evaluation.protocol import SIGMA
from umsn.faces import Window
from umsn.networks import weights
from umsn.networks.parsing import SNet
from umsn.networks.weights import Pipeline
from umsn.records import Timer, record, rows_of
from umsn.training.checkpoint import trained

#: What the S-Net among the given networks is called.
OWN = "S-Net of the package"


def measure(
    networks: Pipeline,
    *,
    faces: Annotated[Path, "a folder of labelled faces"],
    layout: Annotated[str, "how the folder is laid out"] = "labelmap",
    window: Annotated[str | None, "ROW,COLUMN,HEIGHT,WIDTH that is measured"] = None,
    kernels: Annotated[int, "kernels of each size"] = 1,
    parsers: Annotated[Mapping[str, Path] | None, "NAME=CHECKPOINT of a parsing stage, measured too"] = None,
) -> dict[str, Any]:
    """F-scores of S-Net, and of checkpoints by name, on a folder of labelled faces, sharp and blurred (Table II).

    networks: whose S-Net is measured; the other arguments say beside their types what they are
    """
    parsers = parsers or {}
    found = {OWN: networks.snet} | {name: _parser(path) for name, path in parsers.items()}
    some = datasets.load(faces, layout=layout)
    protocol = Protocol(per_size=kernels, window=None if window is None else Window.parse(window))
    with Timer() as timer:
        pooled = pooled_f_scores(evaluate_masks(found, some, protocol))
    asked = {"measure": "masks", "faces": Path(faces).name, "layout": layout, "window": window, "kernels": kernels}
    facts = {name: {k: v for k, v in weights.load(path)[1].items() if k != "history"} for name, path in parsers.items()}
    return record(
        asked,
        {"f_scores": rows_of(pooled)},
        timer,
        source=f"{len(some)} faces ({layout})",
        data=datasets.data_hash(some),
        kernels_per_size=kernels,
        sigma=SIGMA,
        seed=0,
        weights={OWN: networks.digest},
        parsers=facts,
    )


def _parser(path: Path) -> SNet:
    """The S-Net of a parsing stage's checkpoint."""
    tensors, facts = trained(path)
    snet = SNet(widths=tuple(facts["recipe"]["parsing_widths"]))
    weights.into(snet, tensors, prefix="task.snet.", source=path)
    return snet.eval()
