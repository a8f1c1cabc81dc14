"""How were weights trained? Every stage of finished runs, with what their checkpoints say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from umsn import schema
from umsn.files import InputError, read_json
from umsn.networks import archive, weights
from umsn.records import provenance
from umsn.training.checkpoint import trained
from umsn.training.stages import STAGES

#: The hardware of a stage whose checkpoint does not say.
AS_MADE = "as in the provenance"

#: How to make the record again.
AGAIN = (
    "run `umsn train` under each stage's recipe and seed, on faces whose hash is `data`; then this "
    "command on the folders that it left. The photographs are not ours to pass on, so the numbers of "
    "another training will differ"
)

#: An earlier record, as far as its stages are kept.
EARLIER = schema.fields(
    {
        "provenance": schema.fields({"platform": schema.fields({"cpu": schema.text})}, {"precision": schema.text}),
        "stages": schema.fields(others=schema.fields({"hardware": schema.text}, {"precision": schema.text})),
    },
    {"earlier": schema.each(schema.fields())},
)

#: What a longer training's weights have to say, and what the record calls it.
FACTS = {
    "iterations": "iterations",
    "batch": "batch",
    "learning rate": "learning_rate",
    "decay": "decay",
    "seed": "seed",
    "data": "data",
    "started from": "start",
    "hardware": "hardware",
}
EXPORTED = schema.fields(
    {
        **dict.fromkeys(("iterations", "batch", "seed"), schema.whole(0, 10**9)),
        **dict.fromkeys(("learning_rate", "seconds"), schema.number(0)),
        **dict.fromkeys(("decay", "data", "start", "hardware", "stage"), schema.text),
        "recipe": schema.fields({"name": schema.text}),
        "history": schema.each(schema.fields({"step": schema.whole(0, 10**9)})),
    }
)


def measure(
    *,
    folders: Annotated[Sequence[Path], "what `umsn train --out` left; several are runs, each of which went on"] = (),
    files: Annotated[Sequence[Path], "exported weights of longer trainings whose facts hold their history"] = (),
    note: Annotated[str, "what the checkpoints do not say"] = "",
    after: Annotated[Path | None, "an earlier record, whose stages are kept"] = None,
) -> dict[str, Any]:
    """Iterations, rate, minutes, hardware and history of every stage that is in the folders.

    A folder holds a checkpoint for each stage, with its facts; a stage's name is followed by its recipe's. Of an
    earlier record (``after``) the folders need not be there any more. Weights of ``files`` say themselves what they
    were trained by and from which weights they went on. Raises InputError where neither folders nor files hold any.
    """
    before = {"stages": {}}
    if after is not None:
        EARLIER(before := read_json(after), str(after))
    stages = {name: _told(stage, before["provenance"]) for name, stage in before["stages"].items()}
    for folder, name in product(folders, STAGES):
        path = Path(folder) / f"{name}.safetensors"
        if path.exists():
            _, facts = trained(path)
            stages[f"{name}, {facts['recipe']['name']}"] = _stage(facts, whole=STAGES[name].schedule == "whole")
    for path in files:
        _, facts = weights.load(path)
        stages[f"{facts.get('stage')}, {facts.get('recipe', {}).get('name')}"] = _exported(facts, str(path))
    if not stages:
        raise InputError(f"{', '.join(map(str, folders))}: no checkpoints; folders of umsn train were expected")
    earlier = [*before.get("earlier", []), before["provenance"]] if after is not None else []
    return {"provenance": provenance(note=note, again=AGAIN), "earlier": earlier, "stages": stages}


def images_seen(stages: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """How many images each stage of a record of trainings had seen at its end, those before it included."""
    return {name: s.get("images before", 0) + s["iterations"] * s["batch"] for name, s in stages.items()}


def _stage(facts: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """What the record says of a stage; its history too where a ``whole`` network was trained."""
    history, platform = facts["history"], facts.get("platform", {})
    about = {
        "iterations": facts["step"],
        "batch": facts["schedule"]["batch"],
        "learning rate": facts["schedule"]["learning_rate"],
        "decay": facts["schedule"]["decay"],
        "minutes": round(facts["seconds"] / 60, 1),
        "seed": facts["seed"],
        "data": facts["data"],
        "started from": facts.get("start", "new"),
        "last loss": round(history[-1]["loss"], 4),
        "hardware": str(platform.get("gpu") or platform.get("cpu") or AS_MADE),
        "precision": facts.get("precision", "bfloat16"),
    }
    about |= {"layout": facts["layout"]} if facts.get("layout") else {}  # which earlier checkpoints do not say
    return {**about, "history": [_rounded(row) for row in history]} if whole else about


def _exported(facts: Mapping[str, Any], source: str) -> dict[str, Any]:
    """What the record says of a whole network's longer training, by its facts; how many images came before it.

    Raises InputError where the facts hold no history.
    """
    EXPORTED(facts, f"{source}: facts")
    history = facts["history"]
    about = {name: facts[key] for name, key in FACTS.items()}
    about |= {"minutes": round(facts["seconds"] / 60, 1), "images before": _images(facts["start"])}
    return {**about, "precision": facts.get("precision", "bfloat16"), "history": [_rounded(row) for row in history]}


def _images(start: str | None) -> int:
    """How many images the weights had seen that a training went on from: by their digest or name in the archive.

    Raises InputError for weights that the archive does not name.
    """
    if start is None:
        return 0
    found = [name for name, entry in archive.entries().items() if start in (name, entry["digest"])]
    if not found:
        raise InputError(f"weights {start!r}: not in {archive.INDEX}; those that a training went on from were expected")
    _, facts, _ = archive.kept(found[0])
    batch = facts.get("batch") or facts["recipe"]["whole"]["batch"]  # a longer training has its own
    return facts["iterations"] * batch + _images(facts.get("start"))


def _told(stage: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """A stage of an earlier record, which left to that record's provenance what it ran on."""
    here = made["platform"]["cpu"] if stage["hardware"] == AS_MADE else stage["hardware"]
    return {**stage, "hardware": here, "precision": stage.get("precision") or made.get("precision", "")}


def _rounded(row: Mapping[str, float]) -> dict[str, float]:
    """What a history keeps of a row: losses, confidences, and what was measured on unseen faces; else the loss."""
    kept = ("l1", "charbonnier", "L_", "C_", "validation")
    found = {k: round(v, 5) for k, v in row.items() if k.startswith(kept)}
    found = found or {k: round(v, 5) for k, v in row.items() if k == "loss"}
    return {"step": row["step"]} | found
