"""How well did a training go, picture by picture? The L1 of what was restored over that of what was blurred.

    python benchmarks/relative.py --faces FOLDER --json results/measured/relative.json name=run/umsn.safetensors ...

Losses of two trainings cannot be compared step by step, for their batches differ. But every batch follows from seed,
stage and step, so this makes them again and divides. Each checkpoint must be of UMSN or of a row of Table VI; FOLDER
(layout synthetic) must hold the faces that it was trained on.
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import torch

from umsn import datasets, weights
from umsn.faces import FaceSet
from umsn.files import InputError, write_json
from umsn.fitting import seed_of
from umsn.recipes import Recipe, recipe
from umsn.records import Timer, provenance
from umsn.source import Source, fingerprint

PARTS = 20  #: of a run

#: How to make the record again.
AGAIN = (
    "run the command with the checkpoints that `umsn train` left and the faces that they learned from, "
    "which have to have the hash `data`"
)


def relative(path: Path, faces: FaceSet) -> dict[str, object]:
    """Steps, and the L1 over the blurred pictures' in as many equal parts of the run."""
    _, facts = weights.load(path)
    if facts["data"] != fingerprint(faces):
        raise InputError(f"{path}: was trained on other faces ({facts['data']}, not {fingerprint(faces)})")
    source = Source.of(faces, _recipe(facts["recipe"]), seed=facts["seed"])
    size, before = facts["schedule"]["batch"], []
    for step in range(facts["step"]):
        generator = torch.Generator().manual_seed(seed_of(facts["seed"], path.stem, step))
        batch = source.batch(size, generator)
        before.append(float((batch.blurred - batch.sharp).abs().mean()))
    rows, curve, begin = facts["history"], [], 0
    for part in range(PARTS):
        some = rows[round(part * len(rows) / PARTS) : round((part + 1) * len(rows) / PARTS)]
        edges = [begin, *(row["step"] for row in some)]  # a row is the mean over the steps since the row before it
        after = sum(row["l1"] * (b - a) for row, (a, b) in zip(some, pairwise(edges), strict=True))
        begin = edges[-1]
        curve.append({"step": begin, "ratio": round(after / sum(before[edges[0] : begin]), 4)})
    return {"stage": path.stem, "recipe": facts["recipe"]["name"], "batch": size, "seed": facts["seed"], "curve": curve}


def _recipe(kept: dict[str, object]) -> Recipe:
    """What a batch depends on, of the recipe that a checkpoint remembers."""
    names = {field.name for field in fields(Recipe)} & {"crop", "kernels", "sigma", "anxiety"}
    found = {name: tuple(kept[name]) if isinstance(kept[name], list) else kept[name] for name in names & set(kept)}
    return replace(recipe("cpu"), **found)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("runs", nargs="+", metavar="NAME=CHECKPOINT")
    words.add_argument("--faces", type=Path, required=True)
    words.add_argument("--json", type=Path, required=True)
    chosen = words.parse_args()
    faces, found = datasets.load(chosen.faces, layout="synthetic"), {}
    with Timer() as timer:
        for run in chosen.runs:
            name, _, path = run.rpartition("=")
            found[name] = relative(Path(path), faces)
            print(name, found[name]["curve"][-1], flush=True)
    about = provenance(seconds=round(timer.seconds, 1), data=fingerprint(faces), again=AGAIN)
    write_json(chosen.json, {"provenance": about, "runs": found})


if __name__ == "__main__":
    main()
