"""Other people's methods of Table III, written anew from their papers: `normalised_sparsity`, `unnatural_sparsity`."""

from umsn.evaluation.rivals import normalised_sparsity, unnatural_sparsity
from umsn.evaluation.rivals.nonblind import deconvolve
from umsn.evaluation.rivals.scales import LARGEST

__all__ = ["LARGEST", "deconvolve", "normalised_sparsity", "unnatural_sparsity"]
