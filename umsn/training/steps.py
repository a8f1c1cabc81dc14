"""A step of training: on the plain networks, or in the layout for a GPU where that is wanted, known, and right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from umsn import processes
from umsn.files import InputError
from umsn.training.batches import Batch, Drawn, Source
from umsn.training.history import How
from umsn.training.layout.check import check
from umsn.training.layout.networks import NoLayoutError
from umsn.training.layout.step import LaidStep
from umsn.training.passes import prepared

Layout = Literal["auto", "plain", "gpu", "gpu-triton"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

Step = Callable[[Drawn, int, float], dict[str, Tensor]]  #: what was drawn, step from 0, learning rate -> terms


class PlainStep:
    """Steps of the plain networks, shared by the processes that there are; a GPU replays the pass (`Replay`)."""

    def __init__(
        self, task: nn.Module, optimiser: torch.optim.Optimizer, source: Source, batch: int, precision: torch.dtype
    ) -> None:
        self.source, self.only, self.optimiser = source, task.only, optimiser
        example = source.batch(batch, torch.Generator().manual_seed(0), only=self.only)
        self.learn = prepared(task, optimiser, precision, self._share(example))

    def __call__(self, drawn: Drawn, step: int, rate: float) -> dict[str, Tensor]:
        """Learn from what was drawn, at a learning rate; the terms of the loss, scalars."""
        batch = self._share(self.source.mixed(drawn, only=self.only))

        # the rate of this step
        for group in self.optimiser.param_groups:
            group["lr"] = rate

        # forward, backward, update
        terms = self.learn(batch)
        self.optimiser.step()
        return terms

    @staticmethod
    def _share(batch: Batch) -> Batch:
        """The part of a batch that is this process's."""
        return Batch(*(tensor[processes.rank() :: processes.count()] for tensor in batch))


@contextmanager
def tried(task: nn.Module, optimiser: torch.optim.Adam) -> Iterator[None]:
    """A block of steps after which weights and moments are what they were before."""
    weights = [parameter.detach().clone() for parameter in task.parameters()]
    state = {p: {name: value.clone() for name, value in parts.items()} for p, parts in optimiser.state.items()}
    try:
        yield
    finally:
        for parameter, value in zip(task.parameters(), weights, strict=True):
            parameter.data.copy_(value)
        for parameter in [p for p in optimiser.state if p not in state]:
            del optimiser.state[parameter]
        for parameter, parts in state.items():
            for name, value in parts.items():
                optimiser.state[parameter][name].copy_(value)


def stepping(
    task: nn.Module,
    optimiser: torch.optim.Adam,
    source: Source,
    batch: int,
    precision: torch.dtype,
    *,
    layout: Layout = "auto",
) -> tuple[Step, How]:
    """The step that training repeats, and how it is computed.

    task, optimiser, source, precision: as for `LaidStep`
    batch: images a step
    layout: "plain"; "gpu", checked before it is used; "gpu-triton", the same with kernels of our own between the
        convolutions; or "auto", which is "gpu" on a GPU and plain elsewhere

    Networks without a layout are trained in the plain one, and `How` says so; with "auto" also where the check or the
    compiler fails. Raises InputError where a layout for a GPU was asked for and cannot be had.
    """
    on_gpu = source.kernels.device.type == "cuda"
    plain = lambda why: (PlainStep(task, optimiser, source, batch, precision), How("plain", why))  # noqa: E731
    if layout == "plain" or (layout == "auto" and not on_gpu):
        return plain("")
    try:
        if processes.count() > 1:
            raise NoLayoutError("several processes share a batch")
        step = LaidStep(task, optimiser, source, batch, precision, triton=layout == "gpu-triton")
    except NoLayoutError as error:
        return plain(str(error))
    except RuntimeError as error:
        return plain(_refused(layout, error))
    try:
        found = check(step, task)
    except RuntimeError as error:
        step.flat.release()
        return plain(_refused(layout, error))
    name = "gpu" if layout == "auto" else layout
    return step, How(name, "differs from plain: " + ", ".join(f"{name} {value:.1g}" for name, value in found.items()))


def _refused(layout: Layout, error: RuntimeError) -> str:
    """Why the layout cannot be had, in one line. Raises InputError with it where the layout was asked for."""
    why = next(iter(str(error).splitlines()), type(error).__name__)[:200]
    if layout != "auto":
        raise InputError(f"layout {layout}: {why}; `--network-layout plain` was expected") from error
    return why
