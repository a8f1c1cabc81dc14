"""What the commands' options have in common: numbers within bounds, devices, progress on a terminal."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from umsn.files import InputError

#: Those of `recipes` and of `datasets.load`, said again so that help needs no import.
RECIPES = "smoke, laptop, cpu (then cpu-2), gpu-short, gpu or paper"
LAYOUTS = "synthetic, labelmap, folder, helen or celebamask-hq"

#: The largest seed: generators of torch, NumPy and the synthetic faces all take it.
LARGEST_SEED = 2**31 - 1

Add = Callable[..., argparse.Action]  #: adds an argument to a command


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one line, as for every other input; and the bounds of its numbers."""

    def add_argument(self, *names: str, **words: Any) -> argparse.Action:
        if bounds := getattr(words.get("type"), "bounds", None):
            words["help"] = f"{words.get('help', '')}; {bounds[0]:,g} to {bounds[1]:,g}"
        return super().add_argument(*names, **words)

    def error(self, message: str) -> None:
        raise InputError(f"{message} ({self.prog} --help says more)")


def number(low: int, high: int) -> Callable[[str], int]:
    """A whole number from ``low`` to ``high``, both included."""

    def read(text: str) -> int:
        short = len(text) <= 25 and text.isascii() and text.removeprefix("-").isdecimal()
        if not short or not low <= int(text) <= high:
            bounds = f"at least {low} and at most {high}"
            raise argparse.ArgumentTypeError(f"{text[:25]!r}: expected a whole number, {bounds}")
        return int(text)

    read.bounds = low, high
    return read


def decimal(low: float, high: float) -> Callable[[str], float]:
    """A number from ``low`` to ``high``, both included; not nan."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text[:25]!r}: expected a number, at least {low:g} and at most {high:g}")
        return value

    read.bounds = low, high
    return read


def place(text: str) -> str:
    """The path of a file or folder; an empty one is none, nor is what no disk can hold."""
    try:
        fits = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        fits = False
    if not fits or not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r}: expected the path of a file or folder")
    return text


def add_seed(add: Add, what: str) -> None:
    add("--seed", type=number(0, LARGEST_SEED), default=0, metavar="N", help=f"{what} (default: 0)")


def add_layout(add: Add) -> None:
    add("--layout", default="synthetic", help=f"how the folder is laid out: {LAYOUTS} (default: synthetic)")
    add("--limit", type=number(1, 10**9), metavar="N", help="the folder's first N faces only")


def add_fast(add: Add) -> None:
    add("--fast", action="store_true", help="by ONNX Runtime on the CPU, in about half the time (prepared once)")


def add_weights(add: Add, *, folder: bool = False) -> None:
    many = ", or their folder" if folder else ""
    add(
        "--weights",
        type=place,
        metavar="FILE",
        help=f"networks trained with umsn train{many} (default: those of the package)",
    )


def bar(unit: str) -> Callable[[int, int], None]:
    """A progress bar on a terminal, told how many are done and how many there are."""
    from tqdm import tqdm

    shown = tqdm(unit=unit, disable=not sys.stderr.isatty(), leave=False)

    def tell(done: int, count: int) -> None:
        shown.total = count
        shown.update(done - shown.n)

    return tell
