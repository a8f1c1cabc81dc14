"""What the chapters of results need besides `curves` and `tables`: a record, schedules, shaken pictures, any lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from umsn import blur, metrics
from umsn.figures import tables
from umsn.figures.canvas import style
from umsn.figures.results import folder_of
from umsn.files import read_json
from umsn.recipes import Recipe, Schedule

#: What stands in a table where nothing has been measured.
NOT_YET = "not yet"

STAGE_FIELDS = {
    "parse_clean": "S-Net, sharp faces", "parse_blurry": "S-Net, blurred faces", "stream": "each first-stage network",
    "whole": "UMSN, and each row of Table VI",
}  # fmt: skip

Rows = Sequence[Mapping[str, Any]]


def facts(name: str, folder: str | PathLike[str] | None = None) -> pd.DataFrame:
    """The plain facts of one record (numbers and words, however deep), one a row; one row "not yet" where it is not.

    Lists of more than eight entries, such as the rows of an evaluation, are left out.
    """
    path = folder_of(folder) / f"{name}.json"
    if not path.exists():
        return pd.DataFrame([(name, NOT_YET)], columns=["fact", "value"])
    content = read_json(path)
    kept = {key: value for key, value in content.items() if key not in ("rows", "summary")}
    return plain(kept)


def plain(content: Mapping[str, Any]) -> pd.DataFrame:
    """A tree of facts as a table of two columns, fact and value; lists of more than eight entries are left out."""
    return pd.DataFrame(_leaves(content), columns=["fact", "value"])


def _leaves(value: Any, name: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [leaf for key, part in value.items() for leaf in _leaves(part, f"{name} · {key}" if name else str(key))]
    if isinstance(value, list | tuple):
        short = len(value) <= 8 and not any(isinstance(part, Mapping | list) for part in value)
        return [(name, ", ".join(map(str, value)))] if short else []
    return [(name, f"{value:.6g}" if isinstance(value, float) else str(value))]


def summary(name: str, folder: str | PathLike[str] | None = None) -> pd.DataFrame:
    """Means by method of one record of `umsn evaluate`, as `umsn.evaluation.summarise` has them; empty without it."""
    path = folder_of(folder) / f"{name}.json"
    content = read_json(path)["summary"]["by_method"] if path.exists() else []
    return pd.DataFrame(content, columns=["method", "measure", "mean", "low", "high", "rows", "faces"])


def recorded(
    names: Sequence[str],
    folder: str | PathLike[str] | None = None,
    *,
    measures: Sequence[str] = ("psnr", "ssim", "ssim_volumetric"),
) -> pd.DataFrame:
    """Means with 95% intervals from records of `umsn evaluate`, a row for each record and method; else "not yet"."""
    rows = []
    for name in names:
        found = summary(name, folder)
        if found.empty:
            rows.append({"record": name, **dict.fromkeys(("method", "faces", "pictures", *measures), NOT_YET)})
        for method, group in found.groupby("method", sort=False):
            lines = group.set_index("measure")
            values = {measure: interval(**lines.loc[measure, ["mean", "low", "high"]]) for measure in measures}
            first = lines.iloc[0]
            rows.append(
                {"record": name, "method": method, "faces": first["faces"], "pictures": first["rows"], **values}
            )
    return pd.DataFrame(rows)


def interval(mean: float, low: float, high: float) -> str:
    """A mean and its interval in words: "21.30 (20.95 to 21.66)"; three digits after the point below 1."""
    digits = 3 if abs(mean) < 1 else 2
    if not np.isfinite([low, high]).all():
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def signed(differences: pd.DataFrame, digits: int = 2) -> list[str]:
    """Differences and their intervals in words, from columns mean, low and high: "+0.43 (−0.05 to +0.91)"."""
    rows = differences[["mean", "low", "high"]].to_numpy(float)
    return ["{} ({} to {})".format(*(tables.signed(value, digits) for value in row)) for row in rows]


def schedules(recipes: Mapping[str, Recipe]) -> pd.DataFrame:
    """How long and how fast each stage learns under each recipe: "iterations x batch at rate, decay"."""
    table = {
        name: {title: _schedule(getattr(recipe, field)) for field, title in STAGE_FIELDS.items()}
        for name, recipe in recipes.items()
    }
    return pd.DataFrame(table).rename_axis("stage")


def _schedule(schedule: Schedule) -> str:
    return f"{schedule.iterations:,} x {schedule.batch} at {schedule.learning_rate:.2g}, {schedule.decay}"


def times(histories: Mapping[str, Rows]) -> pd.DataFrame:
    """What each stage took and what it learned: iterations, seconds, seconds an iteration, first and last mean loss."""
    rows = {
        name: {
            "iterations": steps[-1]["step"],
            "seconds": round(steps[-1]["seconds"], 1),
            "seconds an iteration": round(steps[-1]["seconds"] / steps[-1]["step"], 3),
            "first loss": round(steps[0]["loss"], 4),
            "last loss": round(steps[-1]["loss"], 4),
        }
        for name, steps in histories.items()
        if steps
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("stage")


def shaken(photo: Tensor, sizes: Sequence[int], *, sigma: float, seed: int) -> Tensor:
    """A photograph (3, H, W) blurred by the protocol's first kernel of each size, with noise: (N, 3, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    blurred = [blur.blur(photo[None], kernel) for *_, kernel in blur.protocol_kernels(sizes, 1, seed)]
    return blur.add_noise(torch.cat(blurred), sigma, generator)


def decibels(pictures: Sequence[Tensor], sharp: Tensor) -> list[str]:
    """The PSNR of pictures (3, H, W) against the sharp one, as notes under them: "21.3 dB"."""
    return [f"{metrics.psnr(picture.clamp(0, 1)[None], sharp[None]).item():.1f} dB" for picture in pictures]


def lines(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    xlabel: str,
    ylabel: str,
    steps: bool = False,
    **axis: Any,
) -> Figure:
    """One line a name, of (x, y); ``steps`` holds each value until the next; ``axis`` is for `Axes.set` (yscale ..)."""
    kinds = ("-", "--", "-.", ":")
    with style():
        figure = Figure()
        axes = figure.subplots()
        for number, (name, (x, y)) in enumerate(curves.items()):
            draw = "steps-post" if steps else "default"
            axes.plot(x, y, kinds[number % 4], label=name, drawstyle=draw, marker="o" if np.size(x) < 8 else "")
        axes.set(xlabel=xlabel, ylabel=ylabel, **axis)
        if len(curves) > 1:
            axes.legend(loc="best")
    return figure


def two_ssims(rows: pd.DataFrame) -> Figure:
    """Each picture's SSIM in both definitions: across, the mean over colours; up, MATLAB's volume (`umsn.metrics`)."""
    with style():
        figure = Figure(figsize=(4.4, 3.6))
        axes = figure.subplots()
        for marker, (method, some) in zip("so^v", rows.groupby("method", sort=False), strict=False):
            axes.plot(some["ssim"], some["ssim_volumetric"], marker, label=method, alpha=0.7)
        low = min(rows["ssim"].min(), rows["ssim_volumetric"].min())
        axes.plot([low, 1], [low, 1], color="#888888", linewidth=0.8)
        axes.set(xlabel="SSIM, each colour for itself", ylabel="SSIM of the colour volume", aspect="equal")
        axes.legend(loc="lower right")
    return figure
