"""How many steps of each stage fit into the minutes that there are.

A stage is planned when it begins, from the seconds that its own step was measured to take; stages that come later are
guessed from it by their arithmetic, and are measured in their turn. All stages of a recipe are shortened by one factor,
none is lengthened. What was planned is kept beside the checkpoints, so that the next call goes on with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from umsn import schema
from umsn.files import check_place, is_record, read_json, write_json
from umsn.records import provenance
from umsn.training.batches import Source

#: The part of the minutes that is kept for compiling, validation, writing and evaluation.
RESERVE = 0.15

#: Steps that are not timed, then seconds after which a rate is believed.
WARM, TIMED = 3, 2.0

#: What a plan says of a stage that has begun.
STAGE = schema.fields({"iterations": schema.whole(1, 10**9), "seconds a step": schema.number(0)})


def fitted(wanted: Mapping[str, int], seconds: Mapping[str, float], budget: float) -> dict[str, int]:
    """Steps of each stage that fit into ``budget`` seconds, of the steps wanted and the seconds that each one takes.

    Every stage gets the same part of its steps, but one step at least.
    """
    whole = sum(steps * seconds[name] for name, steps in wanted.items())
    part = min(1.0, max(0.0, budget) / whole) if whole else 1.0
    return {name: max(1, int(part * steps)) for name, steps in wanted.items()}


@dataclass
class Plan:
    """The steps of the stages of one run.

    path: the file where it is kept; what lies there already is gone on with
    minutes: into which all stages should fit that have not begun yet, counted from now
    wanted: the recipe's steps of each stage, in the order in which they run
    work: the arithmetic of a step of each, in any unit
    now: seconds, as a clock shows them
    """

    path: Path
    minutes: float
    wanted: Mapping[str, int]
    work: Mapping[str, float]
    now: Callable[[], float] = time.monotonic
    stages: dict[str, dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.end = self.now() + 60 * self.minutes * (1 - RESERVE)
        self.stages = planned(self.path)

    def begin(self, name: str, seconds: float) -> int:
        """The steps of a stage that begins now, whose step takes so many seconds; written down."""
        names = list(self.wanted)
        later = [other for other in names[names.index(name) :] if other not in self.stages]
        guessed = {other: seconds * self.work[other] / self.work[name] for other in later}
        steps = fitted({other: self.wanted[other] for other in later}, guessed, self.end - self.now())[name]
        self.stages[name] = {"iterations": steps, "seconds a step": seconds}
        write_json(self.path, {"provenance": provenance(minutes=self.minutes), "stages": self.stages})
        return steps


def planned(path: Path) -> dict[str, dict[str, Any]]:
    """What an earlier call planned, by stage. Raises InputError for a file that is no plan."""
    check_place(path, ours=is_record)
    if not path.exists():
        return {}
    found = read_json(path)
    schema.fields({"stages": schema.fields(others=STAGE)})(found, f"{path}")
    return found["stages"]


def seconds_a_step(
    step: Callable[[int], object], device: torch.device, now: Callable[[], float] = time.monotonic
) -> float:
    """How long a step takes; ``step`` is given numbers from 0."""
    for number in range(WARM):
        step(number)
    _settle(device)
    began, count = now(), 0
    while now() - began < TIMED:
        step(WARM + count)
        count += 1
        _settle(device)
    return (now() - began) / count


def work_of(task: nn.Module, source: Source) -> float:
    """The arithmetic of a step on one image, forward and backward, in floating-point operations."""
    batch = source.batch(1, torch.Generator().manual_seed(0), only=task.only)
    with FlopCounterMode(display=False) as counter:
        task.to(source.kernels.device)(batch)["loss"].backward()
    return float(counter.get_total_flops())


def _settle(device: torch.device) -> None:
    """Wait for what a GPU is doing."""
    if device.type == "cuda":
        torch.cuda.synchronize()
