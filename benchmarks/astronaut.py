"""The astronaut's face under real camera shake: blur, deblur, measure, and keep the record.

    python benchmarks/astronaut.py --kernels levin09.npz --json results/measured/astronaut.json

The kernels are arrays in an .npz file, odd and with sum 1: those of Levin et al. (2009) were measured from real shake.
Each is used as it is, and once more with its mass moved to the middle by whole pixels: nothing in a blurred picture
says where the picture was, so the first number holds a shift that no blind method can undo, and the second does not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import skimage
import torch

from umsn import blur, finding, metrics, weights
from umsn.files import write_json
from umsn.records import provenance

SIGMA = 0.01


def centred(kernel: np.ndarray) -> np.ndarray:
    """The kernel with a border, and its mass moved to the middle by whole pixels."""
    half = len(kernel) // 2
    wide = np.pad(kernel, half)
    middle = len(wide) // 2
    offsets = [round(float((kernel.sum(1 - axis) * (np.arange(len(kernel)) - half)).sum())) for axis in (0, 1)]
    moved = np.roll(wide, [-offset for offset in offsets], (0, 1))
    reach = max(np.abs(np.argwhere(moved > 0) - middle).max(), 1)
    return moved[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--kernels", type=Path, required=True)
    words.add_argument("--json", type=Path, required=True)
    chosen = words.parse_args()
    photo = torch.from_numpy(skimage.data.astronaut()).movedim(-1, 0).float() / 255
    frame = finding.find_faces(photo)[0]
    face = torch.nn.functional.interpolate(frame.crop(photo)[None], size=(128, 128), mode="area")
    pipeline = weights.shipped()
    rows = []
    with np.load(chosen.kernels) as kernels:
        for name, kernel in kernels.items():
            row = {"kernel": name, "size": len(kernel)}
            for what, k in (("", kernel), (", centred", centred(kernel))):
                generator = torch.Generator().manual_seed(0)
                blurred = blur.add_noise(blur.blur(face, torch.from_numpy(k)[None]), SIGMA, generator)
                found = {"blurred": blurred, "umsn": pipeline(blurred).restored}
                row |= {method + what: round(float(metrics.psnr(image, face)), 3) for method, image in found.items()}
            rows.append(row)
            print(row)
    scores = [key for key in rows[0] if key not in ("kernel", "size")]
    means = {key: round(sum(row[key] for row in rows) / len(rows), 3) for key in scores}
    print("mean", means)
    source = "skimage.data.astronaut, its face at 128x128"
    about = provenance(source=source, frame=list(frame), sigma=SIGMA, seed=0, weights={"umsn": pipeline.digest})
    write_json(chosen.json, {"provenance": about, "psnr": rows, "mean psnr": means})


if __name__ == "__main__":
    main()
