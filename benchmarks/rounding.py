"""What does a seventh digit do to methods that estimate a kernel? `python benchmarks/rounding.py --json rounding.json`

Synthetic faces under one kernel of each size are restored, and again after a change of every value by at most 6e-8,
which is what processors round otherwise in 32 bits; with the methods computed in 32 and in 64 bits. What is kept is by
how much PSNR changes. Nothing is timed, so the machine may be busy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from umsn.data.datasets import INNER
from umsn.data.unseen import unseen_faces
from umsn.evaluation import Protocol, blurred_batches, rivals
from umsn.evaluation.metrics import psnr
from umsn.files import write_json
from umsn.records import Timer, provenance

#: How to make the record again.
AGAIN = "run the command. Which images change differs by processor; how many and how far should come out alike"

BITS = {32: torch.float32, 64: torch.float64}


@torch.inference_mode()
def changes(name: str, kind: torch.dtype, blurred: torch.Tensor, sharp: torch.Tensor, times: int) -> torch.Tensor:
    """By how much PSNR of each image changes (dB), (times, B), when images (B, 3, H, W) do in their seventh digit."""
    random = torch.Generator().manual_seed(0)
    deblur = rivals.BLIND[name].deblur
    plain = psnr(deblur(blurred.to(kind)).float(), sharp)
    other = [blurred + 1.2e-7 * (torch.rand(blurred.shape, generator=random) - 0.5) for _ in range(times)]
    return torch.stack([psnr(deblur(images.to(kind)).float(), sharp) - plain for images in other])


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--json", type=Path, required=True)
    words.add_argument("--faces", type=int, default=4, help="synthetic people")
    words.add_argument("--sizes", type=int, nargs="+", default=[13, 19, 25])
    words.add_argument("--times", type=int, default=3, help="changes of each image")
    chosen = words.parse_args()
    protocol = Protocol(chosen.sizes, 1, centre="mass", window=INNER)
    faces = unseen_faces(chosen.faces, seed=0)
    (some,) = blurred_batches(faces, protocol, batch=len(faces) * len(chosen.sizes))
    rows = []
    with Timer() as timer:
        for name in rivals.BLIND:
            for bits, kind in BITS.items():
                moved = changes(name, kind, some.blurred, some.sharp, chosen.times)
                changed = (moved.abs() > 0.01).any(0)
                row = {
                    "method": name,
                    "bits": bits,
                    "images": len(changed),
                    "changed by more than 0.01 dB": int(changed.sum()),
                    "largest change (dB)": round(float(moved.abs().max()), 4),
                    "change of the mean (dB)": round(float(moved.mean(1).abs().max()), 4),
                }
                rows.append(row)
                print(row, flush=True)
    asked = {"faces": chosen.faces, "sizes": chosen.sizes, "times": chosen.times}
    write_json(
        chosen.json, {"provenance": provenance(**asked, seconds=round(timer.seconds, 1), again=AGAIN), "rows": rows}
    )


if __name__ == "__main__":
    main()
