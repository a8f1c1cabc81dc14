"""Tables in which nobody can take our numbers for the paper's: each number stands under the name of its source."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

import numpy as np
import pandas as pd

from umsn.evaluation.intervals import signed
from umsn.evaluation.methods import TITLES
from umsn.pages.figures.results import hardware, link
from umsn.records import machine

#: The paper's names of our measures. Its SSIM is most likely the volumetric one (results/reported/README).
MEASURES = {"psnr": "PSNR", "ssim_volumetric": "SSIM", "f_score": "F-score", "d_vgg": "d_VGG"}

#: Decimals of each measure; three for others.
DECIMALS = {"PSNR": 2, "SSIM": 3, "d_VGG": 2, "Top-1": 0, "Top-3": 0, "Top-5": 0}

#: What stands where a number is not: the paper has none; we have none yet.
NONE, NOT_YET = "—", "not yet"

#: A number, perhaps a share or with its interval, as cells show it.
NUMBER = re.compile(r"([+−-]?[\d,]*\.?\d+(?:e[+−-]?\d+)?%?)(?: \((.+)\))?")

#: The name of a row, and where it was published: "Xu et al. (CVPR 2013)".
NAMED = re.compile(r"(.+) \((.+)\)")

#: Cells of so few characters are not broken into lines.
SHORT = 16


@dataclass(frozen=True)
class Table:
    """A table for the page: ``frame`` holds the numbers, ``cells`` what is shown, with the same rows and columns."""

    frame: pd.DataFrame
    cells: pd.DataFrame
    caption: str
    records: Sequence[str] = ()  #: from which the numbers are; the caption leads to them

    def _repr_html_(self) -> str:
        return f"{to_html(self.cells, caption=self.caption, records=self.records)}\n{self.link()}"

    def link(self) -> str:
        """A link that downloads ``frame`` as CSV; the file travels inside the link."""
        frame = self.frame.reset_index() if self.frame.index.names != [None] else self.frame
        content = b64encode(frame.to_csv(index=False, lineterminator="\n").encode()).decode()
        name = "-".join(re.findall(r"[a-z0-9]+", self.caption.lower())[:6])
        where = f'href="data:text/csv;charset=utf-8;base64,{content}" download="{name}.csv"'
        return f'<p class="files"><a {where}>Download: table (CSV)</a></p>'

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.cells.to_string()}"


def tidy(
    summary: pd.DataFrame, *, methods: Mapping[str, str] = TITLES, measures: Mapping[str, str] = MEASURES
) -> pd.DataFrame:
    """A summary (`umsn.evaluation.summarise`) in the words of ``results/reported``: method, metric, value, low, high.

    ``psnr_skin`` becomes metric PSNR, class skin; other measures than ``measures``, by class or not, are left out. The
    groups of the summary stay columns (class, image, kernel, dataset ..).
    """
    rows = []
    for row in summary.to_dict("records"):
        measure = str(row.pop("measure"))
        base = measure if measure in measures else measure.rpartition("_")[0].replace("ssim", "ssim_volumetric")
        if base not in measures:
            continue
        by_class = {} if measure in measures else {"class": measure.rpartition("_")[2]}
        method = methods.get(str(row["method"]), row["method"])
        rows.append({**row, **by_class, "method": method, "metric": measures[base], "value": row.pop("mean")})
    return pd.DataFrame(rows).drop(columns="mean", errors="ignore")


def overall(numbers: pd.DataFrame) -> pd.DataFrame:
    """Of tidy numbers those of whole images: PSNR and SSIM, of no class."""
    some = numbers[numbers["class"].isna()] if "class" in numbers else numbers
    return some[some["metric"].isin(["PSNR", "SSIM"])]


def by_class(numbers: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Of tidy numbers those of classes, in one metric; none where nothing has labels."""
    return numbers[numbers["class"].notna() & (numbers["metric"] == metric)] if "class" in numbers else numbers[:0]


def against_paper(
    measured: pd.DataFrame,
    printed: pd.DataFrame,
    *,
    ours: str,
    caption: str,
    rows: Sequence[str] = ("method",),
    columns: Sequence[str] = ("metric",),
    difference: bool = False,
    records: Sequence[str] = (),
    reference: pd.DataFrame | None = None,
    reference_is: str = "",
) -> Table:
    """The paper's numbers beside ours, each group of columns under its source: "paper", "ours (...)".

    measured: our numbers, tidy, with low and high where there are intervals, as from `tidy`
    printed: the paper's, tidy, as `umsn.records.reported` reads them
    ours: recipe and data of our numbers, as "laptop, 6 synthetic faces"
    caption: of the table; the hardware follows it
    rows, columns: what tells rows and columns apart: names that both tables have, beside metric and value
    difference: whether "ours - paper" stands there, for numbers of the same images only
    records: the names of those that our numbers are from; the caption leads to them
    reference: the best that was made and recorded, tidy: a group of its own between the paper and ours, which this run
        made; they are never mixed
    reference_is: what the reference was measured on

    Rows stand in the paper's order, ours that it lacks after them. A number that we lack reads "not yet", one that the
    paper lacks a dash. Raises ValueError where a row and column have two numbers.
    """
    keys = [*rows, *columns]
    paper, own = _unique(printed, keys, "printed"), _unique(measured, keys, "measured")
    best = {} if reference is None else _unique(reference, keys, "reference")
    both = pd.concat([printed, measured, *([] if reference is None else [reference])])
    index = both[list(rows)].drop_duplicates().apply(tuple, axis=1).tolist()
    heads = both[list(columns)].drop_duplicates().apply(tuple, axis=1)
    heads = [head for head in heads if any((*row, *head) in one for row in index for one in (paper, own, best))]
    lacking = lambda key: NOT_YET if key in paper else NONE  # noqa: E731  what the paper has is still to be done
    groups: dict[str, Callable[[tuple], tuple[float, str]]] = {"paper": lambda key: _cell(paper.get(key), NONE)}
    if reference is not None:
        groups[f"reference ({reference_is})"] = lambda key: _cell(best.get(key), lacking(key))
    groups[f"ours ({ours})"] = lambda key: _cell(own.get(key), lacking(key))
    if difference:
        groups["ours − paper"] = lambda key: _gap(own.get(key), paper.get(key))
    cells = {(group, *head): [make((*row, *head)) for row in index] for group, make in groups.items() for head in heads}
    names = (
        pd.MultiIndex.from_tuples(index, names=rows) if len(rows) > 1 else pd.Index([i[0] for i in index], name=rows[0])
    )
    frame, shown = ({k: [cell[i] for cell in v] for k, v in cells.items()} for i in (0, 1))
    header = pd.MultiIndex.from_tuples(list(cells), names=["source", *columns])
    return Table(
        pd.DataFrame(frame, index=names).set_axis(header, axis=1),
        pd.DataFrame(shown, index=names).set_axis(header, axis=1),
        f"{caption}; this page ran on {hardware(machine())}",
        records,
    )


def plain(
    frame: pd.DataFrame,
    *,
    caption: str,
    formats: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    records: Sequence[str] = (),
) -> Table:
    """Any frame as a table of the book; its first column names the rows.

    ``formats``: column -> format specification (",d", ".2f", "+.2f" ..); ``names``: column -> heading; ``records``:
    those that the numbers are from.
    """
    cells = frame.copy().astype(object)
    for column, form in (formats or {}).items():
        cells[column] = [NONE if pd.isna(value) else format(value, form) for value in frame[column]]
    cells = cells.rename(columns=names or {})
    return Table(frame, cells.set_index(cells.columns[0]), caption, records)


def macs(summary: pd.DataFrame, *, caption: str) -> Table:
    """`umsn.networks.cost`'s tables as the book shows them: parameters, and MACs (half of the FLOPs) in millions."""
    return plain(
        summary.assign(macs=summary["macs"] / 1e6),
        caption=caption,
        formats={"parameters": ",d", "macs": ",.0f"},
        names={"macs": "million MACs"},
    )


def to_html(cells: pd.DataFrame, *, caption: str, records: Sequence[str] = ()) -> str:
    """A table that can be read aloud: a caption, and headings that say which rows or columns they are for.

    The caption leads to ``records`` on the page that lists them.

    Columns that hold nothing but numbers have the class ``number``, their headings too; columns that open a group
    ``opens``; what is not broken into lines ``short`` (book.css).
    """
    levels, names = cells.columns.nlevels, [str(name or "") for name in cells.index.names]
    keys = [key if isinstance(key, tuple) else (key,) for key in cells.columns]
    opens = [levels > 1 and (i == 0 or keys[i - 1][0] != key[0]) for i, key in enumerate(keys)]
    numeric = [all(_is_number(str(value)) for value in column) for column in cells.to_numpy().T]
    lines = ['<table class="dataframe umsn">', f"<caption>{escape(caption)}{_from(records)}</caption>"]
    lines.append("<thead>")
    for level in range(levels):
        corner = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
        blank = f'<td colspan="{len(names)}"></td>'
        lines.append(f"<tr>{corner if level == levels - 1 else blank}{_headings(keys, level, opens, numeric)}</tr>")
    lines += ["</thead>", "<tbody>"]
    for key, row in zip(cells.index, cells.to_numpy(), strict=True):
        titles = key if isinstance(key, tuple) else (key,)
        heads = "".join(_head(str(title)) for title in titles)
        body = "".join(_data(str(value), *kind) for value, *kind in zip(row, opens, numeric, strict=True))
        lines.append(f"<tr>{heads}{body}</tr>")
    return "\n".join([*lines, "</tbody>", "</table>"])


def _from(records: Sequence[str]) -> str:
    """Which records the numbers of a table are from, as links."""
    return f"; from {', '.join(link(name) for name in records)}" if len(records) else ""


def _headings(keys: Sequence[tuple], level: int, opens: Sequence[bool], numeric: Sequence[bool]) -> str:
    """One row of column headings, neighbours under the same heads joined."""
    last = level == len(keys[0]) - 1
    marks = list(enumerate(keys))
    runs = [list(run) for _, run in groupby(marks, key=lambda mark: mark if last else mark[1][: level + 1])]
    made = []
    for run in runs:
        (at, key), span = run[0], len(run)
        scope = f'scope="colgroup" colspan="{span}"' if span > 1 else 'scope="col"'
        short = len(str(key[level])) <= SHORT // 2
        names = _class(number=numeric[at] and span == 1, short=short, opens=opens[at])
        made.append(f"<th {scope}{names}>{escape(str(key[level]))}</th>")
    return "".join(made)


def _head(words: str) -> str:
    """The heading of a row; where a method was published goes under its name."""
    named = NAMED.fullmatch(words)
    shown = f"{escape(named[1])}<br><small>{escape(named[2])}</small>" if named else escape(words)
    return f'<th scope="row"{_class(short=len(named[1] if named else words) <= SHORT)}>{shown}</th>'


def _data(words: str, first: bool, numeric: bool) -> str:
    """One cell; an interval goes under its number."""
    number = NUMBER.fullmatch(words)
    shown = f"{number[1]}<br><small>{number[2]}</small>" if number and number[2] else escape(words)
    names = {"number": numeric, "short": not _is_number(words) and len(words) <= SHORT}
    return f"<td{_class(**names, opens=first)}>{shown}</td>"


def _is_number(words: str) -> bool:
    """Whether a cell is a number, or stands where one would be."""
    return words in (NONE, NOT_YET) or NUMBER.fullmatch(words) is not None


def _class(**names: bool) -> str:
    found = " ".join(name for name, on in names.items() if on)
    return f' class="{found}"' if found else ""


def _unique(numbers: pd.DataFrame, keys: Sequence[str], name: str) -> dict[tuple, dict]:
    found = {tuple(row[key] for key in keys): row for row in numbers.to_dict("records")}
    if len(found) != len(numbers):
        raise ValueError(
            f"{name}: {len(numbers)} numbers for {len(found)} places ({', '.join(keys)}); choose some first"
        )
    return found


def _cell(row: Mapping | None, missing: str) -> tuple[float, str]:
    if row is None or pd.isna(row["value"]):
        return np.nan, missing
    if isinstance(row["value"], str):
        return float(row["value"]), row["value"]
    decimals = DECIMALS.get(row["metric"], 3)
    low, high = row.get("low", np.nan), row.get("high", np.nan)
    interval = "" if pd.isna(low) or pd.isna(high) else f" ({low:.{decimals}f}–{high:.{decimals}f})"
    return float(row["value"]), f"{row['value']:.{decimals}f}{interval}"


def _gap(own: Mapping | None, paper: Mapping | None) -> tuple[float, str]:
    if own is None or paper is None or pd.isna(own["value"]):
        return np.nan, NONE
    gap = float(own["value"]) - float(paper["value"])
    return gap, signed(gap, DECIMALS.get(own["metric"], 3))
