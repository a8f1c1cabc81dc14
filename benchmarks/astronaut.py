"""The astronaut's face under real camera shake: blur, deblur, measure, and keep the record.

    python benchmarks/astronaut.py --kernels levin09.npz --json results/measured/astronaut.json

The kernels are arrays in an .npz file, odd and with sum 1: those of Levin et al. (2009) were measured from real shake.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import skimage
import torch

from umsn import blur, metrics, restore, weights
from umsn.files import write_json
from umsn.records import provenance

SIGMA = 0.01


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--kernels", type=Path, required=True)
    words.add_argument("--json", type=Path, required=True)
    chosen = words.parse_args()
    photo = torch.from_numpy(skimage.data.astronaut()).movedim(-1, 0).float() / 255
    frame = restore.find_faces(photo)[0]
    face = torch.nn.functional.interpolate(frame.crop(photo)[None], size=(128, 128), mode="area")
    pipeline = weights.shipped()
    rows = []
    with np.load(chosen.kernels) as kernels:
        for name, kernel in kernels.items():
            generator = torch.Generator().manual_seed(0)
            blurred = blur.add_noise(blur.blur(face, torch.from_numpy(kernel)[None]), SIGMA, generator)
            restored = pipeline(blurred).restored
            before, after = (float(metrics.psnr(image, face)) for image in (blurred, restored))
            rows.append({"kernel": name, "size": len(kernel), "blurred": round(before, 3), "umsn": round(after, 3)})
            print(rows[-1])
    means = {key: round(sum(row[key] for row in rows) / len(rows), 3) for key in ("blurred", "umsn")}
    print("mean", means)
    about = provenance(source="skimage.data.astronaut, its face at 128x128", frame=list(frame), sigma=SIGMA, seed=0)
    write_json(chosen.json, {"provenance": about, "psnr": rows, "mean psnr": means})


if __name__ == "__main__":
    main()
