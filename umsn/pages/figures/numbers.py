"""The numbers that a figure shows, read off the figure itself, so that whoever sees a curve can have its points."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

COLUMNS = ["panel", "line", "x", "y", "low", "high"]


def drawn(figure: Figure) -> pd.DataFrame:
    """Every point of a figure's named lines: panel, line, x, y and, inside a band of its colour, low and high.

    A panel is called by its title or what stands at its y axis. Empty for images, diagrams and lines without a name.
    """
    panels = [axes for axes in figure.axes if axes.axison]
    parts = [_points(axes, line) for axes in panels for line in axes.lines if _is_named(axes, line)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _is_named(axes: Axes, line: Line2D) -> bool:
    """Is it data with a name, not a mark across the whole panel?"""
    return not str(line.get_label()).startswith("_") and line.get_transform() == axes.transData


def _points(axes: Axes, line: Line2D) -> pd.DataFrame:
    x, y = (np.asarray(values, dtype=float) for values in line.get_data())
    low, high = _band(axes, line)
    panel = axes.get_title() or axes.get_title(loc="left") or axes.get_ylabel()
    return pd.DataFrame({"panel": panel, "line": line.get_label(), "x": x, "y": y, "low": low, "high": high})[COLUMNS]


def _band(axes: Axes, line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    """Where `fill_between` began and ended at each point of a line; nan without a band.

    Its polygon goes along the first edge and back along the second, with a point more at the start, turn and end.
    """
    count = len(line.get_xdata())
    for band in axes.collections:
        corners = band.get_paths()[0].vertices if isinstance(band, PolyCollection) else np.empty((0, 2))
        if len(corners) == 2 * count + 3 and to_rgb(band.get_facecolor()[0][:3]) == to_rgb(line.get_color()):
            return corners[1 : count + 1, 1], corners[count + 2 : -1, 1][::-1]
    return np.full(count, np.nan), np.full(count, np.nan)
