"""Is a restored face still the same person's (Tables IV, V), on drawn people and with our descriptor: keep the record.

python benchmarks/recognition.py --people 100 --json results/measured/recognition.json
"""

from __future__ import annotations

import argparse

from umsn.evaluation.recognised import recognised
from umsn.files import write_json


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--people", type=int, default=100, metavar="N")
    words.add_argument("--json", required=True)
    chosen = words.parse_args()
    record = recognised(chosen.people)
    write_json(chosen.json, record)
    print(*(row for name in ("top", "distance", "gain", "nearer") for row in record[name]), sep="\n")


if __name__ == "__main__":
    main()
