"""Means and their intervals. Pictures of one face are not independent, so whole faces are drawn anew (bootstrap)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsn.files import InputError

#: What identifies a row, and the pixel counts behind F-scores. Every other column of numbers is a measurement.
KEYS = ("method", "face", "identity", "size", "kernel", "sigma", "input", "class")
COUNTS = ("overlap", "predicted", "true", "pixels", "said")

Array = NDArray[np.float64]


def summarise(
    rows: pd.DataFrame,
    by: str | Sequence[str] = "method",
    *,
    measures: Sequence[str] | None = None,
    cluster: str = "face",
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Means with bootstrap intervals, a row for each group and measure: ``by``, measure, mean, low, high, rows, faces.

    Each of ``draws`` resamples draws as many clusters (faces, or identities) as there are, with replacement and with
    all their rows; low and high are percentiles. Values that are nan are left out. The bounds are nan for a single
    cluster, of which nothing can be said, and for infinite values.
    """
    measures = list(measures) if measures is not None else measured_columns(rows)
    tables = []
    for key, group in _groups(rows, by):
        values = group[measures].to_numpy(float)
        known = ~np.isnan(values)
        clusters = _Clusters(group[cluster], draws, seed)
        bounds = clusters.interval(np.where(known, values, 0), known, level)
        tables.append(
            pd.DataFrame({**key, "measure": measures, **bounds, "rows": known.sum(0), "faces": clusters.count})
        )
    return pd.concat(tables, ignore_index=True)


def pooled_f_scores(
    rows: pd.DataFrame,
    by: str | Sequence[str] = ("method", "input", "class"),
    *,
    cluster: str = "face",
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """F-scores over the pixels of all pictures together, from `evaluate_masks`; columns as in `summarise`."""
    tables = []
    for key, group in _groups(rows, by):
        overlap, predicted, true = group[list(COUNTS[:3])].to_numpy(float).T[..., None]
        clusters = _Clusters(group[cluster], draws, seed)
        bounds = clusters.interval(2 * overlap, predicted + true, level)
        tables.append(
            pd.DataFrame({**key, "measure": "f_score", **bounds, "rows": len(group), "faces": clusters.count})
        )
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
        bounds = _Clusters(group["face"], draws, seed).interval(true, pixels, level)
        about = {"said": said.sum() / pixels.sum(), "measure": "right", "pixels": int(pixels.sum())}
        tables.append(pd.DataFrame({**key, **about, **bounds}))
    return pd.concat(tables, ignore_index=True)


def gains(rows: pd.DataFrame, over: str = "blurred") -> pd.DataFrame:
    """What each method adds to ``over`` on the same picture: the rows of the others, measurements as differences."""
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


class _Clusters:
    """Rows by face, and how often each resample holds each face."""

    def __init__(self, labels: pd.Series, draws: int, seed: int) -> None:
        self.codes, faces = pd.factorize(labels)
        self.count = len(faces)
        chances = np.full(self.count, 1 / self.count)
        self.times = np.random.default_rng(seed).multinomial(self.count, chances, size=draws).astype(float)

    def interval(self, above: Array, below: Array, level: float) -> dict[str, Array]:
        """The ratio of sums over (rows, measures), and its interval over the resamples."""
        above, below = self._sums(above), self._sums(below)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = above.sum(0) / below.sum(0)
            drawn = (self.times @ above) / (self.times @ below)
        drawn = np.where(np.isfinite(mean), drawn, 0)  # a resample may miss every face that has the class: nan, skipped
        low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        sayable = np.isfinite(mean) & (self.count > 1)
        return {"mean": mean, "low": np.where(sayable, low, np.nan), "high": np.where(sayable, high, np.nan)}

    def _sums(self, values: Array) -> Array:
        sums = np.zeros((self.count, values.shape[1]))
        np.add.at(sums, self.codes, values)
        return sums


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
