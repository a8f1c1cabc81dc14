"""Does a record still hold? What it says was asked is asked again, and everything that it states is compared.

What may differ is fixed here, not in the record: on the machine that made a record, with as many threads, all numbers
are equal to the last digit; elsewhere sums round otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from umsn import recognition, schema
from umsn.data.chosen import is_count
from umsn.evaluation import Progress, measured_columns
from umsn.evaluation.methods import given_networks
from umsn.experiments import catalogue
from umsn.experiments.evaluate import from_record, to_record
from umsn.files import InputError, read_json
from umsn.networks import archive
from umsn.networks import weights as weights_of
from umsn.networks.weights import Pipeline
from umsn.records import folder_of

ROW = ["method", "face", "size", "kernel"]  #: what names a row

#: How far a mean, and a single row, may be from the record's: of PSNR in dB, of SSIM, of a descriptor's distance.
MEANS = {"psnr": 0.01, "ssim": 0.001, "distance": 0.002}
ROWS = {"psnr": 0.5, "ssim": 0.02, "distance": 0.1}

#: The same of a method whose thresholds make another kernel of another rounding (the record rounding): a mean over one
#: row, which narrows by the root of their number, and a single row.
UNSTEADY = ("krishnan", "pan")
UNSTEADY_MEANS = {"psnr": 4.0, "ssim": 0.2, "distance": 0.4}
UNSTEADY_ROWS = {"psnr": 6.0, "ssim": 0.3, "distance": 0.6}

#: How far a number of other experiments may be off: so much, and so much of its size; or, by experiment and table, so
#: far; and so far in rows of those methods.
OFF, SHARE = 0.002, 0.0005
POINTS = {
    "recognition": {"top": 1.0, "gain": 1.0, "distance": 0.01, "nearer": 0.01},
    "descriptor": {"scores": 0.01},
}
UNSTEADY_POINTS = {"top": 25.0, "distance": 0.1}


#: What a record says of itself, and the rows of one of `umsn evaluate`.
MADE = schema.fields(
    known={
        "command": schema.text,
        "judge": schema.text,
        "again": schema.text,
        "code": schema.fields(others=schema.either(schema.text, schema.flag, str)),
        "weights": schema.fields(others=schema.text),
        "protocol": schema.fields({"faces": schema.whole(1, 10**9)}),
        "asked": schema.fields(known={"measure": schema.text}),
    }
)
TABLE = schema.fields(
    {
        **dict.fromkeys(("method", "face"), schema.each(schema.text)),
        **dict.fromkeys(("size", "kernel"), schema.each(schema.whole(0, 10**9))),
    },
    others=schema.each(schema.maybe(schema.number())),
)


class Verdict(NamedTuple):
    """What became of a record that was measured again."""

    rows: int  #: compared; of other records than those of `umsn evaluate`, numbers
    equal: int  #: of them, the same in every measure, to the digits that a record keeps
    largest: float  #: difference of any measure in any row
    holds: bool  #: nothing that the record states is missing, added or further off than this module allows
    why: str = ""  #: where it does not hold, the first thing that is wrong


def find(record: str | PathLike[str]) -> Path:
    """A record's file, or by its name the one of the repository. Raises InputError where there is neither."""
    if Path(record).exists():
        return Path(record)
    named = folder_of() / f"{record}.json"
    if Path(record).name == str(record) and named.exists():
        return named
    raise InputError(f"{record}: no such file; a record, or the name of one in results/measured, was expected")


def verify(
    path: str | PathLike[str],
    *,
    faces: str | PathLike[str] | None = None,
    kernels: str | PathLike[str] | None = None,
    weights: str | PathLike[str] | None = None,
    descriptor: str | PathLike[str] | None = None,
    limit: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Verdict:
    """Measure a record again, one of `umsn evaluate` whole or its first ``limit`` faces, and compare.

    path: of the record, or its name in results/measured
    faces, kernels: the folder and the file, where there was one, for a record knows their names only
    weights: the file, or the folder with one for each method, where it was neither the package's nor one of
        `umsn.networks.archive`
    descriptor: who judged, as of `umsn.recognition.judge`, where it was not the package's descriptor
    limit: so many of its first faces
    device: that computes
    progress: is told the images done and all of them

    Raises InputError for a record that cannot be measured again, saying how it was made, and where folder, file or
    weights are not those of the record.
    """
    path = find(path)
    record = read_json(path)
    made = record.get("provenance") if isinstance(record, Mapping) else None
    if not isinstance(made, Mapping):
        raise InputError(f"{path}: {_otherwise({})}")
    MADE(made, f"{path}: provenance")
    if "asked" not in made:
        raise InputError(f"{path}: {_otherwise(made)}")
    name = made["asked"].get("measure", "evaluate")
    if name not in catalogue.EXPERIMENTS:
        raise InputError(f"{path}: measured {name!r}; expected one of {', '.join(catalogue.EXPERIMENTS)}")
    stated = {key: value for key, value in made["asked"].items() if key != "measure"}
    catalogue.check_asked(name, stated, f"{path}: provenance.asked")
    if name == "evaluate":
        _check_table(record, path)
    asked = {**stated, **_given(path, stated, faces=faces, kernels=kernels)}
    digests = dict(made.get("weights") or {})
    if (given := digests.pop("descriptor", None) is not None) and descriptor is None:
        raise InputError(f"{path}: was judged by {made.get('judge')}; say where it is with --descriptor")
    judge = recognition.judge(descriptor) if given else None
    if name != "evaluate":
        again = catalogue.run(name, _network(next(iter(digests.values()), None), weights, device), judge, **asked)
        _same_made(path, made, again["provenance"], ("data", "weights"))
        return _verify_numbers(record, again, POINTS.get(name, {}))
    part = limit is not None and limit < made["protocol"]["faces"]
    if part:
        asked |= {"faces": str(limit)} if is_count(asked.get("faces", "")) else {"limit": limit}
    networks = {method: _network(digest, weights, device, method) for method, digest in digests.items()}
    again = catalogue.run(name, networks, judge, **asked, device=device, progress=progress)
    now = again["provenance"]
    _same_made(path, made, now, ("weights",))
    left_out = {"data", "faces"} if part else {"data"} if is_count(asked.get("faces", "")) else set()
    kept = [key for key in made["protocol"] if key not in left_out]
    _same_made(path, made["protocol"], now["protocol"], kept)
    return _verify_rows(record, from_record(again))


def _check_table(record: Mapping[str, Any], path: Path) -> None:
    """Raise InputError unless a record of `umsn evaluate` has what is compared: its protocol, and whole columns."""
    schema.fields({"protocol": schema.anything})(record["provenance"], f"{path}: provenance")
    schema.fields({"rows": TABLE})(record, str(path))
    if len({len(column) for column in record["rows"].values()}) != 1:
        raise InputError(f"{path}: rows: columns of several lengths; expected one")


def _network(digest: str | None, given: str | PathLike[str] | None, device: str, method: str | None = None) -> Pipeline:
    """The networks of that digest: those in the file given, the package's, or the archive's; else the package's."""
    if given is not None and method is not None:
        return given_networks(method, given, device)
    if given is not None:
        return weights_of.pipeline(given, device)
    own = weights_of.shipped(device=device)
    known = digest is None or digest == own.digest
    return own if known else archive.pipeline_of(digest, device) or own  # which `_same_made` then refuses


def _otherwise(made: Mapping[str, Any]) -> str:
    """How a record that is not measured again here can be made again, in one line."""
    if "command" not in made:
        return "no record of umsn; one with its provenance was expected"
    commit = made.get("code", {}).get("commit", "")[:10]
    how = made.get("again", "run the command again and compare")
    return (
        f"not measured by `umsn verify`. Made at {commit or 'a version'} by: {made['command']}. To make it again: {how}"
    )


def _given(path: Path, asked: Mapping[str, Any], **given: str | PathLike[str] | None) -> dict[str, Any]:
    """What a record knows by its name only. Raises InputError for what is asked for and not given."""
    found = {}
    for option, place in given.items():
        name = asked.get(option)
        if not isinstance(name, str) or is_count(name):
            continue
        if place is None:
            what = "a folder" if option == "faces" else "a file"
            raise InputError(f"{path}: was measured on {what} called {name!r}; say where it is with --{option}")
        found[option] = place
    return found


def _same_made(path: Path, made: Mapping[str, Any], now: Mapping[str, Any], what: Iterator[str]) -> None:
    """Refuse what was made of something else; a key that both lack says nothing."""
    for key in what:
        if (key in made or key in now) and made.get(key) != now.get(key):
            raise InputError(f"{path}: was made with other {key} ({made.get(key)}, not {now.get(key)})")


def _verify_numbers(record: Mapping[str, Any], again: Mapping[str, Any], points: Mapping[str, float]) -> Verdict:
    """Compare every leaf: the same names, the same words, numbers near each other, in tables of ``points`` so near."""
    old, new = (dict(_leaves({k: v for k, v in tree.items() if k != "provenance"})) for tree in (record, again))
    apart, wrong = [], [f"{name} is in one of them only" for name in sorted(old.keys() ^ new.keys())]
    for name in old.keys() & new.keys():
        before, after = old[name], new[name]
        if not (_number(before) and _number(after)):
            wrong += [f"{name}: {before!r}, now {after!r}"] * (before != after)
            continue
        apart.append(abs(before - after))
        _, table, *words = name.replace(" ", "/").split("/")
        limits = {**points, **UNSTEADY_POINTS} if points and not {*UNSTEADY}.isdisjoint(words) else points
        counted = words[-1:] in (["rows"], ["faces"])
        if not apart[-1] <= (0 if counted else limits.get(table, OFF + SHARE * abs(after))):
            wrong.append(f"{name}: {before}, now {after}")
    return Verdict(len(apart), apart.count(0), max(apart, default=0.0), not wrong, min(wrong, default=""))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a record under a name made of the words on the way to it."""
    if isinstance(tree, Mapping):
        words = " ".join(value for value in tree.values() if isinstance(value, str))
        for key, value in tree.items():
            yield from _leaves(value, f"{name}/{words}/{key}" if words and name else f"{name}/{key}")
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from _leaves(value, name if isinstance(value, Mapping) else f"{name}/{i}")
    else:
        yield name, tree


def _verify_rows(record: Mapping[str, Any], new: pd.DataFrame) -> Verdict:
    """Compare rows, their means, and the summary that the record states of its own rows."""
    old = from_record(record)
    if missing := sorted(set(old.columns) ^ set(new.columns)):
        return Verdict(0, 0, 0.0, False, f"columns {', '.join(missing)} are in one of them only")
    if old.duplicated(ROW).any():
        return Verdict(0, 0, 0.0, False, "a method has two rows of one face and kernel")
    pairs = old.merge(new, on=ROW, suffixes=("", " again"), validate="one_to_one")
    if len(pairs) != len(new):
        raise InputError(f"{len(new) - len(pairs)} of {len(new)} rows are not in the record: other faces or kernels")
    columns = measured_columns(new)
    before, after = (pairs[[f"{name}{end}" for name in columns]].to_numpy(float) for end in ("", " again"))
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    method = pairs["method"].to_numpy()
    steady = ~np.isin(method, UNSTEADY)
    wrong = _wrong(columns, before[steady], after[steady], MEANS, ROWS)
    for name in UNSTEADY:
        some = method == name
        means = {kind: limit / max(1, some.sum()) ** 0.5 for kind, limit in UNSTEADY_MEANS.items()}
        wrong += [f"{name}: {why}" for why in _wrong(columns, before[some], after[some], means, UNSTEADY_ROWS)]
    if not _alike(to_record(old)["summary"], record.get("summary")):
        wrong.insert(0, "the summary is not that of the rows")
    equal = int(same.all(axis=1).sum())
    largest = float(np.nanmax(np.abs(before - after), initial=0))
    return Verdict(len(pairs), equal, largest, not wrong, next(iter(wrong), ""))


def _alike(a: Any, b: Any) -> bool:
    """Whether two trees are the same but for the last digit that a record keeps."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    return abs(a - b) <= 1e-5 if _number(a) and _number(b) else a == b


def _wrong(
    columns: list[str], before: np.ndarray, after: np.ndarray, means: Mapping[str, float], rows: Mapping[str, float]
) -> list[str]:
    """What is further off than ``means`` and ``rows`` allow, and what is a number in one of them only."""
    found = []
    for name, old, new in zip(columns, before.T, after.T, strict=True):
        kind = next((kind for kind in means if name.startswith(kind)), "ssim")
        if (np.isnan(old) != np.isnan(new)).any():
            found.append(f"{name}: some rows are empty in one of them only")
            continue
        gap = old - new
        gap = gap[~np.isnan(gap)]
        if len(gap) and not abs(gap.mean()) <= means[kind]:
            found.append(f"{name}: the mean is {abs(gap.mean()):.3g} off")
        if len(gap) and not np.abs(gap).max() <= rows[kind]:
            found.append(f"{name}: a row is {np.abs(gap).max():.3g} off")
    return found
