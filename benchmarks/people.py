"""Ask the package's networks of drawn people what a chapter shows, and keep the record.

python benchmarks/people.py conditions 40 --json results/measured/conditions.json      (Fig. 17, 18)
python benchmarks/people.py confidences 24 --json results/measured/confidences.json    (Tables VII, VIII)
python benchmarks/people.py readings 24 --json results/measured/readings.json          (the page Readings)
python benchmarks/people.py recognition 100 --json results/measured/recognition.json   (Tables IV, V)
"""

from __future__ import annotations

import argparse

from umsn.evaluation.verify import OTHERS
from umsn.files import write_json

ASKED = ("conditions", "confidences", "readings", "recognition")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("what", choices=ASKED)
    words.add_argument("people", type=int)
    words.add_argument("--json", required=True)
    chosen = words.parse_args()
    record = OTHERS[chosen.what](chosen.people)
    write_json(chosen.json, record)
    for name, rows in record.items():
        if name != "provenance":
            print(name, *rows, sep="\n")


if __name__ == "__main__":
    main()
