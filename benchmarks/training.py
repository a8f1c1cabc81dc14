"""Keep the record of a training: `python benchmarks/training.py FOLDER... --json results/measured/training.json`.

A FOLDER is what `umsn train --out` left: a checkpoint for each stage, with its facts. Several are runs of which each
went on from the one before; a stage's name is followed by its recipe's. `--note` gets what the facts do not say.
`--after` keeps the stages of an earlier record, whose folders need not be there any more, and its provenance.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

from umsn import weights
from umsn.files import read_json, write_json
from umsn.records import provenance
from umsn.stages import STAGES

#: The hardware of a stage whose checkpoint does not say.
AS_MADE = "as in the provenance"

#: How to make the record again.
AGAIN = (
    "run `umsn train` under each stage's recipe and seed, on faces whose hash is `data`; then this "
    "command on the folders that it left. The photographs are not ours to pass on, so the numbers of "
    "another training will differ"
)


def _hardware(platform: dict[str, object]) -> str:
    """The card, or the processor; older checkpoints do not say."""
    return str(platform.get("gpu") or platform.get("cpu") or AS_MADE)


def _told(stage: dict[str, object], made: dict[str, object]) -> dict[str, object]:
    """A stage of an earlier record, which left to that record's provenance what it ran on."""
    here = made["platform"]["cpu"] if stage["hardware"] == AS_MADE else stage["hardware"]
    return {**stage, "hardware": here, "precision": stage.get("precision") or made["precision"]}


def _rounded(row: dict[str, float]) -> dict[str, float]:
    """What a history keeps of a row: losses, confidences, and what was measured on unseen faces."""
    kept = ("l1", "L_", "C_", "validation")
    return {"step": row["step"]} | {k: round(v, 5) for k, v in row.items() if k.startswith(kept)}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    words.add_argument("--json", type=Path, required=True)
    words.add_argument("--note", default="")
    words.add_argument("--after", type=Path, metavar="RECORD")
    chosen = words.parse_args()
    before = read_json(chosen.after) if chosen.after else {"stages": {}}
    stages = {name: _told(stage, before["provenance"]) for name, stage in before["stages"].items()}
    for folder, name in product(chosen.folders, STAGES):
        path = folder / f"{name}.safetensors"
        if not path.exists():
            continue
        _, facts = weights.load(path)
        history = facts["history"]
        stages[f"{name}, {facts['recipe']['name']}"] = {
            "iterations": facts["step"], "batch": facts["schedule"]["batch"],
            "learning rate": facts["schedule"]["learning_rate"], "decay": facts["schedule"]["decay"],
            "minutes": round(facts["seconds"] / 60, 1), "seed": facts["seed"], "data": facts["data"],
            "started from": facts.get("start", "new"), "last loss": round(history[-1]["loss"], 4),
            "hardware": _hardware(facts.get("platform", {})), "precision": facts.get("precision", "bfloat16"),
        }  # fmt: skip
        if STAGES[name].schedule == "whole":
            stages[f"{name}, {facts['recipe']['name']}"]["history"] = [_rounded(row) for row in history]
    earlier = [*before.get("earlier", []), before["provenance"]] if chosen.after else []
    made = provenance(note=chosen.note, again=AGAIN)
    write_json(chosen.json, {"provenance": made, "earlier": earlier, "stages": stages})


if __name__ == "__main__":
    main()
