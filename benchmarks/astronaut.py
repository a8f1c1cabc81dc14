"""The astronaut's face under real camera shake: blur, deblur, measure, and keep the record.

    python benchmarks/astronaut.py --kernels levin09.npz --json results/measured/astronaut.json

The kernels are arrays in an .npz file, odd and with sum 1: those of Levin et al. (2009) were measured from real shake.
"""

from __future__ import annotations

import argparse

from umsn.evaluation import measures
from umsn.files import write_json


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--kernels", required=True)
    words.add_argument("--json", required=True)
    chosen = words.parse_args()
    record = measures.astronaut(chosen.kernels)
    write_json(chosen.json, record)
    print(*record["psnr"], record["mean psnr"], sep="\n")


if __name__ == "__main__":
    main()
