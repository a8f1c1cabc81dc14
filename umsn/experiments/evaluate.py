"""Tables I, III, VI: how near do methods bring blurred faces to the sharp ones? The record of `umsn evaluate`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pandas as pd
from torch import Tensor

from umsn import schema
from umsn.data import blur
from umsn.data.chosen import Folder, chosen, faces_to_test
from umsn.data.datasets import LAYOUTS, load_pairs
from umsn.evaluation import (
    Measure,
    Progress,
    Protocol,
    evaluate,
    evaluate_pairs,
    methods_of,
    named,
    networks_of,
    summarise,
)
from umsn.evaluation.metrics import psnr_shifted
from umsn.faces import Window
from umsn.files import InputError
from umsn.networks.weights import Pipeline
from umsn.recognition import DlibRecogniser, OnnxEmbedder
from umsn.records import Timer, as_stated, provenance

#: The largest kernel: twice a face's side, less one.
LARGEST = 255
_ODD = schema.whole(1, LARGEST, odd=True)

#: What `shifted` measures besides.
ALSO: dict[str, Measure] = {"psnr_shifted": psnr_shifted}

#: What may be asked, in a call, on the command line and in a record.
ASKED = {
    "method": schema.text,
    "faces": schema.text,
    "layout": schema.one_of(*LAYOUTS, "pairs"),
    "window": schema.maybe(schema.either(schema.text, schema.each(schema.whole(0, 10**6), 4, 4), str)),
    "sizes": schema.either(schema.text, schema.each(_ODD, 1, 128), str),
    "kernels": schema.whole(1, 1000),
    "noise": schema.number(0, 1),
    "seed": schema.whole(0, 2**31 - 1),
    "centre": schema.one_of(*get_args(blur.Centre)),
    "limit": schema.maybe(schema.whole(1, 10**9)),
    "fast": schema.flag,
    "quantise": schema.flag,
    "shifted": schema.flag,
    "batch": schema.whole(1, 1024),
}


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
    shifted: bool = False,
    descriptor: DlibRecogniser | OnnxEmbedder | None = None,
    batch: int = 4,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What `umsn evaluate` asks for -> {"provenance", "summary", "rows"}, as JSON holds it.

    method: one or several of `methods.UNTRAINED` and `methods.TRAINED`, with commas, or "all" that there is
    faces: a folder of sharp faces, or a number of synthetic people, whom no training drew
    layout: of the folder; "pairs" are images that somebody else blurred (*_gt and *_blur), where sizes, kernels, noise,
        seed, centre and quantise say nothing
    window: the part of each image that is measured, "ROW,COLUMN,HEIGHT,WIDTH"; by default all of it, of synthetic
        faces the inner 128 x 128
    sizes: of the kernels, odd, in pixels: "FIRST:LAST:STEP", "A,B,C", or numbers
    kernels: of each size
    noise: its standard deviation, on the scale [0, 1]
    seed: of kernels and noise, and of synthetic people
    centre: what of a kernel lies in its middle: its path's "box", or its "mass"
    limit: how many faces of a folder, the first ones; by default all
    weights: a file exported by umsn, or a folder of them by the names of their methods; by default the package's
        networks, of which there are none for `networks.rivals.LEARNED`
    networks: in their place, by the names of their methods
    fast: whether ONNX Runtime computes the trained networks, on the CPU
    quantise: whether blurred images are rounded to the 256 levels of a file
    shifted: whether PSNR is measured under the best shift as well
    descriptor: in which the distance between a restored and the sharp face is measured as well (as in Table IV)
    batch: images that a method sees at once
    device: "cpu" or "cuda"
    progress: is told images done and images in all

    Raises InputError.
    """
    asked = {
        "method": ",".join(named(method, weights)) if isinstance(method, str) else method,
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
        "shifted": shifted,
        "batch": batch,
    }
    schema.fields(ASKED)(asked, "")
    window = Window.parse(window if isinstance(window, str) else ",".join(map(str, window))) if window else None
    sizes = parse_sizes(sizes if isinstance(sizes, str) else ",".join(map(str, sizes)))
    what = chosen(faces, layout=layout, limit=limit)
    names = named(method, weights)
    networks = networks_of(names, weights, device) if networks is None else networks
    methods = methods_of(names, networks, fast=fast)
    also = dict(ALSO) if shifted else {}
    if descriptor is not None:
        also["distance"] = partial(_distance, descriptor=descriptor)
    options = {"batch": batch, "device": device, "progress": progress, "also": also}
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
    source = f"a folder ({layout})" if isinstance(what, Folder) else f"{what} synthetic faces"
    hashes = {name: found.digest for name, found in networks.items()}
    about = {"asked": asked, "source": source, "weights": hashes}
    if descriptor is not None:
        about |= {"judge": descriptor.title, "weights": hashes | {"descriptor": descriptor.digest}}
    return to_record(rows, **about, seconds=round(timer.seconds, 1), peak_mib=timer.peak_mib)


def _distance(restored: Tensor, sharp: Tensor, *, descriptor: DlibRecogniser | OnnxEmbedder) -> Tensor:
    """Between images (B, 3, H, W), as the descriptor sees them: (B,)."""
    return (descriptor.embed(restored) - descriptor.embed(sharp)).norm(dim=1)


def parse_sizes(text: str) -> tuple[int, ...]:
    """Odd kernel sizes from "13:27:2" (both ends in), "13,19,27" or "17". Raises InputError."""
    try:
        if ":" in text:
            first, last, *step = (int(part) for part in text.split(":"))
            sizes = tuple(range(first, min(last, LARGEST + 2) + 1, *(step or [2])))
        else:
            sizes = tuple(int(part) for part in text.split(","))
    except (TypeError, ValueError):
        sizes = ()
    if not sizes or any(not 1 <= size <= LARGEST or size % 2 == 0 for size in sizes) or len({*sizes}) < len(sizes):
        form = f"odd sizes to {LARGEST}, each once, as FIRST:LAST:STEP or A,B,C, for instance 13:27:2"
        raise InputError(f"sizes {text!r}: expected {form}")
    return sizes


def to_record(rows: pd.DataFrame, **facts: Any) -> dict[str, Any]:
    """Rows, their summary by method and by method and size, and their provenance, in what JSON holds.

    Rows are kept by columns, measurements to six digits; nan and infinity become null.
    """
    tables = {"by_method": summarise(rows), "by_size": summarise(rows, ["method", "size"])}
    summary = {name: [_plain(row) for row in as_stated(table).to_dict("records")] for name, table in tables.items()}
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
