"""Curves: how a training went, how scores fall with the blur, what kernels look like, what images are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from umsn.evaluation.methods import TITLES
from umsn.faces import CLASSES
from umsn.networks.confidence import closed_form
from umsn.pages.figures import titles
from umsn.pages.figures.canvas import CLASS_COLOURS, grid, style

History = Sequence[Mapping[str, float]]

#: How a measure is called on an axis.
MEASURES = {"psnr": "PSNR (dB)", "ssim": "SSIM", "ssim_volumetric": "volumetric SSIM", "f_score": "F-score"}

#: The methods of Table VI in the paper's order: colour and marker, the same in every figure.
STYLES = {
    "blurred": ("#767676", "s"),
    "bnet": ("#E69F00", "v"),
    "maps": ("#56B4E9", "^"),
    "nrl": ("#009E73", "D"),
    "umsn-plain": ("#CC79A7", "P"),
    "umsn": ("#0072B2", "o"),
}

LINES = dict(zip(CLASSES, ("-", "--", "-", "-."), strict=True))


def history(histories: Mapping[str, History], *, term: str = "loss", columns: int = 3) -> Figure:
    """Training curves of stages side by side (Sec. IV-A): ``histories`` as `training.stages.train` returns them."""
    rows = -(-len(histories) // columns)
    columns = min(columns, len(histories))
    with style():
        figure = Figure(figsize=(5.8, 0.4 + 1.5 * rows))
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (name, steps) in zip(panels, histories.items(), strict=False):
            _line(axes, steps, term)
            axes.set_title(titles.stage(name), size=9.5)
            axes.locator_params(nbins=3)
        for axes in panels[len(histories) :]:
            axes.set_axis_off()
        figure.supxlabel("iterations", size=9.5)
        figure.supylabel({"l1": "L1"}.get(term, term.replace("_", " ")), size=9.5)
    return figure


def by_class(steps: History, *, lam: float | None = None) -> Figure:
    """Class losses L_i and confidences C_i of one training (Table VII, Fig. 15): above the losses, below the others.

    With ``lam`` a thin line shows the closed form min(1, lambda / L_i) of the losses drawn above. Raises ValueError for
    a history without confidences.
    """
    if not steps or f"C_{CLASSES[0]}" not in steps[0]:
        raise ValueError("a history without C_background..: a stage with a confidence network was expected (umsn)")
    with style():
        figure = Figure(figsize=(5.4, 5))
        losses, confidences = figure.subplots(2, 1, sharex=True)
        for name in CLASSES:
            kind = {"color": CLASS_COLOURS[name], "linestyle": LINES[name]}
            _line(losses, steps, f"L_{name}", label=name, **kind)
            _line(confidences, steps, f"C_{name}", label=name, **kind)
            if lam is not None:
                at, loss = _series(steps, f"L_{name}")
                best = closed_form(torch.as_tensor(loss), lam)
                thin = {"color": CLASS_COLOURS[name], "linewidth": 0.8, "alpha": 0.6}
                confidences.plot(at, best, label=f"{name}, closed form", **thin)
        losses.set(title="Class losses $L_i$ (Eq. 3)", yscale="log")
        thin = "" if lam is None else f"; thin: min(1, {lam:g} / $L_i$)"
        confidences.set(title=f"Confidences $C_i${thin}", xlabel="iterations", ylim=(0, 1.03))
        figure.legend(*losses.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def confidences(training: pd.DataFrame, size: pd.DataFrame) -> Figure:
    """Learned confidences with the bands of their 95% intervals: over a training (``step``), over kernels (``size``).

    Both as `umsn.experiments.confidences.measure` has them: measure C_CLASS, mean, low, high.
    """
    with style():
        figure = Figure(figsize=(5.8, 3.4))
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, table, at in ((left, training, "step"), (right, size, "size")):
            for name in CLASSES:
                found = _only(table, f"C_{name}").sort_values(at)
                kind = {"color": CLASS_COLOURS[name], "linestyle": LINES[name], "marker": "o", "markersize": 3}
                axes.plot(found[at], found["mean"], label=name, **kind)
                axes.fill_between(
                    found[at], found["low"], found["high"], color=CLASS_COLOURS[name], alpha=0.15, linewidth=0
                )
        left.set(xlabel="iterations", ylabel="learned $C_i$", title="over the training", ylim=(None, 1.02))
        right.set(xlabel="kernel size (pixels)", title="over kernel sizes", xticks=sorted(size["size"].unique()))
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def by_size(
    summary: pd.DataFrame, measure: str = "psnr", *, names: Mapping[str, str] = TITLES, by: str = "size"
) -> Figure:
    """Scores by kernel size, a line a method with the band of its 95% interval.

    ``summary`` is `umsn.evaluation.summarise(rows, ["method", "size"])`; ``names`` say how methods are called. Raises
    ValueError when the summary lacks the measure.
    """
    some = _only(summary, measure)
    with style():
        figure = Figure(figsize=(5.4, 3.8))
        axes = figure.subplots()
        for method, lines in some.groupby("method", sort=False):
            colour, marker = STYLES.get(str(method), (None, "o"))
            lines = lines.sort_values(by)
            (line,) = axes.plot(
                lines[by], lines["mean"], color=colour, marker=marker, label=names.get(str(method), method)
            )
            axes.fill_between(lines[by], lines["low"], lines["high"], color=line.get_color(), alpha=0.15, linewidth=0)
        axes.set(xlabel="kernel size (pixels)" if by == "size" else by, ylabel=MEASURES.get(measure, measure))
        if by == "size":
            axes.set_xticks(sorted(some[by].unique()))
        figure.legend(loc="outside upper left", ncols=3)
    return figure


def distribution(gains: pd.DataFrame, measure: str = "psnr", *, few: int = 200) -> Figure:
    """How a gain is spread over images, by kernel size: quartiles and ends, and with up to ``few`` images each of them.

    ``gains`` as `umsn.evaluation.gains` gives them, of one method.
    """
    with style():
        figure = Figure(figsize=(5.4, 3.4))
        axes = figure.subplots()
        kind = {"data": gains, "x": "size", "y": measure, "ax": axes}
        sns.boxplot(**kind, color=STYLES["umsn"][0], fill=False, linewidth=1, showfliers=len(gains) > few, fliersize=2)
        if len(gains) <= few:
            sns.swarmplot(**kind, color=STYLES["umsn"][0], size=3, alpha=0.7)
        axes.axhline(0, color="#888888", linewidth=0.8)
        axes.set(xlabel="kernel size (pixels)", ylabel=f"gain in {MEASURES.get(measure, measure)}")
    return figure


def by_method(summary: pd.DataFrame, measure: str = "psnr", *, names: Mapping[str, str] = TITLES) -> Figure:
    """One score a method, a point with its 95% interval: ``summary`` is `umsn.evaluation.summarise(rows)`."""
    some = _only(summary, measure).iloc[::-1]
    with style():
        figure = Figure(figsize=(5.4, 0.8 + 0.32 * len(some)))
        axes = figure.subplots()
        for place, row in enumerate(some.itertuples()):
            colour, marker = STYLES.get(str(row.method), ("#0072B2", "o"))
            name = names.get(str(row.method), row.method)
            ends = {"color": colour, "linewidth": 3, "alpha": 0.35, "label": f"{name}, interval"}
            axes.plot([row.low, row.high], [place, place], **ends)
            axes.plot(row.mean, place, marker, color=colour, label=name)
        axes.set_yticks(range(len(some)), [names.get(str(m), m) for m in some["method"]])
        axes.set(xlabel=MEASURES.get(measure, measure), ylim=(-0.6, len(some) - 0.4))
        axes.grid(False, axis="y")
    return figure


def lines(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    xlabel: str,
    ylabel: str,
    steps: bool = False,
    **axis: Any,
) -> Figure:
    """One line a name, of (x, y); ``steps`` holds each value until the next; ``axis`` is for `Axes.set` (yscale ..)."""
    kinds = ("-", "--", "-.", ":")
    with style():
        figure = Figure()
        axes = figure.subplots()
        for number, (name, (x, y)) in enumerate(curves.items()):
            draw = "steps-post" if steps else "default"
            axes.plot(x, y, kinds[number % 4], label=name, drawstyle=draw, marker="o" if np.size(x) < 8 else "")
        axes.set(xlabel=xlabel, ylabel=ylabel, **axis)
        if len(curves) > 1:
            axes.legend(loc="best")
    return figure


def two_ssims(rows: pd.DataFrame) -> Figure:
    """Each image's SSIM in both definitions: across, the mean over colours; up, MATLAB's volume (`metrics`)."""
    with style():
        figure = Figure(figsize=(4.4, 3.6))
        axes = figure.subplots()
        for method, some in rows.groupby("method", sort=False):
            colour, marker = STYLES.get(str(method), (None, "o"))
            name = TITLES.get(str(method), method)
            axes.plot(some["ssim"], some["ssim_volumetric"], marker, color=colour, label=name, alpha=0.7)
        low = min(rows["ssim"].min(), rows["ssim_volumetric"].min())
        axes.plot([low, 1], [low, 1], color="#888888", linewidth=0.8)
        axes.set(xlabel="SSIM, each colour for itself", ylabel="SSIM of the colour volume", aspect="equal")
        axes.legend(loc="lower right")
    return figure


def kernels(drawn: Sequence[tuple[int, int, Tensor]], *, columns: Sequence[int] | None = None) -> Figure:
    """A sheet of blur kernels, a column a size: ``drawn`` as `umsn.data.blur.protocol_kernels` returns them.

    Each is shown on the support of the largest, black on white, its darkest pixel black.
    """
    sizes = list(columns or sorted({size for size, *_ in drawn}))
    largest = max(sizes)
    by_number: dict[int, dict[int, Tensor]] = {}
    for size, number, kernel in drawn:
        margin = (largest - size) // 2
        by_number.setdefault(number, {})[size] = torch.nn.functional.pad(
            1 - kernel / kernel.max(), (margin,) * 4, value=1
        )
    rows = [[found.get(size) for size in sizes] for found in by_number.values()]
    return grid(rows, column_titles=[f"{size} px" for size in sizes], scale=2, limits=(0, 1))


def statistics(
    power: Mapping[str, tuple[ArrayLike, ArrayLike]], gradients: Mapping[str, tuple[ArrayLike, ArrayLike]]
) -> Figure:
    """What images are made of: their power by frequency and their gradients, one curve a set of faces.

    ``power``: name -> (frequency in cycles a pixel, mean power); ``gradients``: name -> (difference of neighbouring
    pixels on the scale [0, 1], density).
    """
    with style():
        figure = Figure(figsize=(5.4, 3.4))
        left, right = figure.subplots(1, 2)
        for number, name in enumerate(power):
            left.plot(*power[name], linestyle=("-", "--", "-.", ":")[number % 4], label=name)
        for number, name in enumerate(gradients):
            right.plot(*gradients[name], linestyle=("-", "--", "-.", ":")[number % 4], label=name)
        left.set(xscale="log", yscale="log", xlabel="cycles a pixel", title="Power by frequency")
        right.set(yscale="log", xlabel="difference of neighbours", title="Gradients: density")
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _series(steps: History, term: str) -> tuple[np.ndarray, np.ndarray]:
    some = [step for step in steps if term in step]
    return np.array([step["step"] for step in some]), np.array([step[term] for step in some])


def _line(axes: Axes, steps: History, term: str, **options: object) -> None:
    at, values = _series(steps, term)
    axes.plot(at, values, marker="o" if len(at) < 4 else "", **{"label": term, **options})


def _only(summary: pd.DataFrame, measure: str) -> pd.DataFrame:
    some = summary[summary["measure"] == measure]
    if some.empty:
        raise ValueError(f"measure {measure!r}: not in the summary ({', '.join(summary['measure'].unique())})")
    return some
