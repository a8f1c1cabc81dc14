"""Every experiment by the name that its record gives: what `umsn measure` makes and `umsn verify` makes again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from umsn import schema
from umsn.experiments import (
    astronaut,
    choices,
    conditions,
    confidences,
    curves,
    descriptor,
    evaluate,
    masks,
    readings,
    recognition,
    relative,
    seeds,
    statistics,
    training,
)
from umsn.networks.weights import Pipeline
from umsn.recognition import Judge, shipped_descriptor

#: Keyword arguments are the experiment's options; ``networks`` and ``descriptor`` are what it is asked of.
EXPERIMENTS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "astronaut": astronaut.measure,
    "choices": choices.measure,
    "conditions": conditions.measure,
    "confidences": confidences.measure,
    "curves": curves.measure,
    "descriptor": descriptor.measure,
    "evaluate": evaluate.measure,
    "masks": masks.measure,
    "readings": readings.measure,
    "recognition": recognition.measure,
    "relative": relative.measure,
    "seeds": seeds.measure,
    "statistics": statistics.measure,
    "training": training.measure,
}

#: What an experiment is handed, not asked for.
GIVEN = ("networks", "descriptor", "progress", "device")


def options(name: str) -> dict[str, inspect.Parameter]:
    """The options of an experiment, by name."""
    found = inspect.signature(EXPERIMENTS[name], eval_str=True).parameters
    return {key: parameter for key, parameter in found.items() if key not in GIVEN}


def judged(name: str) -> bool:
    """Whether an experiment can be asked of any descriptor, not of the package's only."""
    found = inspect.signature(EXPERIMENTS[name], eval_str=True).parameters.get("descriptor")
    return found is not None and found.annotation == Judge


def check_asked(name: str, asked: Mapping[str, Any], where: str) -> None:
    """Raise InputError, naming the field behind ``where``, unless these are options of the experiment and will do.

    Files are not among them, for a record does not say where they are, but for those called faces and kernels.
    """
    known, empty = _checks(name), inspect.Parameter.empty
    needed = {option: known[option] for option, p in options(name).items() if option in known and p.default is empty}
    schema.fields(needed, known, others=None)(asked, where)


def check_given(name: str, given: Mapping[str, Any]) -> None:
    """Raise InputError, naming the option, unless the numbers and words given to the experiment will do."""
    for option, check in _checks(name).items():
        if option in given:
            value = given[option]
            check(str(value) if isinstance(value, Path) else value, option)


def _checks(name: str) -> dict[str, schema.Check]:
    """What the options of an experiment must be, but for files."""
    found = {
        option: evaluate.ASKED.get(option) if name == "evaluate" else _check_of(option, parameter.annotation)
        for option, parameter in options(name).items()
    }
    return {option: check for option, check in found.items() if check is not None}


def _check_of(option: str, annotation: Any) -> schema.Check | None:
    """What an option of an experiment must be, by its type; None for a file."""
    kind, *_ = get_args(annotation) or (annotation,)
    if option in ("faces", "kernels") and kind is Path:
        return schema.text
    listed = get_origin(kind) is Sequence and get_args(kind) == (int,)
    if listed:
        number = schema.whole(1, 255, odd=True) if option == "sizes" else schema.whole(0, 10**6)
        return schema.each(number, 1, 1000, once=True)
    simple = {str: schema.text, bool: schema.flag, int: schema.whole(1, 10**6)}
    return simple.get(kind) or {part | None: schema.maybe(check) for part, check in simple.items()}.get(kind)


def run(
    name: str,
    networks: Pipeline | Mapping[str, Pipeline] | None = None,
    descriptor: Judge | None = None,
    **asked: Any,
) -> dict[str, Any]:
    """The record of an experiment, with what it needs: the networks, and the descriptor (the package's, if None).

    Most ask one S-Net and UMSN; "evaluate" takes networks by the names of their methods (the package's, if None), and
    can do without a descriptor.
    """
    needs = inspect.signature(EXPERIMENTS[name]).parameters
    given: dict[str, Any] = {}
    if "networks" in needs:
        given["networks"] = networks
    if "descriptor" in needs:
        optional = needs["descriptor"].default is None
        given["descriptor"] = descriptor if descriptor or optional else shipped_descriptor()
    return EXPERIMENTS[name](**given, **asked)
