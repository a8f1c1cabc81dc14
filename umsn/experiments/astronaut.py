"""How far do networks that were trained on simulated shakes come under shakes measured from real cameras?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import skimage
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from umsn.data import blur
from umsn.data.kernel_files import read_kernels
from umsn.evaluation import metrics
from umsn.evaluation.protocol import SIGMA
from umsn.faces import SIDE
from umsn.networks.weights import Pipeline
from umsn.photos import detection
from umsn.records import Timer, record


def measure(
    networks: Pipeline,
    *,
    kernels: Annotated[Path, "odd and with sum 1: an .npz, an .npy, or a folder of .npy"],
) -> dict[str, Any]:
    """PSNR of the astronaut's face under kernels from disk, blurred and restored, one row a kernel.

    Each kernel, odd and with sum 1, is used as it is, and once more with its mass moved to the middle by whole pixels:
    nothing in a blurred image says where the image was.
    """
    known, digest = read_kernels(kernels)
    photo = torch.from_numpy(skimage.data.astronaut()).movedim(-1, 0).float() / 255
    frame = detection.find_faces(photo)[0]
    face = F.interpolate(frame.crop(photo)[None], size=(SIDE, SIDE), mode="area")
    with Timer() as timer:
        rows = [_shaken(name, kernel, face, networks) for name, kernel in known.items()]
    scores = [key for key in rows[0] if key not in ("kernel", "size")]
    means = {key: round(sum(row[key] for row in rows) / len(rows), 3) for key in scores}
    return record(
        {"measure": "astronaut", "kernels": Path(kernels).name},
        {"psnr": rows, "mean psnr": means},
        timer,
        data=digest,
        source="skimage.data.astronaut, its face at 128x128",
        frame=list(frame),
        sigma=SIGMA,
        seed=0,
        weights={"umsn": networks.digest},
    )


def _shaken(name: str, kernel: NDArray[np.float64], face: torch.Tensor, networks: Pipeline) -> dict[str, Any]:
    row: dict[str, Any] = {"kernel": name, "size": len(kernel)}
    for what, k in (("", kernel), (", centred", centred(kernel))):
        generator = torch.Generator().manual_seed(0)
        blurred = blur.add_noise(blur.blur(face, torch.from_numpy(k).float()[None]), SIGMA, generator)
        found = {"blurred": blurred, "umsn": networks(blurred).restored}
        row |= {method + what: round(float(metrics.psnr(image, face)), 3) for method, image in found.items()}
    return row


def centred(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kernel with a border, and its mass moved to the middle by whole pixels."""
    wide = np.pad(kernel, len(kernel) // 2)
    middle = len(wide) // 2
    offsets = [round(offset) for offset in blur.off_centre(torch.from_numpy(kernel)).tolist()]
    moved = np.roll(wide, [-offset for offset in offsets], (0, 1))
    reach = max(np.abs(np.argwhere(moved > 0) - middle).max(), 1)
    return moved[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
