"""Rows and pictures become figures and tables; nothing is measured here.

`canvas` gives all of them one look and keeps them, `curves` and `tables` show measurements, `diagrams` draws the
networks from the networks themselves, `gridding` computes Fig. 4.
"""

from umsn.figures import curves, diagrams, tables
from umsn.figures.canvas import CLASS_COLOURS, colour_masks, grid, save, show, style
from umsn.figures.gridding import gridding

__all__ = ["CLASS_COLOURS", "colour_masks", "curves", "diagrams", "grid", "gridding", "save", "show", "style", "tables"]
