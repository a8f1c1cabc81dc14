"""Sharp faces for rivals that look at a gallery: drawn, of people whom no record measures, once a process."""

from __future__ import annotations

from functools import cache

from umsn.data import synthetic
from umsn.faces import FaceSet

COUNT, FIRST, SEED = 48, 700_000, 0  #: faces drawn, their first identity, and the seed


@cache
def faces() -> FaceSet:
    """Their photographs and labels, 128 x 128."""
    return synthetic.faces(COUNT, seed=SEED, identities=range(FIRST, FIRST + COUNT), shots_per_identity=1, workers=1)
