"""All parameters in one vector, and Adam over it as a few operations (Kingma and Ba 2015, Algorithm 1).

Four vectors lie beside each other: the weights, both moments, and the gradients. Plain parameters, Adam's state and the
layout's parameters all become views of them. So checkpoints, validation and exports find the weights under the plain
networks' own names, without a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from umsn.training.layout.convolutions import Place

#: Every parameter begins at a multiple of so many numbers, as fast memory accesses want it.
ALIGNED = 32


class Flat:
    """The parameters of a task in the layout, trained in the place of the plain ones.

    places: where each plain parameter lies in the layout's
    optimiser: of the plain parameters; its settings and what it has in its state are taken over
    seen: what the networks compute with; where that has fewer bits, they see a copy of the weights
    memory_format: of the weights of convolutions
    """

    def __init__(
        self,
        places: Sequence[Place],
        optimiser: torch.optim.Adam,
        seen: torch.dtype,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        self.places, self.optimiser = tuple(places), optimiser
        self.own = tuple(dict.fromkeys(place.own for place in places))
        self._lay(memory_format)
        example = places[0].plain
        kind, device = example.dtype, example.device
        self.weights, self.first, self.second = (torch.zeros(self.length, dtype=kind, device=device) for _ in range(3))
        self.seen = self.weights if seen == kind else torch.zeros(self.length, dtype=seen, device=device)
        self.gradients = torch.zeros_like(self.seen)
        self.steps = torch.zeros(len(places), device=device)
        self.factors = torch.zeros(3, dtype=kind, device=device)  # of this step: see `at`
        self.decay = optimiser.defaults["weight_decay"]  # AdamW's
        self._take_over()

    def _lay(self, memory_format: torch.memory_format) -> None:
        """Find a place for every parameter of the layout."""
        self.where, self.length = {}, 0
        for own in self.own:
            form = memory_format if own.ndim == 4 else torch.contiguous_format
            stride = torch.empty(own.shape, device="meta").contiguous(memory_format=form).stride()
            self.where[own] = (own.shape, stride, self.length)
            self.length += -(-own.numel() // ALIGNED) * ALIGNED

    def _take_over(self) -> None:
        """Make everything a view, with the values that are there now."""
        state = self.optimiser.state
        for number, (own, plain, index) in enumerate(self.places):
            parts = {name: self.view(vector, own)[index] for name, vector in self._moments()}
            parts["step"] = self.steps[number]
            for name, value in state.get(plain, {}).items():
                parts[name].copy_(value)
            state[plain] = parts
            weights = self.view(self.weights, own)[index]
            weights.copy_(plain.detach())
            plain.data = weights
        for own in self.own:
            own.data = self.view(self.seen, own)
        self._gradients = [self.view(self.gradients, own) for own in self.own]
        self.refresh()

    def release(self) -> None:
        """Give the plain parameters and Adam's state memory of their own again."""
        for _, plain, _ in self.places:
            plain.data = plain.data.clone(memory_format=torch.contiguous_format)
            state = self.optimiser.state.pop(plain)
            if float(state["step"]):
                self.optimiser.state[plain] = {name: value.clone() for name, value in state.items()}

    def _moments(self) -> tuple[tuple[str, Tensor], ...]:
        return ("exp_avg", self.first), ("exp_avg_sq", self.second)

    def view(self, vector: Tensor, own: nn.Parameter) -> Tensor:
        """The part of a vector that belongs to a parameter of the layout."""
        return vector.as_strided(*self.where[own])

    def padding(self) -> Tensor:
        """Which numbers of a vector belong to no plain parameter: (N,) booleans."""
        used = torch.zeros(self.length, dtype=torch.bool, device=self.weights.device)
        for own, _, index in self.places:
            self.view(used, own)[index] = True
        return ~used

    def gathered(self, gradients: Sequence[Tensor]) -> Tensor:
        """Gradients of the plain parameters, in the order of the places, as one vector."""
        vector = torch.zeros_like(self.weights)
        for (own, _, index), gradient in zip(self.places, gradients, strict=True):
            self.view(vector, own)[index] = gradient
        return vector

    def refresh(self) -> None:
        """Bring the copy that the networks see up to date."""
        if self.seen is not self.weights:
            self.seen.copy_(self.weights)

    def at(self, step: int, rate: float) -> None:
        """Say which step the next one is, from 0, and its learning rate."""
        first, second = self._betas()
        factors = [rate / (1 - first ** (step + 1)), (1 - second ** (step + 1)) ** -0.5, 1 - rate * self.decay]
        self.factors.copy_(torch.tensor(factors, dtype=self.factors.dtype), non_blocking=True)

    def update(self, gradients: Sequence[Tensor]) -> None:
        """One step of Adam from the gradients of the layout's parameters, or of AdamW (`torch.optim.Adam`'s)."""
        first, second = self._betas()
        torch._foreach_copy_(self._gradients, list(gradients))
        g = self.gradients.to(self.weights.dtype)
        self.first.lerp_(g, 1 - first)
        self.second.mul_(second).addcmul_(g, g, value=1 - second)
        if self.decay:
            self.weights.mul_(self.factors[2])
        spread = (self.second.sqrt() * self.factors[1]).add_(self.optimiser.defaults["eps"])
        self.weights.sub_(self.factors[0] * (self.first / spread))
        self.steps.add_(1)

    def _betas(self) -> tuple[float, float]:
        return self.optimiser.defaults["betas"]

    @contextmanager
    def kept(self) -> Iterator[None]:
        """A block after which weights, moments and steps are what they were before."""
        vectors = self.weights, self.first, self.second, self.steps
        before = [vector.clone() for vector in vectors]
        try:
            yield
        finally:
            for vector, value in zip(vectors, before, strict=True):
                vector.copy_(value)
            self.refresh()
