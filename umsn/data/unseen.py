"""Synthetic people whom no training draws: the faces that trained networks are measured on."""

from __future__ import annotations

from typing import Any

from umsn.data import synthetic
from umsn.data.datasets import MARGIN
from umsn.faces import FaceSet

#: They are numbered from here, far above those whom training draws.
UNSEEN = 1_000_000


def unseen_faces(count: int, *, seed: int = 0, **overrides: Any) -> FaceSet:
    """One synthetic photograph each of ``count`` people whom no training draws, with a margin of `MARGIN` pixels.

    ``overrides`` as for `synthetic.draw`: the same people in the same photographs, with something changed.
    """
    people = range(UNSEEN, UNSEEN + count)
    return synthetic.faces(count, seed=seed, identities=people, shots_per_identity=1, margin=MARGIN, **overrides)
