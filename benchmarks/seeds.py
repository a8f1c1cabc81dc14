"""How much does a row of Table VI depend on its seed? Trains B-Net and UMSN under a short recipe with several seeds.

    python benchmarks/seeds.py --recipe laptop --seeds 0 1 2 --json results/measured/seeds.json

The training faces are the same for all seeds; what differs is how weights begin, which kernels there are, and what is
in a batch. Each network is measured on the same drawn people, whom no training drew.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from scipy import stats

from umsn import evaluation, stages
from umsn.faces import FaceSet, Window
from umsn.figures import walk
from umsn.files import write_json
from umsn.recipes import Recipe, recipe
from umsn.records import Timer, provenance
from umsn.source import drawn_faces, fingerprint

AGAIN = "train both networks with each seed again, with the command; the faces are drawn, nothing else is needed"
ROWS = ("bnet", "umsn")


def trained(chosen: Recipe, seed: int, faces: FaceSet, test: FaceSet, window: Window, folder: Path) -> pd.DataFrame:
    """Mean PSNR and SSIM of the blurred pictures, of B-Net and of UMSN, trained with one seed."""
    run, methods = stages.Run(folder, chosen, seed), {"blurred": evaluation.named_method("blurred")}
    stages.train(run, faces, stages=(*stages.UP_TO_UMSN, "bnet"), say=None)
    for row in ROWS:
        stages.export(run, row, folder / "exported" / f"{row}.safetensors", {})
        methods[row] = evaluation.named_method(row, weights=folder / "exported" / f"{row}.safetensors")
    rows = evaluation.evaluate(methods, test, per_size=1, seed=0, window=window)
    return rows.groupby("method")[["psnr", "ssim", "ssim_volumetric"]].mean().assign(seed=seed).reset_index()


def over_seeds(gains: pd.Series) -> dict[str, float]:
    """Mean and 95% interval (Student's t) of what UMSN gains over B-Net, a number a seed."""
    low, high = stats.t.interval(0.95, len(gains) - 1, gains.mean(), stats.sem(gains))
    return {"mean": gains.mean(), "low": low, "high": high, "seeds": len(gains)}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--recipe", default="laptop")
    words.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    words.add_argument("--test", type=int, default=12, metavar="N", help="drawn people to measure on")
    words.add_argument("--json", type=Path, required=True)
    options = words.parse_args()
    chosen, (test, window) = recipe(options.recipe), walk.unseen(options.test, 0)
    with TemporaryDirectory() as home, Timer() as timer:
        faces, found = drawn_faces(chosen.faces, Path(home, "faces"), seed=0, margin=0), []
        for seed in options.seeds:
            found.append(trained(chosen, seed, faces, test, window, Path(home, str(seed))))
            print(found[-1].to_string(), flush=True)
    rows = pd.concat(found, ignore_index=True)
    wide = rows.pivot(index="seed", columns="method", values="psnr")
    gain = {name: round(float(value), 4) for name, value in over_seeds(wide["umsn"] - wide["bnet"]).items()}
    about = provenance(
        recipe=chosen.name, seeds=options.seeds, source=f"{len(faces)} drawn faces, measured on {len(test)} others",
        data=fingerprint(faces), again=AGAIN, seconds=round(timer.seconds, 1), peak_mib=timer.peak_mib,
    )  # fmt: skip
    write_json(options.json, {"provenance": about, "gain, dB": gain, "means": rows.round(4).to_dict("records")})
    print(gain)


if __name__ == "__main__":
    main()
