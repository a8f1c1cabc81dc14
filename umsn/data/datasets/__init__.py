"""The data sets people have on disk, read into one `FaceSet`, or into pairs of sharp and blurred images."""

from umsn.data.datasets.archives import INNER, MARGIN, WIDE
from umsn.data.datasets.loading import LAYOUTS, check_ours, data_hash, load, save
from umsn.data.datasets.pairs import Pair, Pairs, load_pairs

__all__ = [
    "INNER",
    "LAYOUTS",
    "MARGIN",
    "WIDE",
    "Pair",
    "Pairs",
    "check_ours",
    "data_hash",
    "load",
    "load_pairs",
    "save",
]
