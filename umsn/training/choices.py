"""What a training may do otherwise than the paper to make better use of each image; by default nothing.

The paper trains with Adam and an L1 loss, and uses the weights of the last step (Sec. IV-A). What is chosen here is
named in the checkpoint and in exported weights. `umsn measure choices` says what each choice brings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from umsn.files import InputError

Error = Literal["l1", "charbonnier", "psnr"]
ERRORS: tuple[Error, ...] = get_args(Error)


@dataclass(frozen=True)
class Choices:
    """For the networks that are trained as a whole: rows of Table VI and rivals. Raises InputError out of bounds."""

    average: float = 0.0  #: the part of a moving average of the weights that stays at a step, in [0, 1); 0 is none
    weight_decay: float = 0.0  #: AdamW's: the part of each weight that a step of rate 1 takes away, in [0, 1]
    #: of a pixel in Eq. 3: the paper's, or sqrt(d^2 + 1e-6), which is smooth at 0; "psnr" stands for the whole of Eq. 3
    error: Error = "l1"

    def __post_init__(self) -> None:
        if not 0 <= self.average < 1:
            raise InputError(f"average {self.average!r}: expected at least 0 and less than 1")
        if not 0 <= self.weight_decay <= 1:
            raise InputError(f"weight decay {self.weight_decay!r}: expected 0 to 1")
        if self.error not in ERRORS:
            raise InputError(f"error {self.error!r}: expected one of {', '.join(ERRORS)}")


THE_PAPERS = Choices()


class Average:
    """An exponential moving average of a task's parameters.

    Step t from 0 moves it towards the weights by max(1 - part, 9 / (10 + t)) of the way, so the first weights, which
    nothing had trained, are soon forgotten. The parameters are looked up at every call: what holds their values may
    change.
    """

    def __init__(self, task: nn.Module, part: float) -> None:
        self.task, self.part = task, part
        self.values = {name: value.detach().clone() for name, value in task.named_parameters()}

    @torch.no_grad()
    def add(self, step: int) -> None:
        """Take in the weights as step ``step`` has left them."""
        now = [parameter.detach() for parameter in self.task.parameters()]
        torch._foreach_lerp_(list(self.values.values()), now, max(1 - self.part, 9 / (10 + step)))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """A block in which the task has the average for its weights."""
        own = {name: value.detach().clone() for name, value in self.task.named_parameters()}
        self._put(self.values)
        try:
            yield
        finally:
            self._put(own)

    @torch.no_grad()
    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self.task.named_parameters():
            parameter.copy_(values[name])
