"""The command line: `umsn deblur | evaluate | verify | train | draw | kernels`. It parses; the library does the work.

Exit code 0 where all went well, 1 where a record does not hold, 2 where an input could not be used, 130 where the user
interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

import umsn
from umsn.commands import deblur, draw, evaluate, kernels, train, verify
from umsn.files import InputError

#: Those of `recipes` and of `datasets.load`, said again so that help needs no import.
RECIPES = "smoke, laptop, cpu (then cpu-2), gpu-short, gpu or paper"
LAYOUTS = "synthetic, labelmap, folder, helen or celebamask-hq"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; ``arguments`` are the command line's where None. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (InputError, FloatingPointError) as error:
        return _bad(error)
    except BrokenPipeError:  # `umsn ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _bad(f"{error.filename or 'file'}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("umsn: interrupted", file=sys.stderr)
        return 130


def _bad(error: Exception | str) -> int:
    print(f"umsn: {error}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="umsn", description=umsn.__doc__, epilog="umsn COMMAND --help says more.")
    parser.add_argument("--version", action="version", version=f"umsn {umsn.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    add = _command(commands, deblur, "deblur the faces of photographs", "umsn deblur holiday.jpg scan.tif -o sharp")
    add("photo", nargs="+", metavar="PHOTO", help="a picture (JPEG, PNG, TIFF, WebP, ...) or a folder of them")
    add("-o", "--out", default="deblurred", metavar="DIR", help="folder for the results, as PNG (default: deblurred)")
    add("--box", metavar="R,C,H,W", help="the face: first row, first column, height, width; eyes a third from the top")
    add("--whole", action="store_true", help="take the whole picture for the face, instead of searching one")
    add("--weights", metavar="FILE", help="networks trained with umsn train (default: those of the package)")
    add("--batch", type=int, default=1, metavar="N", help="faces deblurred together; pays on a GPU (default: 1)")
    add("--fast", action="store_true", help="by ONNX Runtime on the CPU, in about half the time (prepared once)")
    add("--device", default="cpu", help="cpu (default), cuda, or auto")

    add = _command(
        commands, evaluate, "measure methods on blurred faces",
        "umsn evaluate --method blurred,umsn --faces 100 --json rows.json",
    )  # fmt: skip
    add(
        "--method",
        default="umsn",
        help="blurred, krishnan, xu, bnet, maps, nrl, umsn; several with commas (default: umsn)",
    )
    add("--faces", default="20", metavar="FOLDER|N", help="a folder of sharp faces, or how many to draw (default: 20)")
    _add_layout(add)
    add("--window", metavar="R,C,H,W", help="part of each picture that is measured: row, column, height, width")
    add("--sizes", default="13:27:2", help="kernel sizes, FIRST:LAST:STEP or A,B,C (default: 13:27:2)")
    add("--kernels", type=int, default=10, metavar="N", help="kernels of each size (default: 10)")
    add("--centre", default="box", help="where a kernel has its middle: its path's box, or its mass (default: box)")
    add("--noise", type=float, default=0.01, metavar="SIGMA", help="standard deviation, of [0, 1] (default: 0.01)")
    add("--seed", type=int, default=0, help="of kernels, noise and drawn faces (default: 0)")
    add("--weights", metavar="FILE", help="networks trained with umsn train (default: those of the package)")
    add("--fast", action="store_true", help="by ONNX Runtime on the CPU, in about half the time (prepared once)")
    add("--device", default="auto", help="cpu, cuda, or auto (default)")
    add("--json", metavar="FILE", help="write all rows, their means and where they come from")

    add = _command(
        commands, verify, "measure a record again and say whether it holds",
        "umsn verify results/measured/evaluate-umsn-drawn.json --limit 4",
    )  # fmt: skip
    add("record", metavar="RECORD", help="a file of results/measured, or one that umsn evaluate --json wrote")
    add("--faces", metavar="FOLDER", help="the faces, where the record was not made with drawn ones")
    add("--kernels", metavar="FILE", help="the kernels, where the record was made with a file of them")
    add("--weights", metavar="FILE", help="the networks, where they were not those of the package")
    add("--limit", type=int, metavar="N", help="the record's first N faces only")
    add("--device", default="cpu", help="cpu (default), cuda, or auto")

    add = _command(
        commands, train, "train the networks, stage by stage; the same command goes on where it was interrupted",
        "umsn train --recipe laptop --out run --minutes 30",
    )  # fmt: skip
    add("--recipe", default="laptop", help=f"{RECIPES} (default: laptop)")
    add("-o", "--out", required=True, metavar="DIR", help="folder for checkpoints and trained networks")
    add("--faces", metavar="FOLDER|N", help="a folder of labelled faces, or how many to draw (default: the recipe's)")
    _add_layout(add)
    add("--validate", default="16", metavar="FOLDER|N", help="faces measured along the way, or how many to draw (16)")
    add("--stage", action="append", metavar="NAME", help="run this stage only; may be repeated (default: up to umsn)")
    add("--all", action="store_true", help="run all stages: up to umsn, then the other rows of Table VI")
    add("--from", dest="start", metavar="FILE", help="go on from exported weights, with stage umsn if none is named")
    add("--perceptual", action="store_true", help="add the loss of Eq. 5, with the package's face descriptor")
    add("--precision", default="auto", help="float32, bfloat16, or auto (default): bfloat16 where the hardware has it")
    add("--compile", action="store_true", help="have torch compile the networks' blocks: a slow start, then faster")
    add("--minutes", type=float, metavar="M", help="stop after so long, whatever the recipe says")
    add("--seed", type=int, default=0, help="of everything drawn (default: 0)")
    add("--device", default="auto", help="cpu, cuda, or auto (default)")

    add = _command(commands, draw, "draw labelled faces", "umsn draw 100 --seed 7 -o faces")
    add("count", type=int, metavar="N", help="how many; four of each person")
    add("--seed", type=int, default=0, help="another seed, other people (default: 0)")
    add("--size", type=int, default=128, metavar="PIXELS", help="height and width (default: 128)")
    add("-o", "--out", required=True, metavar="DIR", help="folder for images/, labels/ and identities.csv")

    add = _command(commands, kernels, "draw camera-shake kernels", "umsn kernels 100 --size 21 -o kernels")
    add("count", type=int, metavar="N", help="how many")
    add("--size", type=int, default=13, metavar="PIXELS", help="height and width, odd (default: 13)")
    add("--seed", type=int, default=0, help="(default: 0)")
    add("-o", "--out", required=True, metavar="DIR", help="folder for kernel-0000.npy, ... and kernels.png")
    return parser


def _command(commands: argparse._SubParsersAction, run: Callable, about: str, example: str) -> Callable:
    """A sub-command, named like the function that runs it; what is returned adds an argument to it."""
    parser = commands.add_parser(
        run.__name__, help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=f"Example: {example}"
    )
    parser.set_defaults(run=run)
    return parser.add_argument


def _add_layout(add: Callable) -> None:
    add("--layout", default="synthetic", help=f"how the folder is laid out: {LAYOUTS} (default: synthetic)")
    add("--limit", type=int, metavar="N", help="the folder's first N faces only")
