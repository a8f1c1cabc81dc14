"""What a training leaves on disk, whole or not at all, and how the same training goes on from it to the bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from umsn import processes
from umsn.files import InputError, write_json
from umsn.networks import weights
from umsn.records import provenance


class State(NamedTuple):
    """How far a training has come."""

    step: int = 0
    seconds: float = 0.0
    history: tuple[dict[str, float], ...] = ()
    sums: Mapping[str, float] = {}  #: of the terms since the last row of the history


class Checkpoint:
    """A file of weights and both moments of Adam, with step, history and facts; its history lies beside it as JSON.

    ``facts`` say which training it is: one that finds other facts in the file is refused. Among several processes the
    first one writes.
    """

    def __init__(self, path: Path, task: nn.Module, optimiser: torch.optim.Adam, facts: Mapping[str, Any]) -> None:
        self.path, self.task, self.optimiser = path, task, optimiser
        self.facts = json.loads(json.dumps(facts))
        self.made = provenance() if processes.first() else {}

    def resume(self) -> State:
        """Put the file, if there is one, into task and optimiser. Raises InputError when it is another training's."""
        if processes.first():
            for stale in self.path.parent.glob(f".{self.path.stem}.*"):
                stale.unlink()  # what a killed process was writing
        if not self.path.exists():
            return State()
        tensors, found = weights.load(self.path)
        differ = [key for key in self.facts if found.get(key) != self.facts[key]]
        if differ:
            raise InputError(
                f"{self.path}: a checkpoint of another run ({', '.join(differ)} differ); continue that one or remove it"
            )
        weights.into(self.task, tensors, prefix="task.", source=self.path)
        if moments := _moments(tensors):
            groups = self.optimiser.state_dict()["param_groups"]
            self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        return State(found["step"], found["seconds"], tuple(found["history"]), found["sums"])

    def keep(self, state: State, *, snapshot: bool = False) -> None:
        """Write it; a ``snapshot`` goes to a file of its own, named after the step."""
        if not processes.first():
            return
        name = f"{self.path.stem}-{state.step:06d}{self.path.suffix}"
        path = self.path.with_name(name) if snapshot else self.path
        now = {**state._asdict(), "history": list(state.history), "sums": dict(state.sums)}
        tensors = {f"task.{name}": tensor for name, tensor in self.task.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in moments.items()}
        weights.save(path, tensors, {**self.facts, **now, "platform": self.made["platform"]})
        write_json(path.with_suffix(".json"), {"provenance": self.made, **self.facts, **now})


def _moments(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Adam's state by the number of the parameter."""
    found: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, index, key = name.split(".")
            found.setdefault(int(index), {})[key] = value
    return found
