"""Does a record still hold? What it says was asked is asked again, and the numbers are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from umsn.evaluation import measures
from umsn.evaluation.command import from_record, run
from umsn.evaluation.intervals import measured_columns, summarise
from umsn.evaluation.protocol import Progress
from umsn.evaluation.readings import readings
from umsn.evaluation.recognised import recognised
from umsn.files import InputError, read_json

ROW = ["method", "face", "size", "kernel"]  #: what names a row

#: What `provenance.asked.measure` may say; without it a record is one of `umsn evaluate`.
OTHERS: dict[str, Callable[..., dict[str, Any]]] = {
    "masks": measures.masks, "descriptor": measures.descriptor, "conditions": measures.conditions,
    "astronaut": measures.astronaut, "confidences": measures.confidences,
    "recognition": recognised, "readings": readings,
}  # fmt: skip

#: How far a number without an interval may be from the record's, on a machine that rounds differently.
TOLERANCE = 0.01


class Verdict(NamedTuple):
    """What became of a record that was measured again."""

    rows: int  #: compared; of other records than those of `umsn evaluate`, numbers
    equal: int  #: of them, the same in every measure, to the digits that a record keeps
    largest: float  #: difference of any measure in any row
    holds: bool  #: all are equal, or every mean lies in the record's interval and every other number within `TOLERANCE`


def verify(
    path: str | PathLike[str],
    *,
    faces: str | None = None,
    kernels: str | None = None,
    weights: str | None = None,
    limit: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Verdict:
    """Measure a record again, one of `umsn evaluate` whole or its first ``limit`` faces, and compare.

    ``faces`` and ``kernels``: the folder and the file, where there was one, for a record knows their names only;
    ``weights``: the file, where it was not the package's. On the machine that made it, with as many threads, rows are
    equal to the last digit; elsewhere rounding differs. Raises InputError for a record that cannot be measured again,
    saying how it was made, and where folder, file or weights are not those of the record.
    """
    record = read_json(path)
    made = record.get("provenance", record) if isinstance(record, Mapping) else {}
    if "asked" not in made:
        raise InputError(f"{path}: {_otherwise(made)}")
    asked = {**made["asked"], **_given(path, made["asked"], faces=faces, kernels=kernels)}
    if (measure := asked.pop("measure", None)) is not None:
        return _verify_other(path, record, OTHERS[measure](**asked))
    part = limit is not None and limit < made["protocol"]["faces"]
    if part:
        asked |= {"faces": str(limit)} if str(asked["faces"]).isdigit() else {"limit": limit}
    again = run(**asked, weights=weights, device=device, progress=progress)
    now = again["provenance"]
    _same(path, "weights", made["weights"], now["weights"])
    if not part and not str(asked["faces"]).isdigit():  # drawn faces may differ in a last bit on another processor
        _same(path, "data", made["protocol"]["data"], now["protocol"]["data"])
    return _compared(from_record(record), from_record(again))


def _otherwise(made: Mapping[str, Any]) -> str:
    """How a record that is not measured again here can be made again, in one line."""
    if "command" not in made:
        return "no record of umsn; one with its provenance was expected"
    commit = made.get("code", {}).get("commit", "")[:10]
    how = made.get("again", "run the command again and compare")
    return (
        f"not measured by `umsn verify`. Made at {commit or 'a version'} by: {made['command']}. To make it again: {how}"
    )


def _given(path: str | PathLike[str], asked: Mapping[str, Any], **given: str | None) -> dict[str, str]:
    """What a record knows by its name only. Raises InputError for what is asked for and not given."""
    found = {}
    for option, place in given.items():
        name = asked.get(option)
        if not isinstance(name, str) or name.isdigit():
            continue
        if place is None:
            what = "a folder" if option == "faces" else "a file"
            raise InputError(f"{path}: was measured on {what} called {name!r}; say where it is with --{option}")
        found[option] = place
    return found


def _verify_other(path: str | PathLike[str], record: Mapping[str, Any], again: Mapping[str, Any]) -> Verdict:
    """Compare the numbers that both records have; a checkpoint's, which only its owner has, are left out."""
    made, now = record.get("provenance", record), again["provenance"]
    for what in {"data", "weights"} & set(made) & set(now):
        _same(path, what, made[what], now[what])
    new = dict(_numbers({key: value for key, value in again.items() if key != "provenance"}))
    old = dict(_numbers(record))
    if unknown := set(new) - set(old):
        raise InputError(f"{path}: {len(unknown)} of {len(new)} numbers are not in the record: {min(unknown)}")
    apart = [abs(old[name] - value) for name, value in new.items()]
    equal = sum(gap == 0 for gap in apart)
    return Verdict(len(new), equal, max(apart), max(apart) <= TOLERANCE)


def _numbers(tree: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a record under a name made of the words on the way to it."""
    if isinstance(tree, Mapping):
        words = " ".join(value for value in tree.values() if isinstance(value, str))
        for key, value in tree.items():
            yield from _numbers(value, f"{name}/{words}/{key}" if words and name else f"{name}/{key}")
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from _numbers(value, name if isinstance(value, Mapping) else f"{name}/{i}")
    elif isinstance(tree, int | float) and not isinstance(tree, bool):
        yield name, float(tree)


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
    """Whether each mean lies in the interval of the record's same rows, or near it where one face has no interval."""
    expected, found = (summarise(rows).set_index(["method", "measure"]) for rows in (old, new))
    mean = found["mean"].reindex(expected.index)
    inside = (mean >= expected["low"]) & (mean <= expected["high"])
    alone = expected["low"].isna() & ((mean - expected["mean"]).abs() <= TOLERANCE)
    return bool((inside | alone | expected["mean"].isna()).all())
