"""Other people's methods of Table III, written anew from their papers, one file each."""

from umsn.evaluation.rivals import (
    directional,
    exemplar,
    fast_motion,
    gallery_detail,
    high_quality,
    normalised_sparsity,
    unnatural_sparsity,
)
from umsn.evaluation.rivals.nonblind import deconvolve
from umsn.evaluation.rivals.scales import LARGEST

__all__ = [
    "LARGEST",
    "deconvolve",
    "directional",
    "exemplar",
    "fast_motion",
    "gallery_detail",
    "high_quality",
    "normalised_sparsity",
    "unnatural_sparsity",
]
