"""Keep the record of a training: `python benchmarks/training.py FOLDER --json results/measured/training.json`.

FOLDER is what `umsn train --out` left: a checkpoint for each stage, with its facts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from umsn import weights
from umsn.files import write_json
from umsn.fitting import fast_type
from umsn.records import provenance
from umsn.stages import STAGES


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("folder", type=Path)
    words.add_argument("--json", type=Path, required=True)
    words.add_argument("--note", default="")
    chosen = words.parse_args()
    stages = {}
    for name in STAGES:
        path = chosen.folder / f"{name}.safetensors"
        if not path.exists():
            continue
        _, facts = weights.load(path)
        last = facts["history"][-1]
        stages[name] = {
            "iterations": facts["step"], "batch": facts["schedule"]["batch"],
            "learning rate": facts["schedule"]["learning_rate"], "decay": facts["schedule"]["decay"],
            "minutes": round(facts["seconds"] / 60, 1), "seed": facts["seed"], "data": facts["data"],
            "last loss": round(last["loss"], 4),
        }  # fmt: skip
    precision = str(fast_type(torch.device("cpu"))).removeprefix("torch.")
    about = provenance(precision=precision, threads_while_training=1, note=chosen.note)
    write_json(chosen.json, {"provenance": about, "stages": stages})


if __name__ == "__main__":
    main()
