"""`umsn evaluate`: from the words of a command line to a record that JSON holds, and back to rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from umsn import blur, rivals, synthetic
from umsn.datasets import INNER, MARGIN, load, load_pairs
from umsn.evaluation.intervals import summarise
from umsn.evaluation.protocol import Method, Progress, evaluate, evaluate_pairs
from umsn.exported import Fast
from umsn.faces import FaceSet, Window
from umsn.files import InputError
from umsn.records import Timer, provenance
from umsn.weights import Pipeline, pipeline, shipped

#: Methods that need no weights: the input as it is, and rivals of Table III.
UNTRAINED: Mapping[str, Method] = {
    "blurred": lambda blurred: blurred,
    "krishnan": rivals.normalised_sparsity.deblur,
    "xu": rivals.unnatural_sparsity.deblur,
}

#: People whom `run` draws are numbered from here, far above those whom training draws.
UNSEEN = 1_000_000


def run(
    *,
    method: str = "umsn",
    faces: str = "20",
    layout: str = "synthetic",
    window: str | Window | None = None,
    sizes: str | Sequence[int] = "13:27:2",
    kernels: int = 10,
    noise: float = 0.01,
    seed: int = 0,
    centre: blur.Centre = "box",
    limit: int | None = None,
    weights: str | None = None,
    fast: bool = False,
    quantise: bool = False,
    batch: int = 4,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """`umsn evaluate`: what the command line asks for -> {"provenance", "summary", "rows"}, as JSON holds it.

    ``method``: one or several of blurred, krishnan, xu, bnet, maps, nrl, umsn, with commas. ``faces``: a folder in
    ``layout``, or a number of people to draw, whom no training drew. ``layout`` pairs: pictures that somebody else
    blurred (*_gt and *_blur), where sizes, kernels and noise say nothing. ``weights``: a file exported by umsn, not the
    package's. ``fast``: by ONNX Runtime, on the CPU. Raises InputError.
    """
    asked = {
        "method": method, "faces": Path(faces).name, "layout": layout, "window": window, "sizes": sizes,
        "kernels": kernels, "noise": noise, "seed": seed, "centre": centre, "limit": limit, "fast": fast,
        "quantise": quantise, "batch": batch,
    }  # fmt: skip
    window = parse_window(window) if isinstance(window, str) else window and Window(*window)
    sizes = parse_sizes(sizes) if isinstance(sizes, str) else tuple(sizes)
    if centre not in get_args(blur.Centre):
        raise InputError(f"centre {centre!r}: expected {' or '.join(get_args(blur.Centre))}")
    if kernels < 1 or batch < 1 or not noise >= 0:
        raise InputError(f"kernels {kernels}, batch {batch}, noise {noise}: expected at least 1, 1 and 0")
    networks = {name: _networks(name, device, weights) for name in method.split(",") if name not in UNTRAINED}
    methods = {name: UNTRAINED.get(name) or _method(networks[name], fast) for name in method.split(",")}
    options = {"batch": batch, "device": device, "progress": progress}
    with Timer() as timer:
        if layout == "pairs":
            rows = evaluate_pairs(methods, load_pairs(faces, limit=limit), window=window, **options)
        else:
            some, window = _faces(faces, layout, limit, seed, window)
            side = min(some.photos.shape[-2:])
            if side < max(11, max(sizes) // 2 + 1):
                raise InputError(f"faces of {side} pixels: too small for SSIM's windows or kernels of {max(sizes)}")
            protocol = {"sizes": sizes, "per_size": kernels, "sigma": noise, "seed": seed, "centre": centre}
            rows = evaluate(methods, some, **protocol, window=window, quantise=quantise, **options)
    source = f"{faces} drawn faces" if str(faces).isdigit() else f"a folder ({layout})"
    hashes = {name: found.digest for name, found in networks.items()}
    about = {"asked": asked, "source": source, "weights": hashes}
    return to_record(rows, **about, seconds=round(timer.seconds, 1), peak_mib=timer.peak_mib)


def _faces(
    faces: str, layout: str, limit: int | None, seed: int, window: Window | None
) -> tuple[FaceSet, Window | None]:
    """The faces asked for; drawn ones have a margin and the window that cuts it off."""
    if not str(faces).isdigit():
        return load(faces, layout=layout, limit=limit), window
    if int(faces) < 1:
        raise InputError(f"faces {faces}: expected a folder, or a number of at least 1")
    drawn = unseen_faces(int(faces), seed=seed)
    return drawn, window or INNER


def unseen_faces(count: int, *, seed: int = 0, **overrides: Any) -> FaceSet:
    """Drawn photographs of people whom no training draws, one of each, with a margin of `MARGIN` pixels.

    ``overrides`` as for `synthetic.draw`: the same people in the same photographs, with something changed.
    """
    people = range(UNSEEN, UNSEEN + count)
    return synthetic.faces(count, seed=seed, identities=people, shots_per_identity=1, margin=MARGIN, **overrides)


def named_method(name: str, device: str = "cpu", weights: str | None = None) -> Method:
    """The method called ``name``: one of `UNTRAINED`, or a trained network (Table VI)."""
    return UNTRAINED.get(name) or _method(_networks(name, device, weights))


def _networks(name: str, device: str, weights: str | None) -> Pipeline:
    return shipped(name, device) if weights is None else pipeline(weights, device)


def _method(networks: Pipeline, fast: bool = False) -> Method:
    return Fast(networks) if fast else lambda blurred: networks(blurred).restored


def parse_sizes(text: str) -> tuple[int, ...]:
    """Odd kernel sizes from "13:27:2" (both ends in), "13,19,27" or "17". Raises InputError."""
    try:
        if ":" in text:
            first, last, *step = (int(part) for part in text.split(":"))
            sizes = tuple(range(first, last + 1, *(step or [2])))
        else:
            sizes = tuple(int(part) for part in text.split(","))
    except (TypeError, ValueError):
        sizes = ()
    if not sizes or any(size < 1 or size % 2 == 0 for size in sizes):
        raise InputError(f"sizes {text!r}: expected odd sizes as FIRST:LAST:STEP or A,B,C, for instance 13:27:2")
    return sizes


def parse_window(text: str) -> Window:
    """The window of "28,16,128,128": row, column, height, width. Raises InputError."""
    try:
        window = Window(*(int(part) for part in text.split(",")))
    except (TypeError, ValueError):
        window = Window(-1, -1, 0, 0)
    if min(window.row, window.column) < 0 or min(window.height, window.width) < 11:
        raise InputError(f"window {text!r}: expected ROW,COLUMN,HEIGHT,WIDTH, at least 11 high and wide: 28,16,128,128")
    return window


def to_record(rows: pd.DataFrame, **facts: Any) -> dict[str, Any]:
    """Rows, their summary by method and by method and size, and their provenance, in what JSON holds.

    Rows are kept by columns, measurements to six digits; nan and infinity become null.
    """
    tables = {"by_method": summarise(rows), "by_size": summarise(rows, ["method", "size"])}
    summary = {name: [_plain(row) for row in table.to_dict("records")] for name, table in tables.items()}
    columns = {name: [_plain(value) for value in rows[name].tolist()] for name in rows.columns}
    return {"provenance": provenance(**facts, **rows.attrs), "summary": summary, "rows": columns}


def from_record(record: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of a record, as `evaluate` gave them, with the provenance in ``attrs``."""
    rows = pd.DataFrame(record["rows"])
    for name in set(rows.columns) - {"method", "face"}:
        rows[name] = pd.to_numeric(rows[name])  # a column of nulls would be objects
    rows.attrs = dict(record["provenance"])
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
