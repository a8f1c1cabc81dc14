"""Every record under results/measured, with what made it: the rows of the page of results, and links to them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike
from typing import Any

import pandas as pd

from umsn.data.chosen import is_count
from umsn.files import read_json
from umsn.records import folder_of

#: The page that lists our records, seen from another chapter's.
PAGE = "14_record.html"

#: What stands where a record is silent.
NOTHING = "—"

#: What the page of results says of a record, in this order.
ABOUT = (
    "record",
    "date",
    "command",
    "again",
    "recipe",
    "seed",
    "data",
    "weights",
    "code",
    "versions",
    "hardware",
    "seconds",
    "peak MiB",
)


def records(folder: str | PathLike[str] | None = None) -> pd.DataFrame:
    """All records of a folder, by name, in the columns `ABOUT`; what a record does not say is an empty text.

    A record is a JSON file with a ``provenance`` (`umsn.records.provenance`), which may lack any of these. ``again``
    is how to make it again.
    """
    found = [_about(path.stem, read_json(path)) for path in sorted(folder_of(folder).glob("*.json"))]
    return pd.DataFrame(found, columns=ABOUT).fillna("")


def _about(name: str, record: Any) -> dict[str, Any]:
    """One row of `records`."""
    made = _provenance(record)
    where, code, protocol = (made.get(key) or {} for key in ("platform", "code", "protocol"))
    stages = list((record.get("stages") or record.get("runs") or {}).values()) if isinstance(record, Mapping) else []
    minutes = [stage["minutes"] for stage in stages if "minutes" in stage]
    return {
        "record": name,
        "date": str(made.get("date", ""))[:10],
        "command": re.sub("^-m ", "python -m ", made.get("command", "")),
        "again": made.get("again") or _again(name, made),
        "recipe": _recipe(made, record),
        "seed": _first(protocol.get("seed"), made.get("seed"), _each(made.get("seeds")), _each(stages, "seed")),
        "data": _first(protocol.get("data"), made.get("data"), _each(stages, "data")),
        "weights": ", ".join(f"{key} {value}" for key, value in (made.get("weights") or {}).items()),
        "code": code.get("commit", code.get("version", ""))[:10] + (", edited" if code.get("edited") else ""),
        "versions": ", ".join(f"{key} {value}" for key, value in (made.get("versions") or {}).items() if key != "umsn"),
        "hardware": hardware(where),
        "seconds": _first(made.get("seconds"), round(60 * sum(minutes)) if minutes else None),
        "peak MiB": _first(round(made["peak_mib"]) if made.get("peak_mib") else None),
    }


def hardware(where: Mapping[str, Any]) -> str:
    """The GPU, or the processor and how many threads it had, of a ``provenance.platform``."""
    threads = where.get("threads", 0)
    cpu = f"{where['cpu']}, {threads} thread{'s' * (threads != 1)}" if "cpu" in where else ""
    return where.get("gpu") or cpu


def _recipe(made: Mapping[str, Any], record: Any) -> str:
    """What was asked for, in a few words: the recipes of trainings, the protocol of measurements."""
    protocol = made.get("protocol") or {}
    if "sizes" in protocol:
        sizes = f"{min(protocol['sizes'])} to {max(protocol['sizes'])}"
        return f"{protocol['faces']} faces, {protocol['kernels']} kernels ({sizes}), noise {protocol['sigma']}"
    named = {key.rpartition(", ")[2] for key in (record.get("stages") or {})} if isinstance(record, Mapping) else set()
    named |= {run["recipe"] for run in (record.get("runs") or {}).values()} if isinstance(record, Mapping) else set()
    steps = f"{made['steps']} steps" if "steps" in made else ""
    return str(made.get("recipe") or ", ".join(sorted(named)) or made.get("source") or steps)


def _each(values: Sequence[Any] | None, key: str | None = None) -> str | None:
    """Different values, each once, as words; None where there are none."""
    found = dict.fromkeys(str(value[key] if key else value) for value in values or () if not key or key in value)
    return ", ".join(found) or None


def _first(*values: Any) -> Any:
    """The first that is not None; an empty text when all are."""
    return next((value for value in values if value is not None), "")


def _again(name: str, made: Mapping[str, Any]) -> str:
    """The command that measures a record again, where there is one."""
    if "asked" not in made:
        return ""
    asked, given = made["asked"], f"results/measured/{name}.json"
    given += " --faces FOLDER" * ("faces" in asked and not is_count(asked["faces"]))
    given += " --kernels FILE" * (asked.get("measure") == "astronaut")
    return f"umsn verify {given}" + " --weights FILE" * ("--weights" in made.get("command", ""))


def _provenance(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a record says how it was made: under ``provenance``, or at its top."""
    return record.get("provenance", record) if isinstance(record, Mapping) else {}


def link(name: str) -> str:
    """HTML that leads from a chapter to a record's row."""
    return f'<a href="{PAGE}#{escape(name)}">{escape(name)}</a>'


@dataclass(frozen=True)
class Listing:
    """The page's table: a row a record, with the record's name for its anchor (book/_static/records.js filters it)."""

    frame: pd.DataFrame  #: as `records` gives it

    def _repr_html_(self) -> str:
        heads = "".join(f'<th scope="col">{head}</th>' for head in ("record", "made by", "from what, on what"))
        rows = "\n".join(_row(row) for row in self.frame.to_dict("records"))
        caption = f"<caption>The {len(self.frame)} records in results/measured</caption>"
        return f'<table class="records">\n{caption}<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>'


def _row(row: Mapping[str, Any]) -> str:
    name, command = escape(row["record"]), escape(str(row["command"]))
    again = f"<br><small>again: {escape(str(row['again']))}</small>" if row["again"] else ""
    kept = [(key, row[key]) for key in ABOUT[4:]]
    facts = "".join(f"<dt>{key}</dt><dd>{escape(str(value)) or NOTHING}</dd>" for key, value in kept)
    return (
        f'<tr id="{name}"><th scope="row"><a href="#{name}">{name}</a><br><small>{row["date"]}</small></th>'
        f"<td><code>{command}</code>{again}</td><td><dl>{facts}</dl></td></tr>"
    )
