"""What a training leaves on disk, whole or not at all, and how the same training goes on from it to the bit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from umsn import processes, schema
from umsn.files import InputError, check_place, is_record, read_json, sweep, write_json
from umsn.networks import weights
from umsn.records import provenance

try:
    import fcntl
except ImportError:  # Windows has other locks
    fcntl = None


MOMENTS = ("exp_avg", "exp_avg_sq")  #: of Adam, besides the step
AVERAGE = "average."  #: what names of averaged weights begin with

#: What a checkpoint says of how far it has come.
REACHED = schema.fields(
    {
        "step": schema.whole(0, 10**9),
        "seconds": schema.number(0),
        "history": schema.each(schema.fields({"step": schema.whole(0, 10**9)}, others=schema.real)),
        "sums": schema.fields(others=schema.real),
    }
)

#: What it says of its training: all that is asked of a stage that has ended.
TRAINED = schema.fields(
    {
        "recipe": schema.fields(
            {
                "name": schema.text,
                "parsing_widths": schema.each(schema.whole(1, 4096), 1, 16),
                "crop": schema.whole(16, 2048),
                "kernels": schema.whole(1, 10**6),
            },
            dict.fromkeys(("sigma", "anxiety"), schema.each(schema.number(0, 1), 2, 2)),
        ),
        "schedule": schema.fields(
            {
                "batch": schema.whole(1, 10**6),
                "learning_rate": schema.number(0),
                "decay": schema.text,
            }
        ),
        "seed": schema.whole(0, 2**63 - 1),
        "data": schema.text,
        "history": schema.each(schema.fields({"step": schema.whole(0, 10**9), "loss": schema.real}), 1),
    }
)


class State(NamedTuple):
    """How far a training has come."""

    step: int = 0
    seconds: float = 0.0
    history: tuple[dict[str, float], ...] = ()
    sums: Mapping[str, float] = {}  #: of the terms since the last row of the history


class Checkpoint:
    """A file of weights and both moments of Adam, with step, history and facts; its history lies beside it as JSON.

    ``facts`` say which training it is: one that finds other facts in the file is refused. An ``average`` of the
    weights, by their names, is kept beside them. Among several processes the first one writes.
    """

    def __init__(
        self,
        path: Path,
        task: nn.Module,
        optimiser: torch.optim.Adam,
        facts: Mapping[str, Any],
        average: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.path, self.task, self.optimiser, self.average = path, task, optimiser, average or {}
        self.facts = json.loads(json.dumps(facts))
        self.made = provenance() if processes.first() else {}

    def resume(self) -> State:
        """Put the file, if there is one, into task and optimiser.

        Its history beside it is written anew where it is missing or of another step. Raises InputError when the file is
        another training's, or not such a file, and where a file that is no record of ours lies in its history's place.
        """
        if processes.first():
            sweep(self.path.parent)  # what a killed process was writing
        if not self.path.exists():
            check_place(self.path.with_suffix(".json"), ours=is_record)
            return State()
        tensors, found = weights.load(self.path)
        told = {"validation": self.facts.get("validation"), **found}  # a run that was not measured may be from now on
        differ = [key for key in dict.fromkeys((*self.facts, "choices")) if told.get(key) != self.facts.get(key)]
        if differ:
            raise InputError(
                f"{self.path}: a checkpoint of another run ({', '.join(differ)} differ); continue that one or remove it"
            )
        REACHED(found, f"{self.path}: facts")
        weights.into(self.task, tensors, prefix="task.", source=self.path)
        if moments := self._moments(tensors):
            groups = self.optimiser.state_dict()["param_groups"]
            self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        for name, value in self.average.items():
            value.copy_(self._averaged(tensors, name, value))
        state = State(found["step"], found["seconds"], tuple(found["history"]), found["sums"])
        if processes.first() and not self._is_told(state):
            self._tell(self.path, {**self.facts, **_plain(state), "layout": found.get("layout", {})})
        return state

    def keep(self, state: State, *, snapshot: bool = False, layout: Mapping[str, Any] | None = None) -> None:
        """Write it; a ``snapshot`` goes to a file of its own, named after the step.

        ``layout`` says how the steps were computed. It does not tell one training from another.
        """
        if not processes.first():
            return
        name = f"{self.path.stem}-{state.step:06d}{self.path.suffix}"
        path = self.path.with_name(name) if snapshot else self.path
        tensors = {f"task.{name}": tensor for name, tensor in self.task.state_dict().items()}
        tensors |= {f"{AVERAGE}{name}": tensor for name, tensor in self.average.items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in moments.items()}
        facts = {**self.facts, **_plain(state), "layout": dict(layout or {})}
        weights.save(path, tensors, {**facts, "platform": self.made["platform"]})
        self._tell(path, facts)

    def _tell(self, path: Path, facts: Mapping[str, Any]) -> None:
        write_json(path.with_suffix(".json"), {"provenance": self.made, **facts})

    def _is_told(self, state: State) -> bool:
        """Whether what lies beside the checkpoint is of its step."""
        try:
            found = read_json(self.path.with_suffix(".json"))
        except InputError:
            return False
        return isinstance(found, dict) and found.get("step") == state.step and "provenance" in found

    def _averaged(self, tensors: Mapping[str, Tensor], name: str, own: Tensor) -> Tensor:
        """A parameter's average in the file. Raises InputError where it is missing or of another shape."""
        found = tensors.get(f"{AVERAGE}{name}")
        if found is None or found.shape != own.shape or not found.is_floating_point():
            raise InputError(f"{self.path}: no average of {name}; a whole checkpoint was expected")
        return found

    def _moments(self, tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
        """Adam's state by the number of the parameter. Raises InputError for those that fit no parameter."""
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        found: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if not name.startswith("adam."):
                continue
            _, index, key, *_ = [*name.split("."), "", ""]
            known = index.isascii() and index.isdecimal() and len(index) < 9 and int(index) < len(parameters)
            shape = parameters[int(index)].shape if known and key in MOMENTS else torch.Size() if known else None
            if shape is None or key not in (*MOMENTS, "step") or value.shape != shape or not value.is_floating_point():
                raise InputError(f"{self.path}: {name} fits no parameter; a checkpoint of this training was expected")
            found.setdefault(int(index), {})[key] = value
        if any(len(state) != len(MOMENTS) + 1 for state in found.values()):
            raise InputError(f"{self.path}: a parameter without one of Adam's moments; a whole checkpoint was expected")
        return found


def trained(path: str | PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a stage's checkpoint and what it says. Raises InputError, naming the field, for other files."""
    tensors, facts = weights.load(path)
    for check in (REACHED, TRAINED):
        check(facts, f"{path}: facts")
    return tensors, facts


def _plain(state: State) -> dict[str, Any]:
    return {**state._asdict(), "history": list(state.history), "sums": dict(state.sums)}


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """A block in which no other training on this machine, or on this network's disk, works on the same checkpoint.

    Among processes that share a training the first holds the lock for all. Raises InputError, in each of them, where
    another training has it already. The lock ends with the process, however it dies.
    """
    with _locked(path) if fcntl is not None and processes.first() else nullcontext() as refused:
        if told := next(filter(None, processes.gathered(refused)), None):
            raise InputError(told)
        yield


@contextmanager
def _locked(path: Path) -> Iterator[str | None]:
    """Hold the lock of a checkpoint for the length of a block; yields None or, where it cannot be had, why."""
    place = path.with_name(f".{path.stem}.lock")
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            yield f"{path}: another training is at work on it; wait, or choose another folder"
            return
        except OSError:  # a disk that knows no locks
            pass
        try:
            yield None
        finally:
            place.unlink(missing_ok=True)
