"""Effects from records, and the same effects in the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from umsn import evaluation, recipes
from umsn.experiments.claims.judging import Effect, Unit
from umsn.experiments.evaluate import from_record
from umsn.experiments.training import images_seen
from umsn.records import measured, reported

#: What the interval of a difference draws anew whose two sides were measured apart.
WORST = "faces; the worst cases of both intervals"


def there(folder: Path, *names: str) -> bool:
    """Whether a folder has all these records."""
    return all((folder / f"{name}.json").exists() for name in names)


def rows(folder: Path, names: Sequence[str]) -> pd.DataFrame:
    """The rows of several records of `umsn evaluate` together; what two of them measured, as the first one has it."""
    every = pd.concat([from_record(measured(name, folder)) for name in names], ignore_index=True)
    return every.drop_duplicates(["method", "face", "size", "kernel"], ignore_index=True)


def gain(
    some: pd.DataFrame, over: str, name: str, measure: str = "psnr", unit: Unit = "dB", paper: Sequence[float] = ()
) -> Effect:
    """What UMSN gains over a method on the same images, resampling faces and kernels where there are several.

    some: rows of a record, UMSN's among them
    over: the other method
    name, unit: of the effect
    measure: the column of the rows
    paper: the same in the paper's numbers, one a data set
    """
    gains = evaluation.gains(shared(some, "umsn", over), over=over)
    (found,) = evaluation.summarise(gains, measures=[measure], resample="auto").to_dict("records")
    return stated(found, name, unit, paper)


def shared(some: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """The rows of two methods on the images that both were measured on."""
    image = ["face", "size", "kernel"]
    images = some.loc[some["method"] == one, image].merge(some.loc[some["method"] == other, image])
    return some[some["method"].isin([one, other])].merge(images)


def stated(row: Mapping[str, Any], name: str, unit: Unit = "dB", paper: Sequence[float] = ()) -> Effect:
    """A row of a record with mean, low and high; over seeds, faces, or what it says that it resampled."""
    drawn = row.get("resampled", "seeds, t" if "seeds" in row else "faces")
    return Effect(name, row["mean"], row["low"], row["high"], unit, drawn, tuple(paper))


def apart(more: Mapping[str, Any], less: Mapping[str, Any], name: str, unit: Unit, paper: Sequence[float]) -> Effect:
    """The difference of two rows of a record, as uncertain as the worst cases of their intervals."""
    bounds = more["mean"] - less["mean"], more["low"] - less["high"], more["high"] - less["low"]
    return Effect(name, *map(float, bounds), unit, WORST, tuple(paper))


def printed(table: str, more: Mapping[str, Any], less: Mapping[str, Any]) -> tuple[float, ...]:
    """Differences between the paper's numbers where ``more`` holds and those where ``less`` does.

    One for each data set or image of the table, in its order; empty where the paper lacks one side.
    """
    values = reported(table).astype({"value": float})
    sides = [values.loc[(values[list(where)] == pd.Series(where)).all(axis=1)] for where in (more, less)]
    if any(side.empty for side in sides):
        return ()
    keys = ["dataset"] if values["dataset"].notna().any() else ["image"]
    one, other = (side.set_index(keys)["value"] for side in sides)
    return tuple((one - other[one.index]).round(4).tolist())


def about(provenance: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """What a record was measured on, for `Finding.rests`: faces, kernels, whether synthetic; joined by ``facts``."""
    protocol, source = provenance.get("protocol", {}), str(provenance.get("source", ""))
    found = {name: protocol[name] for name in ("faces", "kernels") if name in protocol}
    return {**found, "synthetic": "drawn" in source or "synthetic" in source, **facts}


def training(folder: Path) -> dict[str, Any]:
    """How long UMSN of the package was trained (record "training"), for `Finding.rests`; empty without it."""
    if not there(folder, "training"):
        return {}
    seen = images_seen(measured("training", folder)["stages"])
    return length(max(images for name, images in seen.items() if name.startswith("umsn, ")))


def length(images: int) -> dict[str, Any]:
    """Images seen, and as a share of those of the paper's training of UMSN."""
    paper = recipes.PAPER.whole
    return {"images": images, "share": images / (paper.iterations * paper.batch)}
