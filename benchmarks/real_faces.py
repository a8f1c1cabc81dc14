"""Record how real faces are distributed, as curves that hold no picture; the chapter on faces plots ours beside them.

    python benchmarks/real_faces.py FOLDER [--window 28,16,128,128] [--layout labelmap]

FOLDER holds images/ and labels/ with CelebAMask-HQ's ids. Writes results/measured/real_face_statistics.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from umsn import datasets
from umsn.evaluation import parse_window
from umsn.figures.walk import DIFFERENCES, picture_statistics
from umsn.files import write_json
from umsn.records import Timer, provenance

#: How to make the record again.
AGAIN = "run the command on 100 photographs of CelebAMask-HQ, framed as `window` says; their hash is `data`"


def main() -> None:
    """Parse the command line, measure, write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--window", type=parse_window, default="28,16,128,128")
    parser.add_argument("--layout", default="labelmap")
    options = parser.parse_args()
    faces = datasets.load(options.folder, layout=options.layout, window=options.window)
    with Timer() as timer:
        curves = picture_statistics(faces)
    about = {"faces": len(faces), "data": datasets.data_hash(faces), "window": list(options.window)}
    record = {
        "provenance": provenance(**about, again=AGAIN, seconds=round(timer.seconds, 1)),
        "differences": [float(f"{edge:.4g}") for edge in DIFFERENCES],
        **{name: [float(f"{value:.4g}") for value in values] for name, values in curves.items()},
    }
    write_json(Path(__file__).parent.parent / "results/measured/real_face_statistics.json", record)


if __name__ == "__main__":
    main()
