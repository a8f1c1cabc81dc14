"""Does a record still hold? What it says was asked is asked again, and the rows are compared."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from umsn.evaluation.command import from_record, run
from umsn.evaluation.intervals import measured_columns, summarise
from umsn.evaluation.protocol import Progress
from umsn.files import InputError, read_json

ROW = ["method", "face", "size", "kernel"]  #: what names a row


class Verdict(NamedTuple):
    """What became of a record that was measured again."""

    rows: int  #: compared
    equal: int  #: of them, the same in every measure, to the six digits that a record keeps
    largest: float  #: difference of any measure in any row
    holds: bool  #: all rows are equal, or every mean lies in the record's interval


def verify(
    path: str | PathLike[str],
    *,
    faces: str | None = None,
    weights: str | None = None,
    limit: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Verdict:
    """Measure a record of `umsn evaluate` again, whole or its first ``limit`` faces, and compare.

    ``faces``: the folder, where it was one, for a record knows its name only; ``weights``: the file, where it was not
    the package's. On the machine that made it, with as many threads, rows are equal to the last digit; elsewhere
    rounding differs, and the means must lie in the record's intervals. Raises InputError for another file, and where
    folder or weights are not those of the record.
    """
    record = read_json(path)
    made = record.get("provenance", {}) if isinstance(record, Mapping) else {}
    if "asked" not in made or "rows" not in record:
        raise InputError(f"{path}: no record that `umsn evaluate` can measure again")
    asked: dict[str, Any] = dict(made["asked"])
    if not str(asked["faces"]).isdigit():
        if faces is None:
            raise InputError(
                f"{path}: was measured on a folder called {asked['faces']!r}; say where it is with --faces"
            )
        asked["faces"] = faces
    part = limit is not None and limit < made["protocol"]["faces"]
    if part:
        asked |= {"faces": str(limit)} if str(asked["faces"]).isdigit() else {"limit": limit}
    again = run(**asked, weights=weights, device=device, progress=progress)
    now = again["provenance"]
    _same(path, "weights", made["weights"], now["weights"])
    if not part:
        _same(path, "data", made["protocol"]["data"], now["protocol"]["data"])
    return _compared(from_record(record), from_record(again))


def _same(path: str | PathLike[str], what: str, expected: object, found: object) -> None:
    if expected != found:
        raise InputError(f"{path}: was made with other {what} ({expected}, not {found})")


def _compared(old: pd.DataFrame, new: pd.DataFrame) -> Verdict:
    pairs = old.merge(new, on=ROW, suffixes=("", " again"), validate="one_to_one")
    if len(pairs) != len(new):
        raise InputError(f"{len(new) - len(pairs)} of {len(new)} rows are not in the record: other faces or kernels")
    columns = measured_columns(old)
    before, after = (pairs[[f"{name}{end}" for name in columns]].to_numpy(float) for end in ("", " again"))
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    difference = float(np.nanmax(np.abs(before - after), initial=0))
    equal = int(same.all(axis=1).sum())
    return Verdict(len(pairs), equal, difference, equal == len(pairs) or _within(pairs[old.columns], new))


def _within(old: pd.DataFrame, new: pd.DataFrame) -> bool:
    """Whether each mean lies in the interval of the record's same rows."""
    expected, found = (summarise(rows).set_index(["method", "measure"]) for rows in (old, new))
    mean = found["mean"].reindex(expected.index)
    return bool(((mean >= expected["low"]) & (mean <= expected["high"]) | expected["low"].isna()).all())
