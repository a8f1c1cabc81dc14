"""Lens, exposure, tone curve and sensor: from light on a fine lattice to a photograph with a label at each pixel."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from umsn.data.synthetic.fields import Array, rgb
from umsn.data.synthetic.identity import stream
from umsn.data.synthetic.shot import Shot

SAMPLES = 2  #: to a pixel, along each axis


def developed(shot: Shot, picture: Array, margin: int) -> Array:
    """Light (3, S H, S W) -> a photograph (3, H, W) in [0, 1] with ``margin`` pixels around its window."""
    side = picture.shape[1] // SAMPLES
    photo = picture.reshape(3, side, SAMPLES, side, SAMPLES).mean((2, 4))
    photo = ndimage.gaussian_filter(photo, (0, shot.softness, shot.softness))
    middle = slice(margin + (side - 2 * margin) // 4, side - margin - (side - 2 * margin) // 4)
    metered = (0.30 / max(float(photo[:, middle, middle].mean()), 0.02)) ** 0.3  # a camera half corrects what it sees
    photo *= np.float32(0.90 * 2.0 ** (0.28 * shot.exposure) * metered)
    photo *= rgb(0.16, 0.13, 0.11)[:, :, None] ** np.float32(shot.darkness)
    photo = photo / (1 + np.maximum(photo - 0.6, 0) * 0.7)
    photo = np.clip(photo, 0, 1) ** np.float32(1 / 2.2)
    photo += 0.30 * (photo - 0.47) * (1 - np.abs(2 * photo - 1))
    grain = stream(shot.seed, 7).standard_normal(photo.shape, dtype=np.float32)
    window = slice(margin, side - margin)  # the window's grain is the same whatever the margin
    grain[:, window, window] = stream(shot.seed, 6).standard_normal(
        (3, side - 2 * margin, side - 2 * margin), dtype=np.float32
    )
    photo += grain * np.float32(shot.noise * 3**shot.darkness)
    return np.clip(photo, 0, 1)


def voted(labels: Array) -> Array:
    """A pixel's label is the commonest of its samples' labels: (S H, S W) -> (H, W)."""
    side = labels.shape[0] // SAMPLES
    samples = labels.reshape(side, SAMPLES, side, SAMPLES).transpose(0, 2, 1, 3).reshape(side, side, SAMPLES**2)
    votes = (samples[..., None] == samples[..., None, :]).sum(-1)
    return np.take_along_axis(samples, votes.argmax(-1)[..., None], -1)[..., 0]
