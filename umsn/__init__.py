"""Deblurring face images class by class: the companion library to UMSN (Yasarla, Perazzi, Patel, IEEE TIP 2020)."""

__version__ = "0.1.0"
