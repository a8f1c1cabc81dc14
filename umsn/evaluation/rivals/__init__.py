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

#: Those that estimate a kernel and need no training, by the names that a user gives.
BLIND = {
    "cho": fast_motion,
    "krishnan": normalised_sparsity,
    "pan": exemplar,
    "shan": high_quality,
    "xu": unnatural_sparsity,
    "zhong": directional,
}

__all__ = [
    "BLIND",
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
