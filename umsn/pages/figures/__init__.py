"""Rows and images become figures and tables; nothing is measured here.

`canvas` gives all of them one look and keeps them; `curves`, `tables` and `facts` show measurements; `diagrams`
draws the networks from the networks themselves, `gridding` computes Fig. 4. `titles` is what stages are called.
"""

from umsn.pages.figures import curves, diagrams, facts, tables, titles
from umsn.pages.figures.canvas import CLASS_COLOURS, colour_labels, colour_masks, decibels, grid, save, show, style
from umsn.pages.figures.gridding import gridding

__all__ = [
    "CLASS_COLOURS",
    "colour_labels",
    "colour_masks",
    "curves",
    "decibels",
    "diagrams",
    "facts",
    "grid",
    "gridding",
    "save",
    "show",
    "style",
    "tables",
    "titles",
]
