"""How much of the blurred images' error is left along a training? B-Net's and UMSN's batches differ, shares do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from umsn import schema
from umsn.data import datasets
from umsn.faces import FaceSet
from umsn.files import InputError
from umsn.recipes import Recipe, recipe
from umsn.records import Timer, record
from umsn.training.batches import Source
from umsn.training.checkpoint import trained
from umsn.training.loop import generator_of

PARTS = 20  #: of a run


def measure(
    *,
    runs: Annotated[Mapping[str, Path], "NAME=CHECKPOINT of UMSN or of a row of Table VI"],
    faces: Annotated[Path, "the folder of faces that they were trained on"],
    layout: Annotated[str, "how the folder is laid out"] = "synthetic",
) -> dict[str, Any]:
    """The L1 loss of trainings over that of the blurred images themselves, in twenty parts of each.

    Losses of two trainings cannot be laid over each other, for their batches differ. But every batch follows from
    seed, stage and step, so this makes them again and divides.
    """
    some = datasets.load(faces, layout=layout)
    with Timer() as timer:
        found = {name: relative(path, some) for name, path in runs.items()}
    asked = {"measure": "relative", "faces": Path(faces).name, "layout": layout}
    asked |= {"runs": {name: Path(path).name for name, path in runs.items()}}
    return record(asked, {"runs": found}, timer, data=datasets.data_hash(some))


def relative(path: Path, faces: FaceSet) -> dict[str, Any]:
    """Steps, and the L1 over the blurred images' in as many equal parts of the run."""
    _, facts = trained(path)
    schema.each(schema.fields({"l1": schema.real}), PARTS)(facts["history"], f"{path}: facts.history")
    if facts["data"] != datasets.data_hash(faces):
        raise InputError(f"{path}: was trained on other faces ({facts['data']}, not {datasets.data_hash(faces)})")
    source = Source.of(faces, _recipe(facts["recipe"]), seed=facts["seed"])
    size, before = facts["schedule"]["batch"], []
    for step in range(facts["step"]):
        batch = source.batch(size, generator_of(facts["seed"], path.stem, step))
        before.append(float((batch.blurred - batch.sharp).abs().mean()))
    rows, curve, begin = facts["history"], [], 0
    for part in range(PARTS):
        some = rows[round(part * len(rows) / PARTS) : round((part + 1) * len(rows) / PARTS)]
        edges = [begin, *(row["step"] for row in some)]  # a row is the mean over the steps since the row before it
        after = sum(row["l1"] * (b - a) for row, (a, b) in zip(some, pairwise(edges), strict=True))
        begin = edges[-1]
        curve.append({"step": begin, "ratio": round(after / sum(before[edges[0] : begin]), 4)})
    return {"stage": path.stem, "recipe": facts["recipe"]["name"], "batch": size, "seed": facts["seed"], "curve": curve}


def _recipe(kept: Mapping[str, Any]) -> Recipe:
    """What a batch depends on, of the recipe that a checkpoint remembers."""
    names = {field.name for field in fields(Recipe)} & {"crop", "kernels", "sigma", "anxiety"}
    found = {name: tuple(kept[name]) if isinstance(kept[name], list) else kept[name] for name in names & set(kept)}
    return replace(recipe("cpu"), **found)
