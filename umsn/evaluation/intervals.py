"""Means and their intervals. Images of one face are not independent, so whole faces are drawn anew (bootstrap).

What else may be drawn is in `umsn.evaluation.resampling`. Records of `umsn evaluate` state intervals over faces alone;
claims are judged by intervals over faces and kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from umsn.evaluation.resampling import Asked, Faces, Resample, resampling
from umsn.files import InputError

#: What identifies a row, and the pixel counts behind F-scores. Every other column of numbers is a measurement.
KEYS = ("method", "face", "identity", "size", "kernel", "sigma", "input", "class")
COUNTS = ("overlap", "predicted", "true", "pixels", "said")


def summarise(
    rows: pd.DataFrame,
    by: str | Sequence[str] = "method",
    *,
    measures: Sequence[str] | None = None,
    cluster: str = "face",
    resample: Resample = "faces",
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Means with their intervals, a row for each group and measure.

    rows: a row an image, as `evaluate` gives them
    by: the columns that name a group
    measures: the columns that are averaged; by default all that are measurements
    cluster: the column that names a face, or a person
    resample: what is drawn anew, as `umsn.evaluation.resampling` tells; by default as many clusters as there are, with
        replacement and with all their rows, and low and high are percentiles
    level: of the intervals
    draws, seed: how many resamples there are, and what draws them

    Columns: ``by``, measure, mean, low, high, rows, faces, resampled, which says what was drawn. Values that are nan
    are left out. The bounds are nan for a single cluster, of which nothing can be said, and for infinite values.
    """
    measures = list(measures) if measures is not None else measured_columns(rows)
    tables = []
    for key, group in _groups(rows, by):
        values = group[measures].to_numpy(float)
        known = ~np.isnan(values)
        drawn = resampling(group, cluster, resample, Asked(level, draws, seed))
        bounds = drawn.interval(np.where(known, values, 0), known.astype(float))
        about = {"rows": known.sum(0), "faces": drawn.count, "resampled": drawn.says}
        tables.append(pd.DataFrame({**key, "measure": measures, **bounds, **about}))
    return pd.concat(tables, ignore_index=True)


def pooled_f_scores(
    rows: pd.DataFrame,
    by: str | Sequence[str] = ("method", "input", "class"),
    *,
    cluster: str = "face",
    resample: Resample = "faces",
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """F-scores over the pixels of all images together; columns and arguments as of `summarise`.

    rows: as `evaluate_masks` gives them
    by: the columns that name a group
    cluster: the column that names a face
    resample, level, draws, seed: of the intervals
    """
    tables = []
    for key, group in _groups(rows, by):
        overlap, predicted, true = group[list(COUNTS[:3])].to_numpy(float).T[..., None]
        drawn = resampling(group, cluster, resample, Asked(level, draws, seed))
        bounds = drawn.interval(2 * overlap, predicted + true)
        about = {"rows": len(group), "faces": drawn.count, "resampled": drawn.says}
        tables.append(pd.DataFrame({**key, "measure": "f_score", **bounds, **about}))
    return pd.concat(tables, ignore_index=True)


def reliability(
    rows: pd.DataFrame, by: str | Sequence[str] = "method", *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """How often a parser is right where it is so sure, from `evaluate_calibration`; clustered by face.

    Columns: ``by``, bin, said (the mean probability), measure ("right"), mean, low, high (the share that is of the
    class), pixels. Bins without a pixel are left out.
    """
    tables = []
    for key, group in _groups(rows[rows["pixels"] > 0], [*([by] if isinstance(by, str) else by), "bin"]):
        pixels, said, true = group[["pixels", "said", "true"]].to_numpy(float).T[..., None]
        bounds = Faces(group["face"], Asked(level, draws, seed)).interval(true, pixels)
        about = {"said": said.sum() / pixels.sum(), "measure": "right", "pixels": int(pixels.sum())}
        tables.append(pd.DataFrame({**key, **about, **bounds}))
    return pd.concat(tables, ignore_index=True)


def gains(rows: pd.DataFrame, over: str = "blurred") -> pd.DataFrame:
    """What each method adds to ``over`` on the same image: the rows of the others, measurements as differences."""
    measures, picture = measured_columns(rows), ["face", "size", "kernel"]
    base = rows[rows["method"] == over].set_index(picture)[measures]
    if base.empty:
        raise InputError(f"method {over!r}: not among the rows ({', '.join(rows['method'].unique())})")
    others = rows[rows["method"] != over].reset_index(drop=True)
    others[measures] = others[measures].to_numpy() - base.loc[pd.MultiIndex.from_frame(others[picture])].to_numpy()
    return others


def measured_columns(rows: pd.DataFrame) -> list[str]:
    """The columns that hold measurements."""
    return [c for c in rows.columns if c not in KEYS + COUNTS and pd.api.types.is_numeric_dtype(rows[c])]


def _groups(rows: pd.DataFrame, by: str | Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    names = [by] if isinstance(by, str) else list(by)
    for key, group in rows.groupby(names, sort=False):
        yield dict(zip(names, key, strict=True)), group


def signed(value: float, decimals: int = 2) -> str:
    """A difference with its sign, a true minus: "+0.43", "−0.05"."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def in_words(mean: float, low: float, high: float) -> str:
    """A mean and its interval: "21.30 (20.95 to 21.66)"; three digits after the point below 1."""
    digits = 3 if abs(mean) < 1 else 2
    if not np.isfinite([low, high]).all():
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def signed_in_words(differences: pd.DataFrame, digits: int = 2) -> list[str]:
    """Differences and their intervals, from columns mean, low and high: "+0.43 (−0.05 to +0.91)"."""
    rows = differences[["mean", "low", "high"]].to_numpy(float)
    return ["{} ({} to {})".format(*(signed(value, digits) for value in row)) for row in rows]
