"""Score S-Nets on labelled faces, sharp and blurred (Table II), and keep the record.

    python benchmarks/masks.py --faces FOLDER --layout labelmap --window 28,16,128,128 --kernels 1 \\
        --json results/measured/masks-real.json [--parser NAME=CHECKPOINT ...]

The S-Net of the package is always scored; --parser adds one that `umsn train` left (parse-clean.safetensors, say).
"""

from __future__ import annotations

import argparse

from umsn.evaluation import measures
from umsn.files import write_json


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--faces", required=True)
    words.add_argument("--layout", default="labelmap")
    words.add_argument("--window")
    words.add_argument("--kernels", type=int, default=1)
    words.add_argument("--json", required=True)
    words.add_argument("--parser", action="append", default=[], metavar="NAME=CHECKPOINT")
    chosen = words.parse_args()
    parsers = dict(pair.split("=", 1) for pair in chosen.parser)
    asked = {"layout": chosen.layout, "window": chosen.window, "kernels": chosen.kernels}
    record = measures.masks(chosen.faces, **asked, parsers=parsers)
    write_json(chosen.json, record)
    print(*record["f_scores"], sep="\n")


if __name__ == "__main__":
    main()
