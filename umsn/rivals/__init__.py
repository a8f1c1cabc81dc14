"""Other people's methods of Table III, written anew from their papers: `normalised_sparsity`."""

from umsn.rivals.nonblind import deconvolve
from umsn.rivals.normalised_sparsity import LARGEST, deblur, estimate_kernel

__all__ = ["LARGEST", "deblur", "deconvolve", "estimate_kernel"]
