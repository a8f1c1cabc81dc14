"""`umsn measure`: any record of the book."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from umsn.cli.options import Add, Parser, place

ABOUT = "make a record of the book", "umsn measure conditions --people 40 --json conditions.json"

#: Those of `umsn.experiments.catalogue`, said again so that help needs no import.
NAMES = (
    "astronaut, choices, conditions, confidences, curves, descriptor, evaluate, masks, readings, recognition, "
    "relative, seeds, statistics, training"
)


def add_options(add: Add) -> None:
    add("name", metavar="NAME", help=f"{NAMES}; umsn measure NAME --help says what it asks")
    add("words", nargs=argparse.REMAINDER, metavar="...", help="its options, and --json FILE for the record")


def run(options: argparse.Namespace) -> None:
    from umsn.experiments import catalogue
    from umsn.files import InputError, check_place, is_record, shown, write_json
    from umsn.networks.weights import pipeline, shipped
    from umsn.recognition import judge

    if options.name not in catalogue.EXPERIMENTS:
        raise InputError(f"experiment {options.name!r}: expected one of {NAMES}")
    chosen = vars(parser_of(options.name).parse_args(options.words))
    target, weights, descriptor = chosen.pop("json"), chosen.pop("weights", None), chosen.pop("descriptor", None)
    asked = {name: value for name, value in chosen.items() if value is not None}
    if options.name == "evaluate":  # which names its networks by their methods
        networks, asked = None, asked | ({} if weights is None else {"weights": weights})
    else:
        networks = pipeline(weights) if weights else shipped()
    catalogue.check_given(options.name, asked)
    check_place(target, ours=is_record)
    record = catalogue.run(options.name, networks, judge(descriptor) if descriptor else None, **asked)
    for name, found in record.items():
        if name not in ("provenance", "rows"):
            print(name, *map(shown, found if isinstance(found, list) else [found]), sep="\n")
    write_json(target, record)


def parser_of(name: str) -> Parser:
    """What an experiment's own options look like, read off its function."""
    from umsn.experiments import catalogue

    about = (catalogue.EXPERIMENTS[name].__doc__ or "").partition("\n")[0]
    parser = Parser(prog=f"umsn measure {name}", description=about)
    for option, parameter in catalogue.options(name).items():
        kind, told = _annotation(parameter.annotation)
        required = parameter.default is parameter.empty
        words = {"required": required, "help": told, **_reading(kind)}
        if not required and not words.get("action"):
            words |= {"default": parameter.default, "help": f"{told} (default: {_shown(parameter.default)})".strip()}
        if option != "weights":
            parser.add_argument(f"--{option}", **words)
    parser.add_argument(
        "--weights", type=place, metavar="FILE", help="networks trained with umsn train (default: the package's)"
    )
    if catalogue.judged(name):
        told = "who judges: an ONNX network, or face-api's folder (make recogniser) (default: the package's)"
        parser.add_argument("--descriptor", type=place, metavar="FILE", help=told)
    parser.add_argument("--json", type=place, required=True, metavar="FILE", help="where the record goes")
    return parser


def _annotation(annotation: Any) -> tuple[Any, str]:
    """An option's type, and what it is in words."""
    if hasattr(annotation, "__metadata__"):
        return annotation.__origin__, annotation.__metadata__[0]
    return annotation, ""


def _reading(kind: Any) -> dict[str, Any]:
    """How argparse reads a type of the experiments' options."""
    kinds = [part for part in get_args(kind) if part is not type(None)] if get_origin(kind) is not Mapping else []
    if get_origin(kind) is Sequence or (kinds and get_origin(kinds[0]) is Sequence):
        inner = get_args(kind)[0]
        return {"nargs": "+", "type": _path if inner is Path else inner, "metavar": inner.__name__.upper()}
    if get_origin(kind) is Mapping or (kinds and get_origin(kinds[0]) is Mapping):
        return {"action": _Named, "metavar": "NAME=FILE"}
    if kind is bool:
        return {"action": "store_true"}
    simple = next((part for part in (int, float, Path) if part is kind or part in kinds), str)
    return {"type": _path if simple is Path else simple, "metavar": simple.__name__.upper()}


def _path(text: str) -> Path:
    """The path of a file or folder, as `place` takes it."""
    return Path(place(text))


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


class _Named(argparse.Action):
    """NAME=FILE, several times."""

    def __call__(self, parser: argparse.ArgumentParser, found: argparse.Namespace, value: str, *_: object) -> None:
        name, equals, path = value.rpartition("=")
        if not (name and equals and path.strip()):
            parser.error(f"{self.option_strings[0]} {value!r}: expected NAME=FILE")
        setattr(found, self.dest, {**(getattr(found, self.dest) or {}), name: _path(path)})
