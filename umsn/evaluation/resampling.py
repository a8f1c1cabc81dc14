"""What an interval draws anew: whole faces, or faces and kernels; and what it does where there are few of them.

A mean over faces and kernels depends on both choices. Drawing faces alone (`Faces`) answers for other faces under the
same kernels. Drawing both, independently and each with all its rows (`FacesAndKernels`, the "pigeonhole" bootstrap of
Owen 2007), answers for other kernels too; it is wider than need be where only the combination of the two matters.
Percentiles of few draws are too narrow: of 6 faces they cover the mean 85 times in 100, not 95
(`tests/test_intervals.py` measures it). So few faces alone have Student's interval (`FewFaces`), and the percentiles of
both are moved outwards as far as Student's t lies outside the normal distribution (the "expanded percentile" of
Hesterberg 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from umsn.files import InputError

#: What may be drawn anew; "auto": faces and kernels where there is more than one kernel, else faces, by Student's t
#: where they are fewer than `FEW`.
Resample = Literal["faces", "faces, t", "faces and kernels", "auto"]
FEW = 20
KERNEL = ("size", "kernel")  #: the columns that name a kernel, as far as rows have them

Array = NDArray[np.float64]
Interval = dict[str, Array]  #: mean, low, high: (measures,)


class Asked(NamedTuple):
    """How an interval is made: its level, how many resamples there are, and what draws them."""

    level: float = 0.95
    draws: int = 2000
    seed: int = 0


def resampling(
    rows: pd.DataFrame, cluster: str, resample: Resample, asked: Asked
) -> Faces | FewFaces | FacesAndKernels:
    """What makes the intervals of these rows; ``cluster`` is the column that names a face, or a person.

    Raises InputError where kernels are to be drawn and no column names them.
    """
    named = [column for column in KERNEL if column in rows]
    kernels = rows[named].drop_duplicates() if named else rows.iloc[:1]
    if resample == "auto":
        resample = "faces" if rows[cluster].nunique() >= FEW else "faces, t"
        resample = "faces and kernels" if len(kernels) > 1 else resample
    if resample == "faces and kernels":
        if not named:
            raise InputError(f"resample {resample!r}: rows have none of the columns {', '.join(KERNEL)}")
        return FacesAndKernels(rows[cluster], rows[named], asked)
    return (FewFaces if resample == "faces, t" else Faces)(rows[cluster], asked)


class Faces:
    """Percentiles over resamples of as many faces as there are, with replacement and each with all its rows."""

    says = "faces"

    def __init__(self, labels: pd.Series, asked: Asked) -> None:
        self.codes, faces = pd.factorize(labels)
        self.count, self.asked = len(faces), asked

    def interval(self, above: Array, below: Array) -> Interval:
        """The ratio of sums over (rows, measures), and its interval; bounds are nan where nothing can be said."""
        above, below = _sums(self.codes, self.count, above), _sums(self.codes, self.count, below)
        times = _times([self.count], self.asked.draws, np.random.default_rng(self.asked.seed))
        mean = _ratio(above.sum(0), below.sum(0))
        drawn = _ratio(times @ above, times @ below)
        drawn = np.where(np.isfinite(mean), drawn, 0)  # a resample may miss all faces that have the class: nan, skipped
        tail = (1 - self.asked.level) / 2
        low, high = np.nanquantile(drawn, [tail, 1 - tail], axis=0)
        return _sayable(mean, low, high, self.count > 1)


class FewFaces(Faces):
    """Student's t over the faces' means, each face weighing as many rows as it has."""

    says = "faces, t"

    def interval(self, above: Array, below: Array) -> Interval:
        """As of `Faces`."""
        above, below = _sums(self.codes, self.count, above), _sums(self.codes, self.count, below)
        mean, faces = _ratio(above.sum(0), below.sum(0)), (below > 0).sum(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = (above - mean * below) / (below.sum(0) / faces)
            error = np.sqrt((apart**2).sum(0) / (faces - 1) / faces)
            half = stats.t.ppf((1 + self.asked.level) / 2, faces - 1) * error
        return _sayable(mean, mean - half, mean + half, faces > 1)


class FacesAndKernels:
    """Percentiles over resamples of faces and, independently, of kernels; moved outwards where these are few.

    ``kernels``: the columns of `KERNEL`. Where every size has several kernels they are drawn within their size, since
    the sizes are the protocol's and no sample.
    """

    says = "faces and kernels"

    def __init__(self, labels: pd.Series, kernels: pd.DataFrame, asked: Asked) -> None:
        self.faces, faces = pd.factorize(labels)
        order = kernels.drop_duplicates().sort_values(list(kernels.columns), ignore_index=True)
        self.kernels = pd.MultiIndex.from_frame(order).get_indexer(pd.MultiIndex.from_frame(kernels))
        each = order.groupby(kernels.columns[0]).size().tolist()
        self.strata = each if min(each) > 1 else [len(order)]
        self.count, self.asked = len(faces), asked

    def interval(self, above: Array, below: Array) -> Interval:
        """As of `Faces`."""
        above, below = self._cells(above), self._cells(below)
        random = np.random.default_rng(self.asked.seed)
        faces = _times([self.count], self.asked.draws, random)
        kernels = _times(self.strata, self.asked.draws, random)
        mean = _ratio(above.sum((0, 1)), below.sum((0, 1)))
        drawn = _ratio(_both(above, faces, kernels), _both(below, faces, kernels))
        by_face = _ratio(faces @ above.sum(1), faces @ below.sum(1))
        by_kernel = _ratio(kernels @ above.sum(0), kernels @ below.sum(0))
        tails = self._tails(np.nanvar(by_face, 0), np.nanvar(by_kernel, 0))
        columns = zip(np.where(np.isfinite(mean), drawn, 0).T, tails, strict=True)
        low, high = np.array([np.nanquantile(column, [tail, 1 - tail]) for column, tail in columns]).T
        return _sayable(mean, low, high, self.count > 1 and sum(self.strata) > 1)

    def _cells(self, values: Array) -> Array:
        """(rows, measures) -> sums (faces, kernels, measures)."""
        shape = (self.count, sum(self.strata), values.shape[1])
        return _sums(self.faces * shape[1] + self.kernels, shape[0] * shape[1], values).reshape(shape)

    def _tails(self, by_face: Array, by_kernel: Array) -> Array:
        """How much probability each end leaves out, by how much of the variance is the faces', how much the kernels'.

        A variance over n draws of n is (n - 1) / n of what it estimates; degrees of freedom are Satterthwaite's.
        """
        free = np.array([self.count - 1, sum(self.strata) - len(self.strata)])
        parts = np.stack([by_face, by_kernel], -1)
        with np.errstate(divide="ignore", invalid="ignore"):
            true = parts * np.array([self.count, sum(self.strata)]) / free
            freedom = true.sum(-1) ** 2 / (true**2 / free).sum(-1)
            outer = stats.t.ppf((1 + self.asked.level) / 2, freedom) * np.sqrt(true.sum(-1) / parts.sum(-1))
        return np.where(np.isfinite(outer), stats.norm.sf(outer), (1 - self.asked.level) / 2)


def _times(strata: Sequence[int], draws: int, random: np.random.Generator) -> Array:
    """How often each resample holds each of sum(strata) things, drawn within their strata: (draws, things)."""
    return np.hstack([random.multinomial(n, np.full(n, 1 / n), size=draws) for n in strata]).astype(float)


def _both(cells: Array, faces: Array, kernels: Array) -> Array:
    """Sums (draws, measures) of cells (faces, kernels, measures), each as often as its face and its kernel."""
    by_kernel = (faces @ cells.reshape(len(cells), -1)).reshape(len(faces), *cells.shape[1:])
    return (by_kernel * kernels[..., None]).sum(1)


def _sums(codes: NDArray[np.integer], count: int, values: Array) -> Array:
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, codes, values)
    return sums


def _ratio(above: Array, below: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return above / below


def _sayable(mean: Array, low: Array, high: Array, several: bool | NDArray[np.bool_]) -> Interval:
    known = np.isfinite(mean) & several
    return {"mean": mean, "low": np.where(known, low, np.nan), "high": np.where(known, high, np.nan)}
