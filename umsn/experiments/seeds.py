"""Table VI: how much does a row depend on its seed, and does each part bring more than that?"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from scipy import stats

from umsn.data.datasets import INNER, data_hash
from umsn.data.unseen import unseen_faces
from umsn.evaluation import Protocol, evaluate, named_method
from umsn.experiments.evaluate import from_record
from umsn.faces import FaceSet
from umsn.files import read_json, whole
from umsn.recipes import recipe as recipe_called
from umsn.records import Timer, record, rows_of
from umsn.training import stages
from umsn.training.batches import drawn_faces

#: In the order of Table VI: each has one part more than the one before it.
ROWS = ("bnet", "maps", "nrl", "umsn-plain", "umsn")
BEFORE = stages.UP_TO_UMSN[:-1]


def measure(
    *,
    recipe: Annotated[str, "how long every row is trained"] = "seeds",
    seeds: Annotated[Sequence[int], "seeds of the rows"] = (0, 1, 2, 3),
    test: Annotated[int, "synthetic people to measure on"] = 12,
    keep: Annotated[Path, "where trainings are kept, and taken up when interrupted"] = Path("runs/seeds"),
) -> dict[str, Any]:
    """Train every row of Table VI under a short recipe with several seeds, and compare them on the same people.

    Training faces, S-Net and the first-stage networks are the same for all seeds; what differs is how the rest of the
    weights begins, which kernels there are, and what is in a batch.
    """
    chosen, unseen = recipe_called(recipe), unseen_faces(test, seed=0)
    faces, found = drawn_faces(chosen.faces, keep / "faces", seed=0, margin=0), []
    first = stages.Run(keep / "first", chosen, 0)
    with Timer() as timer:
        seconds = _seconds(stages.train(first, faces, stages=BEFORE))
        for seed in seeds:
            means, taken = _trained(first, seed, faces, unseen)
            seconds += taken
            found.append(means)
            print(means.to_string(), flush=True)
    rows = pd.concat(found, ignore_index=True)
    wide = rows.pivot(index="seed", columns="method", values="psnr")[list(ROWS)]
    tables = {
        "over B-Net, dB": over_seeds(wide.sub(wide["bnet"], axis=0).iloc[:, 1:]),
        "over the row before, dB": over_seeds(wide.diff(axis=1).iloc[:, 1:]),
    }
    return record(
        {"measure": "seeds", "recipe": recipe, "seeds": list(seeds), "test": test},
        {**tables, "means": rows_of(rows)},
        timer,
        recipe=recipe,
        seeds=list(seeds),
        source=f"{len(faces)} synthetic faces, measured on {test} others",
        data=data_hash(faces),
        **{"seconds of training": round(seconds, 1)},
    )


def _trained(first: stages.Run, seed: int, faces: FaceSet, test: FaceSet) -> tuple[pd.DataFrame, float]:
    """Mean PSNR and SSIM of every row, trained with one seed; the seconds that their training took."""
    run = replace(first, folder=first.folder.parent / f"{seed}", seed=seed)
    for stage in BEFORE:
        with whole(run.checkpoint(stage)) as beside:
            shutil.copyfile(first.checkpoint(stage), beside)
    seconds = _seconds(stages.train(run, faces, stages=ROWS))
    kept = run.folder / f"means-{len(test)}.csv"
    if not kept.exists():
        with whole(kept) as beside:
            _measured(run, test).to_csv(beside, index=False)
    return pd.read_csv(kept), seconds


def _measured(run: stages.Run, test: FaceSet) -> pd.DataFrame:
    """Mean scores of the networks of one seed, a row each."""
    methods = {}
    for row in ROWS:
        path = run.folder / "exported" / f"{row}.safetensors"
        stages.export(run, row, path, {})
        methods[row] = named_method(row.split("-")[0], weights=path)
    rows = evaluate(methods, test, Protocol(per_size=1, window=INNER))
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


def folders(folder: Path, recipe: str) -> dict[int, Path]:
    """The editions of this recipe on these faces, by seed, this one among them.

    folder: of an edition, RUNS/<recipe>-<seed>, and the name of its faces where they are somebody's
    recipe: its name
    """
    own = re.fullmatch(rf"{re.escape(recipe)}-\d+(.*)", folder.name)
    pattern = re.compile(rf"{re.escape(recipe)}-(\d+){re.escape(own[1])}")
    found = [(pattern.fullmatch(path.name), path) for path in folder.parent.glob(f"{recipe}-*")]
    return dict(sorted((int(match[1]), path) for match, path in found if match))


def beside(folder: Path, recipe: str, name: str) -> dict[int, dict[str, Any]]:
    """The records of one name that the editions of `folders` have left, by seed."""
    places = {seed: path / "records" / f"{name}.json" for seed, path in folders(folder, recipe).items()}
    return {seed: read_json(path) for seed, path in places.items() if path.exists()}


def spread(records: Mapping[int, Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of Table VI over the seeds of an edition: method, seeds, psnr, sd, gain, low, high.

    ``records`` as `beside` finds them. ``psnr`` is the mean over seeds and ``sd`` the standard deviation from seed to
    seed; ``gain`` is the mean of what a row has over B-Net of the same seed, on the same images, with its 95% interval
    (Student's t). What one seed cannot say is nan.
    """
    rows = {seed: from_record(record).groupby("method")["psnr"].mean() for seed, record in records.items()}
    means = pd.DataFrame(rows).T[list(ROWS)]
    above = over_seeds(means.sub(means["bnet"], axis=0).iloc[:, 1:]) if len(means) > 1 else []
    intervals = {row["method"]: row for row in above}
    found = pd.DataFrame(
        {"method": ROWS, "seeds": len(means), "psnr": means.mean().to_numpy(), "sd": means.std().to_numpy()}
    )
    found["gain"] = (means.mean() - means["bnet"].mean()).to_numpy()
    for bound in ("low", "high"):
        found[bound] = [intervals.get(row, {}).get(bound, float("nan")) for row in ROWS]
    return found
