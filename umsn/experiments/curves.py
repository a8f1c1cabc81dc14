"""Learning curves: what a training reaches against the images it has seen, and where that would lead in the end.

A curve is fitted by a power law with an offset, value = limit - scale * images^-power, by least squares over everything
but its beginning. The band is of refits to points drawn anew (and seeds, where there are several). Whether such an
extrapolation can be trusted is tested on the same curve: fitted on its first half, it predicts its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsn import recipes
from umsn.files import InputError, read_json
from umsn.networks import weights
from umsn.records import folder_of, provenance

Array = NDArray[np.float64]

#: What is followed, the first that a history has: PSNR of unseen faces, or the mean absolute error of training images.
TERMS = {"validation psnr": "validation PSNR (dB)", "l1": "L1 of training images"}

#: The least number of lengths that a fit of three numbers is made from.
FEWEST = 8

#: The part of the longest length before which nothing is fitted: the rate still rises there, and errors fall from
#: where the weights happened to begin.
BEGINNING = 0.05

#: The paper's length in images (Sec. IV-A.2b).
TARGET = recipes.PAPER.whole.iterations * recipes.PAPER.whole.batch

POWERS = np.geomspace(0.05, 2, 60)

#: How to make the record of somebody's own files again.
AGAIN = "this command, on files of the same names"


def measure(
    *,
    files: Annotated[
        Sequence[Path], "records of trainings, histories beside checkpoints or weights with a history; default: ours"
    ] = (),
    target: Annotated[int, "images that the curves are extrapolated to"] = TARGET,
) -> dict[str, Any]:
    """Every training's curve against images seen, its fit, the extrapolation, and the test of that on the held-out end.

    ``points``: training, seed, term, images, value; ``fits``: a row a training, as `extrapolated` gives them. Raises
    InputError for a file without a history.
    """
    chosen = [Path(file) for file in files] or [folder_of() / f"{name}.json" for name in ("training", "training-equal")]
    points = pd.concat([points_of_file(path) for path in chosen], ignore_index=True)
    facts = {"files": [path.name for path in chosen], "beginning": BEGINNING, "seed": 0}
    facts |= {"again": AGAIN} if files else {"asked": {"measure": "curves", "target": target}}
    fits = [extrapolated(some, target) for _, some in points.groupby("training", sort=False)]
    return {"provenance": provenance(**facts), "fits": fits, "points": points.to_dict("records")}


def in_rows(record: Mapping[str, Any]) -> pd.DataFrame:
    """The fits of a record as a table says them: a row a training, "too few lengths" in the place of numbers."""
    return pd.DataFrame([_in_words(fit) for fit in record["fits"]])


def _in_words(fit: Mapping[str, Any]) -> dict[str, str]:
    places = 2 if fit["term"] == "validation psnr" else 4
    number = lambda one, name: f"{one[name]:.{places}f} ({one['low']:.{places}f}–{one['high']:.{places}f})"  # noqa: E731
    test = fit.get("held out", fit)
    tested = dict.fromkeys(("end, predicted", "end, measured"), test["says"]) if "says" in test else {}
    return {
        "training": fit["training"],
        "of": TERMS[fit["term"]],
        "images": f"{fit['images']:,}",
        "at the paper's length": fit["says"] if "says" in fit else number(fit, "value"),
        **(tested or {"end, predicted": number(test, "predicted"), "end, measured": f"{test['measured']:.{places}f}"}),
    }


class Fit(NamedTuple):
    """value = limit - scale * images^-power; of errors, which fall, the scale is negative."""

    limit: float
    scale: float
    power: float

    def __call__(self, images: Array | float) -> Array:
        """The value after so many images."""
        return self.limit - self.scale * np.asarray(images, float) ** -self.power


def fitted(images: Array, values: Array) -> Fit:
    """The least-squares fit: limit and scale for each of `POWERS`, and of these the best."""
    below = images[:, None] ** -POWERS  # (points, powers)
    centred = below - below.mean(0)
    scales = -(centred * (values - values.mean())[:, None]).sum(0) / (centred**2).sum(0)
    limits = values.mean() + scales * below.mean(0)
    misses = ((limits - scales * below - values[:, None]) ** 2).sum(0)
    best = int(misses.argmin())
    return Fit(float(limits[best]), float(scales[best]), float(POWERS[best]))


def band(
    points: pd.DataFrame, at: Array, *, level: float = 0.95, draws: int = 200, seed: int = 0
) -> tuple[Array, Array]:
    """Percentiles at the lengths ``at`` of refits to points drawn anew: seeds first where there are several.

    ``points``: columns seed, images, value.
    """
    random = np.random.default_rng(seed)
    by_seed = [some[["images", "value"]].to_numpy(float) for _, some in points.groupby("seed")]
    found = []
    for _ in range(draws):
        chosen = random.integers(len(by_seed), size=len(by_seed))
        drawn = [by_seed[i][random.integers(len(by_seed[i]), size=len(by_seed[i]))] for i in chosen]
        together = np.concatenate(drawn)
        if len(np.unique(together[:, 0])) > 2:
            found.append(fitted(*together.T)(at))
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def extrapolated(points: pd.DataFrame, target: int = TARGET) -> dict[str, Any]:
    """A curve's fit, its value at ``target`` with a band, and the test: its end, predicted from its first half.

    points: training, seed, term, images, value of one training, all seeds

    With fewer than `FEWEST` lengths behind the beginning it says "too few lengths" and gives no number; the test the
    same where its half has too few. ``open`` says that the best power is the smallest that is tried: as good as a
    logarithm, with no limit in sight. ``curve`` holds fit and band at lengths in between, for a figure.
    """
    about = {"training": points["training"].iloc[0], "term": points["term"].iloc[0]}
    some = points[points["images"] > BEGINNING * points["images"].max()]
    lengths, longest = some["images"].nunique(), int(points["images"].max())
    about |= {"seeds": int(points["seed"].nunique()), "lengths": lengths, "images": longest}
    if lengths < FEWEST:
        return {**about, "says": "too few lengths"}
    fit = fitted(*_columns(some))
    at = np.geomspace(some["images"].min(), target, 25)
    low, high = band(some, at)
    curve = pd.DataFrame({"images": at, "value": fit(at), "low": low, "high": high}).round(5)
    there = {"target": target, "value": float(fit(target)), "low": float(low[-1]), "high": float(high[-1])}
    return {
        **about,
        **_rounded(fit._asdict() | there),
        "open": fit.power == float(POWERS[0]),
        "held out": held_out(some),
        "curve": curve.to_dict("records"),
    }


def held_out(points: pd.DataFrame) -> dict[str, Any]:
    """How well the first half of a curve predicts its last tenth: predicted with a band, measured, and the error.

    The measured value is the mean over the last tenth, where single points are noisy.
    """
    longest = points["images"].max()
    half, end = points[points["images"] <= longest / 2], points[points["images"] > 0.9 * longest]
    if half["images"].nunique() < FEWEST or end.empty:
        return {"says": "too few lengths"}
    at = end["images"].to_numpy(float)
    low, high = (float(bound.mean()) for bound in band(half, at))
    predicted, found = float(fitted(*_columns(half))(at).mean()), float(end["value"].mean())
    numbers = {"predicted": predicted, "low": low, "high": high, "measured": found, "error": predicted - found}
    return {**_rounded(numbers), "inside": low <= found <= high}


def points_of(
    history: Sequence[Mapping[str, float]], *, training: str, batch: int, seed: int = 0, before: int = 0
) -> pd.DataFrame:
    """The curve of a history: training, seed, term, images, value; empty where none of `TERMS` is in it.

    ``before``: images that were seen before its first step.
    """
    term = next((term for term in TERMS if any(term in row for row in history)), None)
    rows = [(before + row["step"] * batch, row[term]) for row in history if term in row]
    found = pd.DataFrame(rows, columns=["images", "value"], dtype=float)
    return found.assign(training=training, seed=seed, term=term)[["training", "seed", "term", "images", "value"]]


def points_of_file(path: Path) -> pd.DataFrame:
    """The curves in a record of trainings, in a checkpoint's history (.json) or in weights' facts (.safetensors)."""
    found = weights.load(path)[1] if path.suffix == ".safetensors" else read_json(path)
    curves = [points_of(**about) for about in _histories(found, path.stem)]
    curves = [curve for curve in curves if len(curve)]
    if not curves:
        raise InputError(f"{path}: no history with {' or '.join(TERMS)}; a record of trainings was expected")
    return pd.concat(curves, ignore_index=True)


def _histories(found: Any, stem: str) -> Iterator[dict[str, Any]]:
    """Arguments of `points_of` for everything in a file that has a history."""
    stages = found.get("stages") if isinstance(found, Mapping) else None
    if isinstance(stages, Mapping):
        for name, stage in stages.items():
            if "history" in stage:
                about = {"batch": stage["batch"], "seed": stage["seed"], "before": stage.get("images before", 0)}
                yield {"history": stage["history"], "training": name, **about}
    elif isinstance(found, Mapping) and found.get("history"):
        batch = found.get("batch") or found.get("schedule", {}).get("batch")
        recipe = found.get("recipe", {}).get("name")
        if batch and recipe:
            training = f"{found.get('stage', stem)}, {recipe}"
            yield {"history": found["history"], "training": training, "batch": batch, "seed": found.get("seed", 0)}


def _columns(points: pd.DataFrame) -> tuple[Array, Array]:
    return points["images"].to_numpy(float), points["value"].to_numpy(float)


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: value if isinstance(value, int) else round(value, 5) for name, value in numbers.items()}
