"""Facts as tables: what records, schedules, trainings and weights say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import pandas as pd

from umsn.evaluation.intervals import in_words
from umsn.files import read_json
from umsn.networks.weights import Pipeline
from umsn.pages.figures import tables, titles
from umsn.pages.figures.tables import NOT_YET
from umsn.recipes import Recipe, Schedule
from umsn.records import folder_of

STAGE_FIELDS = {
    "parse_clean": "S-Net, sharp faces",
    "parse_blurry": "S-Net, blurred faces",
    "stream": "each first-stage network",
    "whole": "UMSN, and each row of Table VI",
}

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
            rows.append({"record": name, **dict.fromkeys(("method", "faces", "images", *measures), NOT_YET)})
        for method, group in found.groupby("method", sort=False):
            lines = group.set_index("measure")
            values = {measure: in_words(**lines.loc[measure, ["mean", "low", "high"]]) for measure in measures}
            first = lines.iloc[0]
            rows.append({"record": name, "method": method, "faces": first["faces"], "images": first["rows"], **values})
    return pd.DataFrame(rows)


def schedules(recipes: Mapping[str, Recipe]) -> pd.DataFrame:
    """How long and how fast each stage learns under each recipe: "iterations x batch at rate, decay"."""
    table = {
        name: {title: _schedule(getattr(recipe, field)) for field, title in STAGE_FIELDS.items()}
        for name, recipe in recipes.items()
    }
    return pd.DataFrame(table).rename_axis("stage")


def _schedule(schedule: Schedule) -> str:
    return f"{schedule.iterations:,} x {schedule.batch} at {schedule.learning_rate:.2g}, {schedule.decay}"


def trainings(histories: Mapping[str, Rows]) -> pd.DataFrame:
    """How far each stage came: iterations, first and last mean loss; no seconds, which differ from run to run."""
    rows = {
        titles.stage(name): {
            "iterations": steps[-1]["step"],
            "first loss": round(steps[0]["loss"], 4),
            "last loss": round(steps[-1]["loss"], 4),
        }
        for name, steps in histories.items()
        if steps
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("stage")


def about(pipeline: Pipeline, *, caption: str) -> tables.Table:
    """What trained networks say of themselves, in two columns; lists and nested facts are left out."""
    plainly = {name: value for name, value in pipeline.facts.items() if not isinstance(value, list | dict)}
    frame = pd.DataFrame({"fact": plainly.keys(), "value": map(str, plainly.values())})
    return tables.plain(frame, caption=caption)
