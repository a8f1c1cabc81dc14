"""Paper to draw a network on: boxes, arrows and words, placed in screen pixels from the top left corner."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path

from umsn.pages.figures.canvas import style

Point = tuple[float, float]

#: What boxes mean: fill and line.
KINDS = {
    "data": ("#ffffff", "#333333"),
    "block": ("#e3eff8", "#0072B2"),
    "conv": ("#fdf0d9", "#b87b00"),
    "plain": ("#f3f3f3", "#8a8a8a"),
}
INK, SOFT = "#1a1a1a", "#555555"


class Box(NamedTuple):
    """A drawn box: middle, width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def top(self) -> Point:
        return self.x, self.y - self.height / 2

    @property
    def bottom(self) -> Point:
        return self.x, self.y + self.height / 2

    @property
    def left(self) -> Point:
        return self.x - self.width / 2, self.y

    @property
    def right(self) -> Point:
        return self.x + self.width / 2, self.y


class Sheet:
    """A drawing of ``width`` x ``height`` screen pixels; `figure` is what to save."""

    def __init__(self, width: float, height: float) -> None:
        with style():
            self.figure = Figure(figsize=(width / 96, height / 96), layout="none")
            self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(height, 0))
        self.axes.set_axis_off()

    def write(self, x: float, y: float, words: str, *, size: float = 9, colour: str = INK, **options: object) -> None:
        """Words around a point (``ha`` and ``va`` say how)."""
        with style():
            self.axes.text(x, y, words, size=size, color=colour, **{"ha": "center", "va": "center", **options})

    def box(
        self,
        x: float,
        y: float,
        words: str,
        *,
        width: float = 130,
        height: float = 30,
        kind: str = "block",
        below: str = "",
        colours: tuple[str, str] | None = None,
        copies: int = 1,
        size: float = 9,
        rotation: float = 0,
    ) -> Box:
        """A rounded box with words in it.

        x, y: its middle, in screen pixels, as all lengths
        words: what stands in it
        width, height: its sides
        kind: what it means, one of `KINDS`
        below: further words, smaller, under the others
        colours: fill and line in the place of its kind's
        copies: of it that are drawn one behind the other, at most 3
        size: of the words, in points
        rotation: of the words, in degrees
        """
        fill, line = colours or KINDS[kind]
        for copy in range(min(copies, 3) - 1, -1, -1):
            corner = (x - width / 2 + 4 * copy, y - height / 2 - 4 * copy)
            shape = FancyBboxPatch(
                corner, width, height, boxstyle="round,pad=0,rounding_size=5", fc=fill, ec=line, lw=1.1
            )
            shape.set_zorder(3)
            self.axes.add_patch(shape)
        self.write(x, y - 7 * bool(below), words, size=size, rotation=rotation, zorder=4)
        if below:
            self.write(x, y + 8, below, size=8, colour=SOFT, zorder=4)
        return Box(x, y, width, height)

    def panel(self, left: float, top: float, right: float, bottom: float, words: str, *, fill: str = "#f7f7f7") -> None:
        """A tinted ground for things that belong together, its name in the top left corner.

        left, top, right, bottom: its edges, in screen pixels
        words: its name, or ""
        fill: its colour
        """
        look = {"boxstyle": "round,pad=0,rounding_size=8", "fc": fill, "ec": "#bbbbbb", "lw": 0.9, "ls": (0, (4, 3))}
        shape = FancyBboxPatch((left, top), right - left, bottom - top, zorder=0, **look)
        self.axes.add_patch(shape)
        if words:
            ground = {"facecolor": fill, "edgecolor": "none", "pad": 1}
            self.write(left + 8, top + 12, words, size=8.5, colour=SOFT, ha="left", bbox=ground, zorder=2.5)

    def arrow(self, *points: Point, words: str = "", colour: str = "#444444", head: bool = True) -> None:
        """A line through the points with its head at the last; ``words`` stand right of the first stretch's middle."""
        line = {"lw": 1.1, "color": colour, "joinstyle": "round", "capstyle": "butt", "shrinkA": 0, "shrinkB": 0}
        tip = {"arrowstyle": "-|>" if head else "-", "mutation_scale": 8}
        shape = FancyArrowPatch(path=Path(list(points)), zorder=2, **line, **tip)
        shape.set_fill(head)
        self.axes.add_patch(shape)
        if words:
            (x0, y0), (x1, y1) = points[:2]
            self.write((x0 + x1) / 2 + 6, (y0 + y1) / 2, words, size=8, colour=SOFT, ha="left")

    def chain(self, *boxes: Box, words: Sequence[str] = ()) -> None:
        """Arrows from each box down to the next."""
        for i, (upper, lower) in enumerate(pairwise(boxes)):
            self.arrow(upper.bottom, lower.top, words=words[i] if i < len(words) else "")

    def plus(self, x: float, y: float, sign: str = "+") -> Box:
        """A small circle where things are added (or multiplied, with another sign)."""
        self.axes.add_patch(Circle((x, y), 9, fc="white", ec="#333333", lw=1.1, zorder=3))
        self.write(x, y, sign, size=10.5, zorder=4)
        return Box(x, y, 18, 18)

    def swatches(self, x: float, y: float, colours: Sequence[str], *, side: float = 15, gap: float = 3) -> Box:
        """Small squares in a row, one a class."""
        width = len(colours) * (side + gap) - gap
        for i, colour in enumerate(colours):
            corner = (x - width / 2 + i * (side + gap), y - side / 2)
            self.axes.add_patch(Rectangle(corner, side, side, fc=colour, ec="none", zorder=3))
        return Box(x, y, width, side)

    def taps(
        self, x: float, y: float, size: int, dilation: int = 1, *, cell: float = 7, colour: str = "#b87b00"
    ) -> Box:
        """A small image of a filter's taps.

        x, y: its middle, in screen pixels
        size: taps a side
        dilation: from one tap to the next; 1 is a plain filter
        cell: screen pixels a side of a tap
        colour: of the taps
        """
        reach = (size - 1) * dilation + 1
        for i in range(reach):
            for j in range(reach):
                on = i % dilation == 0 and j % dilation == 0
                corner = (x + (j - reach / 2) * cell, y + (i - reach / 2) * cell)
                self.axes.add_patch(
                    Rectangle(corner, cell, cell, fc=colour if on else "white", ec="#bbbbbb", lw=0.5, zorder=3)
                )
        return Box(x, y, reach * cell, reach * cell)
