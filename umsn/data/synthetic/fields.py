"""Small smooth functions on arrays of points: bumps, steps, noise. The face is a sum of these."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]

#: Periodic white noise that every texture reads; fixed, so that textures differ by where they look.
_TABLE = np.random.default_rng(20260).standard_normal((256, 256)).astype(np.float32)


def step(low: float, high: float, x: Array) -> Array:
    """Smooth step: 0 below ``low``, 1 above ``high`` (either way round)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bump(x: Array, y: Array, x0: float, y0: float, sx: float, sy: float) -> Array:
    """A Gaussian hill of height 1: at points (x, y), with its top at (x0, y0) and deviations sx, sy."""
    return np.exp(-0.5 * (((x - x0) / sx) ** 2 + ((y - y0) / sy) ** 2))


def noise(x: Array, y: Array) -> Array:
    """Smooth noise of about unit deviation and unit grain at points (x, y)."""
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    x0, y0 = np.floor(x), np.floor(y)
    fx, fy = x - x0, y - y0
    fx *= fx * (3 - 2 * fx)
    fy *= fy * (3 - 2 * fy)
    j, i = x0.astype(np.int64) & 255, (y0.astype(np.int64) & 255) << 8
    m, k = (j + 1) & 255, (i + 256) & 65535
    flat = _TABLE.ravel()
    top, low = flat.take(i + j), flat.take(k + j)
    top += (flat.take(i + m) - top) * fx
    low += (flat.take(k + m) - low) * fx
    return 1.5 * (top + (low - top) * fy)


def clouds(x: Array, y: Array, octaves: int = 3) -> Array:
    """Noise summed over octaves of halving grain and height, of about unit deviation."""
    total, height = 0, 1.0
    for octave in range(octaves):
        total = total + height * noise(x * 2**octave + 17 * octave, y * 2**octave + 31 * octave)
        height *= 0.55
    return total * 0.8


def unit(v: Array) -> Array:
    """Vectors along axis 0 scaled to length 1."""
    return v / np.sqrt(np.maximum((v * v).sum(0, keepdims=True), 1e-12))


def linear(rgb: object) -> Array:
    """Display values (sRGB, taken as a plain power of 2.2) to amounts of light."""
    return np.asarray(rgb, np.float32) ** 2.2


def rgb(r: float, g: float, b: float) -> Array:
    """Three factors as a column, (3, 1)."""
    return np.array([[r], [g], [b]], np.float32)


def spread(values: Array, deviation: float) -> Array:
    """A fast wide blur of the last two axes: two box filters of about the deviation asked for, in samples."""
    size = max(1, round(deviation * 2.45))
    axes = tuple(size if axis >= values.ndim - 2 else 1 for axis in range(values.ndim))
    return ndimage.uniform_filter(ndimage.uniform_filter(values, axes, mode="nearest"), axes, mode="nearest")
