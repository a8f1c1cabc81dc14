"""Every experiment by the name that its record gives: what `umsn measure` makes and `umsn verify` makes again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from umsn.experiments import (
    astronaut,
    conditions,
    confidences,
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
from umsn.recognition import Descriptor, shipped_descriptor

#: Keyword arguments are the experiment's options; ``networks`` and ``descriptor`` are what it is asked of.
EXPERIMENTS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "astronaut": astronaut.measure,
    "conditions": conditions.measure,
    "confidences": confidences.measure,
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


def run(
    name: str,
    networks: Pipeline | Mapping[str, Pipeline] | None = None,
    descriptor: Descriptor | None = None,
    **asked: Any,
) -> dict[str, Any]:
    """The record of an experiment, with what it needs: the networks, and the descriptor (the package's, if None).

    Most ask one S-Net and UMSN; "evaluate" takes networks by the names of their methods (the package's, if None).
    """
    needs = inspect.signature(EXPERIMENTS[name]).parameters
    given: dict[str, Any] = {}
    if "networks" in needs:
        given["networks"] = networks
    if "descriptor" in needs:
        given["descriptor"] = descriptor or shipped_descriptor()
    return EXPERIMENTS[name](**given, **asked)
