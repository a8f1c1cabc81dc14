"""Methods against each other: what their quality costs in time."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from umsn.evaluation.methods import TITLES
from umsn.pages.figures.canvas import style
from umsn.pages.figures.curves import MEASURES, STYLES

INSTANT = 1e-3  #: seconds an image below which a method computes nothing, as the blurred image itself


def quality_for_time(
    summary: pd.DataFrame, seconds: Mapping[str, float], measure: str = "psnr", *, names: Mapping[str, str] = TITLES
) -> Figure:
    """A point for each method: its mean score against the seconds that it takes for an image (logarithmic).

    ``summary`` is `umsn.evaluation.summarise(rows)`, ``seconds`` the ``seconds_per_image`` of the rows' ``attrs``. A
    method that takes less than `INSTANT` is a line at its score.
    """
    some = summary[summary["measure"] == measure].set_index("method")["mean"]
    with style():
        figure = Figure(figsize=(5.8, 3.4))
        axes = figure.subplots()
        for name, score in some.items():
            colour, marker = STYLES.get(str(name), ("#444444", "o"))
            title = names.get(str(name), str(name)).partition(" (")[0]
            if seconds[name] < INSTANT:
                axes.axhline(score, color=colour, linewidth=0.8, linestyle="--", label=title)
                axes.annotate(title, (1, score), xycoords=("axes fraction", "data"), ha="right", va="bottom", size=8)
                continue
            axes.plot(seconds[name], score, marker, color=colour, label=title)
            axes.annotate(title, (seconds[name], score), (5, 3), textcoords="offset points", size=8)
        axes.set(xscale="log", xlabel="seconds an image", ylabel=MEASURES.get(measure, measure))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.25, y=0.12)
    return figure
