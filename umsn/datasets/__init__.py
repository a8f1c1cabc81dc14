"""The data sets people have on disk, read into one `FaceSet`, or into pairs of sharp and blurred pictures."""

from umsn.datasets.archives import INNER, MARGIN, SIDE
from umsn.datasets.loading import LAYOUTS, data_hash, load, save
from umsn.datasets.pairs import Pair, Pairs, load_pairs

__all__ = ["INNER", "LAYOUTS", "MARGIN", "SIDE", "Pair", "Pairs", "data_hash", "load", "load_pairs", "save"]
