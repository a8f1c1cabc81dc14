"""`umsn verify`: does a record still hold?"""

from __future__ import annotations

import argparse

from umsn.cli.options import Add, bar, number, place

ABOUT = "measure a record again and say whether it holds", "umsn verify evaluate-umsn-drawn --limit 4"


def add_options(add: Add) -> None:
    add(
        "record",
        type=place,
        metavar="RECORD",
        help="a name in results/measured, or a file that umsn evaluate or measure wrote",
    )
    add("--faces", type=place, metavar="FOLDER", help="the faces, where the record was not made with synthetic ones")
    add("--kernels", type=place, metavar="FILE", help="the kernels, where the record was made with a file of them")
    add(
        "--weights",
        type=place,
        metavar="FILE|FOLDER",
        help="the networks, where their digest is not known",
    )
    add("--descriptor", type=place, metavar="FILE", help="who judged, where it was not the package's descriptor")
    add("--limit", type=number(1, 10**9), metavar="N", help="the record's first N faces only")
    add("--device", default="cpu", help="cpu (default), cuda, or auto")


def run(options: argparse.Namespace) -> int:
    from umsn.experiments.verify import verify
    from umsn.files import shown
    from umsn.processes import device_called

    verdict = verify(
        options.record,
        faces=options.faces,
        kernels=options.kernels,
        weights=options.weights,
        descriptor=options.descriptor,
        limit=options.limit,
        device=device_called(options.device),
        progress=bar("picture"),
    )
    state = "holds" if verdict.holds else f"does not hold ({verdict.why})"
    equal = f"{verdict.equal} of {verdict.rows} rows (or numbers) are equal to the last digit"
    print(f"{shown(options.record)}: {shown(state)}; {equal}, the largest difference is {verdict.largest:.2g}")
    return 0 if verdict.holds else 1
