"""How sure UMSN's confidence network is, over its training and over kernel sizes (Tables VII, VIII): keep the record.

python benchmarks/confidence.py --people 24 --json results/measured/confidences.json
"""

from __future__ import annotations

import argparse

from umsn.evaluation import measures
from umsn.files import write_json


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--people", type=int, default=24, metavar="N")
    words.add_argument("--json", required=True)
    chosen = words.parse_args()
    record = measures.confidences(chosen.people)
    write_json(chosen.json, record)
    print(*record["training"], *record["grown"], *record["lower"], sep="\n")


if __name__ == "__main__":
    main()
