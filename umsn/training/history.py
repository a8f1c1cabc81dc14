"""What is remembered of a training while it runs: a row for every hundredth of it, and a line on the screen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from umsn.recipes import Schedule
from umsn.training.checkpoint import State

#: How often a run is measured on faces that it is not trained on.
VALIDATIONS = 20


class Milestones:
    """The steps of a run at which something is due: rows of its history, validation, snapshots."""

    def __init__(self, iterations: int, snapshots: Iterable[float] = ()) -> None:
        self.last = iterations
        self.stride, self.look = (max(1, iterations // part) for part in (100, VALIDATIONS))
        self.snapshots = {max(1, round(fraction * iterations)) for fraction in snapshots}

    def row(self, step: int) -> bool:
        """Whether a row of the history ends with this step."""
        return step % self.stride == 0 or step == self.last

    def validation(self, step: int) -> bool:
        """Whether this row is the first one of a twentieth of the run, or the last of all."""
        return step == self.last or step // self.look > (step - self.stride) // self.look

    def any(self, step: int) -> bool:
        """Whether anything is due."""
        return self.row(step) or step in self.snapshots


class History:
    """Rows of step, seconds and the mean of each term of the loss since the row before.

    Terms are added up where they are computed: reading them waits for the device.
    """

    def __init__(self, name: str, milestones: Milestones, found: State) -> None:
        self.name, self.milestones = name, milestones
        self.rows, self.sums = list(found.history), dict(found.sums)
        self.pending, self.unread, self.terms = torch.zeros(()), 0, ()

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Remember one step's terms, scalars, without reading them."""
        now = torch.stack(list(terms.values()))
        self.pending, self.unread = (self.pending + now if self.unread else now), self.unread + 1
        self.terms = tuple(terms)

    def read(self, step: int, values: Iterable[float]) -> float:
        """Take up the pending sums, read and averaged over processes; the mean loss since the last reading.

        Raises FloatingPointError when the loss is no longer a number.
        """
        means = dict(zip(self.terms, (value / self.unread for value in values), strict=True))
        if not math.isfinite(means["loss"]):
            raise FloatingPointError(
                f"{self.name}: the loss is {means['loss']} by step {step}; "
                "what was saved before is whole: a lower learning rate may go on from it"
            )
        for name, mean in means.items():
            self.sums[name] = self.sums.get(name, 0.0) + self.unread * mean
        self.unread = 0
        return means["loss"]

    def close(self, step: int, seconds: float, measured: Mapping[str, float]) -> None:
        """End a row: the means of its steps, and what was measured on other faces."""
        count = (step - 1) % self.milestones.stride + 1
        means = {name: total / count for name, total in self.sums.items()}
        self.rows.append({"step": step, "seconds": round(seconds, 2), **means, **measured})
        self.sums = {}


@dataclass
class How:
    """How steps are computed, for the progress line and the record."""

    layout: Literal["plain", "gpu", "gpu-triton"]
    why: str = ""  #: what was checked, or why it is not what was wanted
    kernels_a_step: int | None = None  #: on a GPU
    ms_an_image: float | None = None

    def facts(self) -> dict[str, Any]:
        """What is known, by name."""
        return {name.replace("_", " "): value for name, value in asdict(self).items() if value not in (None, "")}

    def __str__(self) -> str:
        kernels = f"{self.kernels_a_step} kernels a step, " if self.kernels_a_step else ""
        return f"layout {self.layout}, {kernels}{self.ms_an_image or 0:.3g} ms an image"


class ProgressLine:
    """A line about the work now and then: where it is, how fast and how it is computed, how long to go.

    name, schedule: of the stage; start: the step at which this process begins; how: steps are computed, whose speed is
    noted there; say: is told every ``every`` seconds.
    """

    def __init__(
        self,
        name: str,
        schedule: Schedule,
        start: int,
        how: How,
        say: Callable[[str], None] | None,
        every: float = 10,
    ) -> None:
        self.name, self.schedule, self.start, self.how = name, schedule, start, how
        self.say, self.every = say, every
        self.began = self.told = time.monotonic()
        if say is not None and how.why:
            say(f"{name}: layout {how.layout}, {how.why}")

    def __call__(self, step: int, loss: float) -> None:
        now, total = time.monotonic(), self.schedule.iterations
        rate = (step - self.start) / max(now - self.began, 1e-9)
        self.how.ms_an_image = round(1e3 / (rate * self.schedule.batch), 3)
        if self.say is None or (now - self.told < self.every and step < total):
            return
        self.told = now
        left = (total - step) / max(rate, 1e-9) / 60
        speed = f"{rate:.2f} steps/s, {self.how}"
        self.say(f"{self.name}: {step}/{total}, loss {loss:.4f}, {speed}, {left:.1f} min left")


class Clock:
    """Seconds since it was made, and whether ``minutes`` are over."""

    def __init__(self, minutes: float | None = None) -> None:
        self.began = time.monotonic()
        self.limit = math.inf if minutes is None else 60 * minutes

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def over(self) -> bool:
        return self.seconds > self.limit

    @property
    def minutes_left(self) -> float | None:
        """None where there is no limit."""
        return None if math.isinf(self.limit) else (self.limit - self.seconds) / 60
