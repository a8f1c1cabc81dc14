"""The command line: `umsn deblur | evaluate | train | draw | kernels`. It parses and prints; the library does the work.

Exit code 0 where all went well, 2 where an input could not be used, 130 where the user interrupted. What takes long to
import is imported by the command that needs it, so that `umsn --help` is there at once.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import umsn
from umsn.files import InputError, whole, write_json

if TYPE_CHECKING:
    import numpy as np

    from umsn.faces import FaceSet, Window

#: Those of `datasets.load`, said again so that help needs no import.
LAYOUTS = "synthetic, labelmap, folder, helen or celebamask-hq"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; ``arguments`` are the command line's where None. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except InputError as error:
        return _bad(error)
    except BrokenPipeError:  # `umsn ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _bad(f"{error.filename or 'file'}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("umsn: interrupted", file=sys.stderr)
        return 130


def _bad(error: InputError | str) -> int:
    print(f"umsn: {error}", file=sys.stderr)
    return 2


def _deblur(options: argparse.Namespace) -> int:
    box = _box(options.box)
    from umsn.restore import restore_all
    from umsn.weights import pipeline, shipped

    networks = pipeline(options.weights) if options.weights else shipped()
    reports = restore_all(options.photo, options.out, lambda x: networks(x).restored, box=box, whole=options.whole)
    code = 0
    for report in reports:
        if report.error is not None:
            code = _bad(report.error)
            continue
        where = ", ".join(f"{f.row},{f.column},{f.height},{f.width}" for f in report.frames)
        if not where:
            where = "the whole picture" + (
                "" if options.whole else ", since no face was found (--box says where one is)"
            )
        print(f"{report.photo} -> {report.result}: {where}; {report.seconds:.1f} s", flush=True)
    return code


def _box(text: str | None) -> Window | None:
    from umsn.faces import Window

    if text is None:
        return None
    try:
        box = Window(*(int(part) for part in text.split(",")))
    except (TypeError, ValueError):
        box = Window(0, 0, 0, 0)
    if min(box.height, box.width) < 1:
        raise InputError(f"box {text!r}: expected ROW,COLUMN,HEIGHT,WIDTH in pixels, for instance 58,161,124,124")
    return box


def _evaluate(options: argparse.Namespace) -> None:
    from umsn.evaluation import run

    record = run(
        method=options.method, faces=options.faces, layout=options.layout, window=options.window, sizes=options.sizes,
        kernels=options.kernels, noise=options.noise, seed=options.seed, centre=options.centre, limit=options.limit,
        weights=options.weights, device=_device(options.device), progress=_progress,
    )  # fmt: skip
    if options.json:
        write_json(options.json, record)
    print(f"{'method':10}{'measure':18}{'mean':>10}   95% interval")
    for row in record["summary"]["by_method"]:
        if row["measure"] in ("psnr", "ssim", "ssim_volumetric"):
            mean, low, high = (f"{row[name]:.3f}" if row[name] is not None else "-" for name in ("mean", "low", "high"))
            print(f"{row['method']:10}{row['measure']:18}{mean:>10}   {low} .. {high}")


def _progress(done: int, count: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {count} pictures", end="\n" if done == count else "", file=sys.stderr, flush=True)


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device {name!r}: no such device here; expected cpu")
    return name


def _together(device: str) -> str:
    """Join the processes that torchrun started, if it did; the device of this one."""
    if "WORLD_SIZE" not in os.environ:
        return device
    import torch

    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return device


def _part() -> None:
    """Leave the processes that `_together` joined."""
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _train(options: argparse.Namespace) -> None:
    from umsn import stages
    from umsn.deblurring import METHODS
    from umsn.recipes import recipe
    from umsn.records import provenance

    chosen = recipe(options.recipe)
    names = options.stage or (["umsn"] if options.start else list(stages.UP_TO_UMSN))
    if unknown := [name for name in names if name not in stages.STAGES]:
        raise InputError(f"stage {unknown[0]!r}: expected one of {', '.join(stages.STAGES)}")
    if options.minutes is not None and not options.minutes > 0:
        raise InputError(f"minutes {options.minutes:g}: expected more than 0")
    device, features = _together(_device(options.device)), None
    if options.perceptual:
        from umsn.recognition.descriptor import shipped_descriptor

        features = shipped_descriptor(device).features
    start = Path(options.start) if options.start else None
    run = stages.Run(Path(options.out), chosen, options.seed, features, start)
    faces = _training_faces(options, chosen.faces)
    try:
        stages.train(run, faces, stages=names, device=device, minutes=options.minutes)
    finally:
        _part()
    if int(os.environ.get("RANK", 0)) > 0:
        return
    for name in names:
        if name.split("-")[0] in METHODS and run.checkpoint(name).exists():
            path = run.folder / "pretrained" / f"{name}.safetensors"
            stages.export(run, name, path, {"provenance": provenance()})
            print(f"{path}: for umsn deblur --weights and umsn evaluate --weights")


def _training_faces(options: argparse.Namespace, count: int) -> FaceSet:
    """The folder's faces, or drawn ones with 16 pixels around them, so that a blur has no border."""
    text = options.faces or str(count)
    if not text.isdigit():
        from umsn.datasets import load

        return load(text, layout=options.layout, limit=options.limit)
    from umsn.synthetic import faces

    print(f"drawing {text} faces", flush=True)
    return faces(int(text), seed=options.seed, margin=16)


def _draw(options: argparse.Namespace) -> None:
    from umsn.datasets import save
    from umsn.synthetic import faces

    if options.count < 1:
        raise InputError(f"{options.count} faces: expected at least 1")
    save(faces(options.count, seed=options.seed, size=options.size), options.out)
    print(f"{options.count} faces in {options.out}: images, labels (Helen's ids 0..10) and identities.csv")


def _kernels(options: argparse.Namespace) -> None:
    import numpy as np
    import torch
    from PIL import Image

    from umsn.blur import kernels

    if options.count < 1 or options.size < 3 or options.size % 2 == 0:
        raise InputError(f"{options.count} kernels of size {options.size}: expected at least 1, and an odd size from 3")
    drawn = kernels([options.size] * options.count, torch.Generator().manual_seed(options.seed)).numpy()
    for number, kernel in enumerate(drawn):
        with whole(Path(options.out) / f"kernel-{number:04d}.npy") as beside, beside.open("wb") as file:
            np.save(file, kernel)
    with whole(Path(options.out) / "kernels.png") as beside:
        Image.fromarray(_sheet(drawn)).save(beside)
    print(
        f"{options.count} kernels of {options.size} x {options.size} in {options.out}, and kernels.png with all of them"
    )


def _sheet(kernels: np.ndarray, gap: int = 2, zoom: int = 4) -> np.ndarray:
    """All kernels (N, k, k) in one grey picture, each as bright as its brightest pixel allows."""
    import numpy as np

    count, size = len(kernels), kernels.shape[-1]
    columns = math.ceil(math.sqrt(count))
    rows, cell = math.ceil(count / columns), size + gap
    sheet = np.full((rows * cell + gap, columns * cell + gap), 64, np.uint8)
    for i, kernel in enumerate(kernels):
        row, column = gap + i // columns * cell, gap + i % columns * cell
        sheet[row : row + size, column : column + size] = np.round(255 * kernel / kernel.max())
    return sheet.repeat(zoom, 0).repeat(zoom, 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="umsn", description=umsn.__doc__, epilog="umsn COMMAND --help says more.")
    parser.add_argument("--version", action="version", version=f"umsn {umsn.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    add = _command(commands, _deblur, "deblur the faces of photographs", "umsn deblur holiday.jpg scan.tif -o sharp")
    add("photo", nargs="+", metavar="PHOTO", help="a picture: JPEG, PNG, TIFF, WebP, BMP, GIF, ...")
    add("-o", "--out", default="deblurred", metavar="DIR", help="folder for the results, as PNG (default: deblurred)")
    add("--box", metavar="R,C,H,W", help="the face: first row, first column, height, width; eyes a third from the top")
    add("--whole", action="store_true", help="take the whole picture for the face, instead of searching one")
    add("--weights", metavar="FILE", help="networks trained with umsn train (default: those of the package)")

    add = _command(
        commands, _evaluate, "measure methods on blurred faces",
        "umsn evaluate --method blurred,umsn --faces 100 --json rows.json",
    )  # fmt: skip
    add("--method", default="umsn", help="blurred, bnet, maps, nrl or umsn; several with commas (default: umsn)")
    add("--faces", default="20", metavar="FOLDER|N", help="a folder of sharp faces, or how many to draw (default: 20)")
    _add_layout(add)
    add("--window", metavar="R,C,H,W", help="part of each picture that is measured: row, column, height, width")
    add("--sizes", default="13:27:2", help="kernel sizes, FIRST:LAST:STEP or A,B,C (default: 13:27:2)")
    add("--kernels", type=int, default=10, metavar="N", help="kernels of each size (default: 10)")
    add("--centre", default="box", help="where a kernel has its middle: its path's box, or its mass (default: box)")
    add("--noise", type=float, default=0.01, metavar="SIGMA", help="standard deviation, of [0, 1] (default: 0.01)")
    add("--seed", type=int, default=0, help="of kernels, noise and drawn faces (default: 0)")
    add("--weights", metavar="FILE", help="networks trained with umsn train (default: those of the package)")
    add("--device", default="auto", help="cpu, cuda, or auto (default)")
    add("--json", metavar="FILE", help="write all rows, their means and where they come from")

    add = _command(
        commands, _train, "train the networks, stage by stage; the same command goes on where it was interrupted",
        "umsn train --recipe laptop --out run --minutes 30",
    )  # fmt: skip
    add("--recipe", default="laptop", help="smoke, laptop, cpu, gpu or paper (default: laptop)")
    add("-o", "--out", required=True, metavar="DIR", help="folder for checkpoints and trained networks")
    add("--faces", metavar="FOLDER|N", help="a folder of labelled faces, or how many to draw (default: the recipe's)")
    _add_layout(add)
    add("--stage", action="append", metavar="NAME", help="run this stage only; may be repeated (default: up to umsn)")
    add("--start", metavar="FILE", help="go on from exported weights, with stage umsn unless another is named")
    add("--perceptual", action="store_true", help="add the loss of Eq. 5, with the package's face descriptor")
    add("--minutes", type=float, metavar="M", help="stop after so long, whatever the recipe says")
    add("--seed", type=int, default=0, help="of everything drawn (default: 0)")
    add("--device", default="auto", help="cpu, cuda, or auto (default)")

    add = _command(commands, _draw, "draw labelled faces", "umsn draw 100 --seed 7 -o faces")
    add("count", type=int, metavar="N", help="how many; four of each person")
    add("--seed", type=int, default=0, help="another seed, other people (default: 0)")
    add("--size", type=int, default=128, metavar="PIXELS", help="height and width (default: 128)")
    add("-o", "--out", required=True, metavar="DIR", help="folder for images/, labels/ and identities.csv")

    add = _command(commands, _kernels, "draw camera-shake kernels", "umsn kernels 100 --size 21 -o kernels")
    add("count", type=int, metavar="N", help="how many")
    add("--size", type=int, default=13, metavar="PIXELS", help="height and width, odd (default: 13)")
    add("--seed", type=int, default=0, help="(default: 0)")
    add("-o", "--out", required=True, metavar="DIR", help="folder for kernel-0000.npy, ... and kernels.png")
    return parser


def _command(commands: argparse._SubParsersAction, run: Callable, about: str, example: str) -> Callable:
    """A sub-command, named like the function that runs it; what is returned adds an argument to it."""
    parser = commands.add_parser(
        run.__name__.strip("_"), help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=f"Example: {example}"
    )
    parser.set_defaults(run=run)
    return parser.add_argument


def _add_layout(add: Callable) -> None:
    add("--layout", default="synthetic", help=f"how the folder is laid out: {LAYOUTS} (default: synthetic)")
    add("--limit", type=int, metavar="N", help="the folder's first N faces only")
