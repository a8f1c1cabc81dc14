"""`umsn kernels`: camera-shake kernels, as arrays and as one image of all."""

from __future__ import annotations

import argparse
import io
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from umsn.cli.options import Add, add_seed, number, place
from umsn.files import InputError, check_folder, check_place, shown, whole

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
    from umsn.marks import is_marked, marked

    if options.size % 2 == 0:
        raise InputError(f"size {options.size}: expected an odd size")
    names = [f"kernel-{i:04d}.npy" for i in range(options.count)]
    check_folder(options.out)
    for name in (*names, "kernels.png"):
        if os.path.lexists(Path(options.out) / name):
            check_place(Path(options.out) / name, ours=is_marked if name.endswith("png") else _is_kernel)
    drawn = blur.kernels([options.size] * options.count, torch.Generator().manual_seed(options.seed)).numpy()
    for name, kernel in zip(names, drawn, strict=True):
        with whole(Path(options.out) / name) as beside, beside.open("wb") as file:
            np.save(file, kernel)
    picture = io.BytesIO()
    Image.fromarray(_sheet(drawn)).save(picture, format="PNG")
    with whole(Path(options.out) / "kernels.png") as beside:
        beside.write_bytes(marked(picture.getvalue()))
    what = f"{options.count} kernels of {options.size} x {options.size}"
    print(f"{what} in {shown(options.out)}, and kernels.png with all of them")


def _is_kernel(content: bytes) -> bool:
    """Whether a file's content is an array as this command writes it: 32-bit numbers in a square."""
    head = re.match(rb"\x93NUMPY\x01\x00..\{'descr': '<f4', .*'shape': \((\d+), (\d+)\)", content, re.S)
    return head is not None and head[1] == head[2]


def _sheet(kernels: np.ndarray, gap: int = 2, zoom: int = 4) -> np.ndarray:
    """All kernels (N, k, k) in one grey image, each as bright as its brightest pixel allows."""
    import numpy as np

    count, size = len(kernels), kernels.shape[-1]
    columns = math.ceil(math.sqrt(count))
    rows, cell = math.ceil(count / columns), size + gap
    sheet = np.full((rows * cell + gap, columns * cell + gap), 64, np.uint8)
    for i, kernel in enumerate(kernels):
        row, column = gap + i // columns * cell, gap + i % columns * cell
        sheet[row : row + size, column : column + size] = np.round(255 * kernel / kernel.max())
    return sheet.repeat(zoom, 0).repeat(zoom, 1)
