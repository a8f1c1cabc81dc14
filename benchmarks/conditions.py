"""What occlusion and low light cost (Fig. 17, 18), measured on drawn people: keep the record.

python benchmarks/conditions.py --people 40 --json results/measured/conditions.json
"""

from __future__ import annotations

import argparse

from umsn.evaluation import measures
from umsn.files import write_json


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--people", type=int, default=40, metavar="N")
    words.add_argument("--json", required=True)
    chosen = words.parse_args()
    record = measures.conditions(chosen.people)
    write_json(chosen.json, record)
    print(*record["gained"], *record["lost"], sep="\n")


if __name__ == "__main__":
    main()
