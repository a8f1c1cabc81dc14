"""Tables I, III, VI: how near do methods bring blurred faces to the sharp ones? The record of `umsn evaluate`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from umsn.data import blur
from umsn.data.chosen import Folder, chosen, faces_to_test
from umsn.data.datasets import load_pairs
from umsn.evaluation import Progress, Protocol, evaluate, evaluate_pairs, methods_of, networks_of, summarise
from umsn.faces import Window
from umsn.files import InputError
from umsn.networks.weights import Pipeline
from umsn.records import Timer, provenance


def measure(
    *,
    method: str = "umsn",
    faces: str | Path = "20",
    layout: str = "synthetic",
    window: str | Window | None = None,
    sizes: str | Sequence[int] = "13:27:2",
    kernels: int = 10,
    noise: float = 0.01,
    seed: int = 0,
    centre: blur.Centre = "box",
    limit: int | None = None,
    weights: str | Path | None = None,
    networks: Mapping[str, Pipeline] | None = None,
    fast: bool = False,
    quantise: bool = False,
    batch: int = 4,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What `umsn evaluate` asks for -> {"provenance", "summary", "rows"}, as JSON holds it.

    ``method``: one or several of `methods.UNTRAINED` and bnet, maps, nrl, umsn, with commas. ``faces``: a folder in
    ``layout``, or a number of synthetic people, whom no training drew. ``layout`` pairs: images that somebody else
    blurred (*_gt and *_blur), where sizes, kernels and noise say nothing. ``weights``: a file exported by umsn, not the
    package's; or ``networks`` by the names of their methods. ``fast``: by ONNX Runtime, on the CPU. Raises InputError.
    """
    asked = {
        "method": method,
        "faces": Path(faces).name,
        "layout": layout,
        "window": window,
        "sizes": sizes,
        "kernels": kernels,
        "noise": noise,
        "seed": seed,
        "centre": centre,
        "limit": limit,
        "fast": fast,
        "quantise": quantise,
        "batch": batch,
    }
    window = Window.parse(window) if isinstance(window, str) else window and Window(*window)
    sizes = parse_sizes(sizes) if isinstance(sizes, str) else tuple(sizes)
    if centre not in get_args(blur.Centre):
        raise InputError(f"centre {centre!r}: expected {' or '.join(get_args(blur.Centre))}")
    if kernels < 1 or batch < 1 or not 0 <= noise <= 1:
        raise InputError(f"kernels {kernels}, batch {batch}, noise {noise}: expected at least 1, 1 and 0 to 1")
    what = chosen(faces, layout=layout, limit=limit)
    names = method.split(",")
    networks = networks_of(names, weights, device) if networks is None else networks
    methods = methods_of(names, networks, fast=fast)
    options = {"batch": batch, "device": device, "progress": progress}
    with Timer() as timer:
        if isinstance(what, Folder) and what.layout == "pairs":
            rows = evaluate_pairs(methods, load_pairs(what.path, limit=limit), window=window, **options)
        else:
            some, window = faces_to_test(what, seed=seed, window=window)
            side = min(some.photos.shape[-2:])
            if side < max(11, max(sizes) // 2 + 1):
                raise InputError(f"faces of {side} pixels: too small for SSIM's windows or kernels of {max(sizes)}")
            protocol = Protocol(sizes, kernels, noise, seed, centre, window, quantise)
            rows = evaluate(methods, some, protocol, **options)
    source = f"a folder ({layout})" if isinstance(what, Folder) else f"{what} drawn faces"
    hashes = {name: found.digest for name, found in networks.items()}
    about = {"asked": asked, "source": source, "weights": hashes}
    return to_record(rows, **about, seconds=round(timer.seconds, 1), peak_mib=timer.peak_mib)


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
