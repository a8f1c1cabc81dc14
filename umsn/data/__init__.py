"""What the networks are trained and tested on: synthetic faces, data sets on disk, blur (Sec. III, IV-A)."""

from umsn.data.datasets import INNER, MARGIN
from umsn.data.unseen import UNSEEN, unseen_faces

__all__ = ["INNER", "MARGIN", "UNSEEN", "unseen_faces"]
