"""How faces are distributed, as curves that hold no image: labels, power by frequency, gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from umsn.faces import LABELS, LUMA, FaceSet
from umsn.files import InputError

#: Where the differences of neighbouring pixels are counted.
DIFFERENCES = torch.linspace(-0.405, 0.405, 82)


def luma(photos: Tensor) -> Tensor:
    """Brightness of images (N, 3, H, W), bytes: (N, H, W) in [0, 1] (ITU-R BT.601)."""
    return torch.einsum("nchw,c->nhw", photos.float() / 255, torch.tensor(LUMA))


def face_statistics(faces: FaceSet) -> dict[str, list[float]]:
    """How faces are distributed.

    ``share``: of the pixels, for each of the eleven labels. ``power``: of the brightness at the radial frequencies 1,
    2, .. side/2 cycles an image (Hann window, mean over images and directions). ``gradient``: the density of the
    brightness's difference between neighbours, down and across, between the edges `DIFFERENCES`. Raises InputError for
    images that are not square.
    """
    y = luma(faces.photos)
    side = y.shape[-1]
    if y.shape[-2] != side:
        raise InputError(f"images of {y.shape[-2]}x{side} pixels; the spectrum needs squares")
    window = torch.hann_window(side, periodic=False)
    power = torch.fft.fft2((y - y.mean((1, 2), keepdim=True)) * torch.outer(window, window)).abs().square().mean(0)
    frequency = torch.fft.fftfreq(side, 1 / side)
    radius = torch.hypot(frequency[:, None], frequency[None]).round().long()
    differences = torch.cat([y.diff(dim=1).flatten(), y.diff(dim=2).flatten()])
    density = torch.histogram(differences, DIFFERENCES).hist / len(differences) / DIFFERENCES.diff()
    labels = [] if faces.labels is None else torch.bincount(faces.labels.flatten().long(), minlength=len(LABELS))
    return {
        "share": [float(count) / faces.labels.numel() for count in labels],
        "power": [float(power[radius == r].mean()) for r in range(1, side // 2 + 1)],
        "gradient": density.tolist(),
    }
