"""Which input pixels does one output pixel see? Dilated convolutions leave a grid, smoothed ones do not (Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor, nn

from umsn.networks.blocks import SharedSmoothing, conv
from umsn.pages.figures.canvas import style

#: White where nothing is seen, then ever deeper blue.
SEEN = LinearSegmentedColormap.from_list("seen", ["#cfe5f3", "#56B4E9", "#0072B2", "#003f63"])


def influence(layers: int, *, smoothed: bool, dilation: int = 2, side: int = 25) -> Tensor:
    """How much the middle output pixel of ``layers`` dilated 3x3 convolutions changes with each input pixel.

    The layers are those of ResBlock with all taps equal; with ``smoothed`` the shared filter averages, without it is
    the identity that it starts as. Returns the gradient, (side, side), non-negative, sum 1 while it fits.
    """
    stack = nn.Sequential(*(conv(1, 1, 3, dilation=dilation, normalise=False) for _ in range(layers)))
    with torch.no_grad():
        for part in stack.modules():
            if isinstance(part, nn.Conv2d) or (smoothed and isinstance(part, SharedSmoothing)):
                part.weight.fill_(1 / part.weight[0].numel())
    picture = torch.zeros(1, 1, side, side, requires_grad=True)
    (gradient,) = torch.autograd.grad(stack(picture)[0, 0, side // 2, side // 2], picture)
    return gradient[0, 0]


def share(seen: Tensor) -> tuple[int, int]:
    """How many pixels are seen at all, and how many the smallest window around them holds."""
    rows, columns = (torch.nonzero(seen.sum(1 - i)).flatten() for i in (0, 1))
    return int((seen > 0).sum()), int((rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1))


def gridding(layers: Sequence[int] = (1, 2, 3), *, side: int = 19) -> Figure:
    """Fig. 4, computed: above without the shared filter, below with it, after each number of layers.

    White pixels have no influence on the one in the middle, which has a vermilion frame.
    """
    with style():
        figure = Figure(figsize=(5.2, 4.2))
        panels = figure.subplots(2, len(layers))
        for row, smoothed in zip(panels, (False, True), strict=True):
            for axes, count in zip(row, layers, strict=True):
                seen = influence(count, smoothed=smoothed, side=side)
                used, window = share(seen)
                axes.imshow(np.ma.masked_equal(seen.numpy(), 0), cmap=SEEN, vmin=0, interpolation="none")
                edges = np.arange(-0.5, side)
                axes.vlines(edges, -0.5, side - 0.5, color="#dddddd", linewidth=0.4)
                axes.hlines(edges, -0.5, side - 0.5, color="#dddddd", linewidth=0.4)
                frame = (
                    np.array([-0.5, 0.5, 0.5, -0.5, -0.5]) + side // 2,
                    np.array([-0.5, -0.5, 0.5, 0.5, -0.5]) + side // 2,
                )
                axes.plot(*frame, color="#D55E00", linewidth=1.4)
                axes.set_axis_off()
                axes.text(side / 2 - 0.5, side + 1.2, f"{used} of {window} pixels", ha="center", size=8.5)
                if not smoothed:
                    axes.set_title(f"{count} layer{'s' * (count > 1)}", loc="center", size=9.5)
            row[0].text(-2, side / 2, "smoothed" if smoothed else "not smoothed", rotation=90, ha="center", va="center")
    return figure
