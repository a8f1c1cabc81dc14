"""`umsn kernels`: camera-shake kernels, as arrays and as one picture of all."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from umsn.cli.options import Add, add_seed, number, place
from umsn.files import InputError, whole

if TYPE_CHECKING:
    import numpy as np

ABOUT = "draw camera-shake kernels", "umsn kernels 100 --size 21 -o kernels"


def add_options(add: Add) -> None:
    add("count", type=number(1, 100_000), metavar="N", help="how many")
    add("--size", type=number(3, 511), default=13, metavar="PIXELS", help="height and width, odd (default: 13)")
    add_seed(add, "another seed, other kernels")
    add("-o", "--out", type=place, required=True, metavar="DIR", help="folder for kernel-0000.npy, ... and kernels.png")


def run(options: argparse.Namespace) -> None:
    import numpy as np
    import torch
    from PIL import Image

    from umsn.data import blur

    if options.size % 2 == 0:
        raise InputError(f"size {options.size}: expected an odd size")
    drawn = blur.kernels([options.size] * options.count, torch.Generator().manual_seed(options.seed)).numpy()
    for place_, kernel in enumerate(drawn):
        with whole(Path(options.out) / f"kernel-{place_:04d}.npy") as beside, beside.open("wb") as file:
            np.save(file, kernel)
    with whole(Path(options.out) / "kernels.png") as beside:
        Image.fromarray(_sheet(drawn)).save(beside)
    print(
        f"{options.count} kernels of {options.size} x {options.size} in {options.out}, and kernels.png with all of them"
    )


def _sheet(kernels: np.ndarray, gap: int = 2, zoom: int = 4) -> np.ndarray:
    """All kernels (N, k, k) in one grey picture, each as bright as its brightest pixel allows."""
    import numpy as np

    count, size = len(kernels), kernels.shape[-1]
    columns = math.ceil(math.sqrt(count))
    rows, cell = math.ceil(count / columns), size + gap
    sheet = np.full((rows * cell + gap, columns * cell + gap), 64, np.uint8)
    for i, kernel in enumerate(kernels):
        row, column = gap + i // columns * cell, gap + i % columns * cell
        sheet[row : row + size, column : column + size] = np.round(255 * kernel / kernel.max())
    return sheet.repeat(zoom, 0).repeat(zoom, 1)
