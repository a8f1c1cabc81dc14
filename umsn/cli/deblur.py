"""`umsn deblur`: the faces of photographs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from umsn.cli.options import Add, add_fast, add_weights, number, place

if TYPE_CHECKING:
    from torch import Tensor

    from umsn.networks.weights import Pipeline
    from umsn.photos.restore import Report

ABOUT = "deblur the faces of photographs", "umsn deblur holiday.jpg scan.tif -o sharp"


def add_options(add: Add) -> None:
    add("photo", nargs="+", type=place, metavar="PHOTO", help="a JPEG, PNG, TIFF, WebP, ... or a folder of them")
    add(
        "-o",
        "--out",
        type=place,
        default="deblurred",
        metavar="DIR",
        help="folder for the results, as PNG (default: deblurred)",
    )
    add("--box", metavar="R,C,H,W", help="the face: first row, first column, height, width; eyes a third from the top")
    add("--whole", action="store_true", help="take the whole image for the face, instead of searching one")
    add("--method", help="cho, krishnan, pan, shan, xu or zhong, which need no training, in place of the networks")
    add_weights(add)
    add(
        "--batch",
        type=number(1, 1024),
        default=1,
        metavar="N",
        help="faces deblurred together; pays on a GPU (default: 1)",
    )
    add_fast(add)
    add("--device", default="cpu", help="cpu (default), cuda, or auto")


def run(options: argparse.Namespace) -> int:
    from umsn.faces import Window
    from umsn.files import check_folder, shown

    box = None
    if options.box is not None:
        box = Window.parse(options.box, what="box", inside=False, least=1)
    from tqdm import tqdm

    from umsn.photos.restore import photos_in, restore_all
    from umsn.processes import device_called

    photos, device = photos_in(options.photo), device_called(options.device)
    check_folder(options.out)
    deblur = _untrained(options) if options.method else _restorer(_networks(options, device), device, options.fast)
    reports = restore_all(photos, options.out, deblur, box=box, whole=options.whole, batch=options.batch)
    code, silent = 0, len(photos) < 4 or not sys.stderr.isatty()
    for report in tqdm(reports, total=len(photos), unit="photo", disable=silent, leave=False):
        if report.error is not None:
            tqdm.write(f"umsn: {report.error}", file=sys.stderr)
            code = 2
            continue
        where = f"{_where(report, options.whole)}; {report.seconds:.1f} s"
        lost = f" (not kept: {', '.join(report.dropped)})" if report.dropped else ""
        tqdm.write(f"{shown(report.photo)} -> {shown(report.result)}: {where}{lost}")
        sys.stdout.flush()
    return code


def _networks(options: argparse.Namespace, device: str) -> Pipeline:
    from umsn.networks.weights import pipeline, shipped

    return pipeline(options.weights, device) if options.weights else shipped(device=device)


def _untrained(options: argparse.Namespace) -> Callable[[Tensor], Tensor]:
    """A rival that needs no training, by its name."""
    from umsn.evaluation.methods import UNTRAINED
    from umsn.files import InputError

    names = [name for name in UNTRAINED if name != "blurred"]
    if options.method not in names:
        raise InputError(f"method {options.method!r}: expected one of {', '.join(names)}")
    if options.weights or options.fast:
        raise InputError(f"method {options.method}: has no networks; --weights and --fast are for trained ones")
    return UNTRAINED[options.method]


def _where(report: Report, whole: bool) -> str:
    """What part of the photograph was worked on, in words."""
    if report.frames:
        return ", ".join(f"{f.row},{f.column},{f.height},{f.width}" for f in report.frames)
    return "the whole image" if whole else "the whole image, since no face was found (--box says where one is)"


def _restorer(networks: Pipeline, device: str, fast: bool) -> Callable[[Tensor], Tensor]:
    """What restores images, on the device or by ONNX Runtime; both take and give them on the CPU."""
    from umsn.evaluation.methods import restoring

    method = restoring(networks, fast=fast)
    return lambda blurred: method(blurred.to(device)).cpu()
