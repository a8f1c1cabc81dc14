"""`umsn draw`: labelled synthetic faces."""

from __future__ import annotations

import argparse

from umsn.cli.options import Add, add_seed, number, place
from umsn.files import shown

ABOUT = "draw labelled faces", "umsn draw 100 --seed 7 -o faces"


def add_options(add: Add) -> None:
    add("count", type=number(1, 1_000_000), metavar="N", help="how many; four of each person")
    add_seed(add, "another seed, other people")
    add("--size", type=number(32, 2048), default=128, metavar="PIXELS", help="height and width (default: 128)")
    add("-o", "--out", type=place, required=True, metavar="DIR", help="folder for images/, labels/ and identities.csv")


def run(options: argparse.Namespace) -> None:
    from umsn.data.datasets import check_ours, save
    from umsn.data.synthetic import faces

    check_ours(options.out, [f"id{k // 4:04d}-{k % 4:02d}" for k in range(options.count)])
    save(faces(options.count, seed=options.seed, size=options.size), options.out)
    print(f"{options.count} faces in {shown(options.out)}: images, labels (Helen's ids 0..10) and identities.csv")
