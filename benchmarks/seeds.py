"""How much does a row of Table VI depend on its seed? Trains every row under a short recipe with several seeds.

    python benchmarks/seeds.py --recipe seeds --seeds 0 1 2 3 --keep FOLDER --json results/measured/seeds.json

Training faces, S-Net and the first-stage networks are the same for all seeds; what differs is how the rest of the
weights begins, which kernels there are, and what is in a batch. Each network is measured on the same drawn people, whom
no training drew. What is in FOLDER already is taken up: the command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
from scipy import stats

from umsn import evaluation, stages
from umsn.faces import FaceSet, Window
from umsn.figures import walk
from umsn.files import whole, write_json
from umsn.recipes import recipe
from umsn.records import provenance
from umsn.source import drawn_faces, fingerprint

AGAIN = "run the command; the faces are drawn, and nothing else is needed"

#: In the order of Table VI: each has one part more than the one before it.
ROWS = ("bnet", "maps", "nrl", "umsn-plain", "umsn")
BEFORE = stages.UP_TO_UMSN[:-1]


def trained(first: stages.Run, seed: int, faces: FaceSet, test: FaceSet, window: Window) -> tuple[pd.DataFrame, float]:
    """Mean PSNR and SSIM of every row, trained with one seed; the seconds that their training took."""
    run = replace(first, folder=first.folder.parent / f"{seed}", seed=seed)
    for stage in BEFORE:
        with whole(run.checkpoint(stage)) as beside:
            shutil.copyfile(first.checkpoint(stage), beside)
    seconds = _seconds(stages.train(run, faces, stages=ROWS))
    kept = run.folder / f"means-{len(test)}.csv"
    if not kept.exists():
        with whole(kept) as beside:
            _measured(run, test, window).to_csv(beside, index=False)
    return pd.read_csv(kept), seconds


def _measured(run: stages.Run, test: FaceSet, window: Window) -> pd.DataFrame:
    """Mean scores of the networks of one seed, a row each."""
    methods = {}
    for row in ROWS:
        path = run.folder / "exported" / f"{row}.safetensors"
        stages.export(run, row, path, {})
        methods[row] = evaluation.named_method(row, weights=path)
    rows = evaluation.evaluate(methods, test, per_size=1, seed=0, window=window)
    means = rows.groupby("method")[["psnr", "ssim", "ssim_volumetric"]].mean()
    return means.assign(seed=run.seed).reset_index()


def _seconds(histories: dict[str, list[dict[str, float]]]) -> float:
    return sum(steps[-1]["seconds"] for steps in histories.values())


def over_seeds(differences: pd.DataFrame) -> list[dict[str, str | float]]:
    """Mean and 95% interval (Student's t) of each column, a number a seed."""
    count, mean = len(differences), differences.mean()
    low, high = stats.t.interval(0.95, count - 1, mean, stats.sem(differences))
    found = pd.DataFrame({"mean": mean, "low": low, "high": high}).round(4).assign(seeds=count)
    return found.rename_axis("method").reset_index().to_dict("records")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--recipe", default="seeds")
    words.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    words.add_argument("--test", type=int, default=12, metavar="N", help="drawn people to measure on")
    words.add_argument("--keep", type=Path, required=True, metavar="FOLDER", help="where trainings are kept")
    words.add_argument("--json", type=Path, required=True)
    options = words.parse_args()
    chosen, (test, window) = recipe(options.recipe), walk.unseen(options.test, 0)
    faces, found = drawn_faces(chosen.faces, options.keep / "faces", seed=0, margin=0), []
    first = stages.Run(options.keep / "first", chosen, 0)
    seconds = _seconds(stages.train(first, faces, stages=BEFORE))
    for seed in options.seeds:
        means, taken = trained(first, seed, faces, test, window)
        seconds += taken
        found.append(means)
        print(means.to_string(), flush=True)
    rows = pd.concat(found, ignore_index=True)
    wide = rows.pivot(index="seed", columns="method", values="psnr")[list(ROWS)]
    about = provenance(
        recipe=chosen.name, seeds=options.seeds, source=f"{len(faces)} drawn faces, measured on {len(test)} others",
        data=fingerprint(faces), again=AGAIN, seconds=round(seconds, 1),
    )  # fmt: skip
    tables = {
        "over B-Net, dB": over_seeds(wide.sub(wide["bnet"], axis=0).iloc[:, 1:]),
        "over the row before, dB": over_seeds(wide.diff(axis=1).iloc[:, 1:]),
    }
    write_json(options.json, {"provenance": about, **tables, "means": rows.round(4).to_dict("records")})
    print(*tables["over the row before, dB"], sep="\n")


if __name__ == "__main__":
    main()
