"""Learning curves against the images that trainings have seen, and where their fits lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from umsn.evaluation.methods import TITLES
from umsn.pages.figures.canvas import style
from umsn.pages.figures.curves import STYLES


def extrapolated(points: pd.DataFrame, fits: Sequence[Mapping[str, Any]], *, labels: Mapping[str, str]) -> Figure:
    """What trainings reach, points, and their fits, dashed, with bands as far as these go.

    ``points`` and ``fits`` as `umsn.experiments.curves.measure` gives them; a panel for each term, called by
    ``labels``.
    """
    fit_of = {fit["training"]: fit for fit in fits}
    terms = list(dict.fromkeys(points["term"]))
    with style():
        figure = Figure(figsize=(5.8, 0.8 + 2.8 * len(terms)))
        panels = figure.subplots(len(terms), 1, squeeze=False)[:, 0]
        for axes, term in zip(panels, terms, strict=True):
            for number, (training, some) in enumerate(points[points["term"] == term].groupby("training", sort=False)):
                _training(axes, str(training), some, fit_of.get(str(training), {}), "os^vDPX*"[number % 8])
            axes.set(xscale="log", xlabel="images seen", ylabel=labels[term])
            axes.legend(loc="best", fontsize=7, ncols=2)
    return figure


def _training(axes: Axes, training: str, points: pd.DataFrame, fit: Mapping[str, Any], marker: str) -> None:
    """One training, "row, recipe": its points, and fit and band where there are some."""
    row, _, recipe = training.partition(", ")
    name = f"{TITLES.get(row, row)}, {recipe}"
    look = {"color": STYLES.get(row, ("#444444", ""))[0], "marker": marker, "linestyle": "", "markersize": 2.5}
    axes.plot(points["images"], points["value"], alpha=0.5, label=name, **look)
    if "curve" not in fit:
        return
    curve = pd.DataFrame(fit["curve"])
    axes.plot(curve["images"], curve["value"], "--", color=look["color"], linewidth=1, label=f"_{name}, fit")
    axes.fill_between(curve["images"], curve["low"], curve["high"], color=look["color"], alpha=0.15, linewidth=0)
