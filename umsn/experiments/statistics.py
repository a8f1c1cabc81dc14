"""How are real faces distributed? Curves that hold no image; the chapter on faces plots ours beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from umsn.data import datasets
from umsn.data.statistics import DIFFERENCES, face_statistics
from umsn.faces import Window
from umsn.records import Timer, record


def measure(
    *,
    faces: Annotated[Path, "a folder of labelled faces"],
    layout: Annotated[str, "how the folder is laid out"] = "labelmap",
    window: Annotated[str | None, "ROW,COLUMN,HEIGHT,WIDTH that is measured"] = "28,16,128,128",
) -> dict[str, Any]:
    """Shares of the labels, power by frequency and gradients of a folder of faces (`umsn.data.statistics`)."""
    some = datasets.load(faces, layout=layout, window=None if window is None else Window.parse(window))
    with Timer() as timer:
        curves = face_statistics(some)
    return record(
        {"measure": "statistics", "faces": Path(faces).name, "layout": layout, "window": window},
        {
            "differences": [float(f"{edge:.4g}") for edge in DIFFERENCES],
            **{name: [float(f"{value:.4g}") for value in values] for name, values in curves.items()},
        },
        timer,
        source=f"{len(some)} faces ({layout})",
        data=datasets.data_hash(some),
    )
