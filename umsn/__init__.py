"""Deblurring face images class by class: the companion library to UMSN (Yasarla, Perazzi, Patel, IEEE TIP 2020)."""

import os

__version__ = "0.1.0"

#: How many turns OpenMP's threads wait by spinning before they sleep. By default it is so many that a training step
#: takes many times as long beside any other work (benchmarks/busy.py). It is read when torch is imported, after this.
SPIN = "1000"
os.environ.setdefault("GOMP_SPINCOUNT", SPIN)
