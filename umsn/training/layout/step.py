"""One step of training in the layout: batch, blur, masks, loss, gradients and Adam, as one function of what was drawn.

On a GPU the loss and its gradients are compiled, and the whole step is recorded once and replayed. Elsewhere it runs as
it stands here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from umsn.training.batches import Batch, Drawn, Source
from umsn.training.layout.convolutions import places
from umsn.training.layout.flat import Flat
from umsn.training.layout.networks import laid_out_task
from umsn.training.layout.operations import rectified

Compiler = Callable[[Callable[[Batch], dict[str, Tensor]]], Callable[[Batch], dict[str, Tensor]]]


def inductor(function: Callable[[Batch], dict[str, Tensor]]) -> Callable[[Batch], dict[str, Tensor]]:
    """The function compiled as a whole for the one shape that comes, convolutions with channels last."""
    return torch.compile(function, fullgraph=True, dynamic=False, options={"force_layout_optimization": True})


def keep_compiled(folder: Path) -> None:
    """Have torch keep what it compiles in a folder, unless the environment names another place."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder.absolute()))


def _fused(on_gpu: bool) -> Callable[[Tensor, Tensor | None], Tensor]:
    """`fused.rectified`. Raises RuntimeError without Triton, and without a GPU unless its interpreter was chosen."""
    try:
        from umsn.training.layout import fused
    except ImportError as error:
        raise RuntimeError("Triton is not installed; it comes with torch's builds for GPUs") from error
    if not (on_gpu or os.environ.get("TRITON_INTERPRET") == "1"):
        raise RuntimeError("Triton computes on a GPU only")
    return fused.rectified


class LaidStep:
    """Steps of a task in the layout. The task's own parameters are trained, and the state of its optimiser kept.

    task: as for `umsn.training.loop.fit`, placed on the source's device
    optimiser: of the task's parameters
    source: what batches are mixed from
    batch: images a step
    precision: of the convolutions
    compiler: of the loss; by default `inductor` on a GPU, else none
    memory_format: of the convolutions' weights, and so of what they give; by default channels last on a GPU
    triton: whether `fused` computes what is between the convolutions, not what the compiler makes of `operations`

    Raises NoLayoutError where the task has a network without a layout, and RuntimeError where the compiler or the
    recording fails, or Triton is not there.
    """

    def __init__(
        self,
        task: nn.Module,
        optimiser: torch.optim.Adam,
        source: Source,
        batch: int,
        precision: torch.dtype,
        compiler: Compiler | None = None,
        memory_format: torch.memory_format | None = None,
        triton: bool = False,
    ) -> None:
        self.source, self.precision, self.only = source, precision, task.only
        self.on_gpu = source.kernels.device.type == "cuda"
        memory_format = memory_format or (torch.channels_last if self.on_gpu else torch.contiguous_format)
        self.task = laid_out_task(task, precision, memory_format, _fused(self.on_gpu) if triton else rectified)
        kind = next(task.parameters()).dtype if precision == torch.float32 else precision
        self.flat = Flat(list(places(self.task)), optimiser, kind, memory_format)
        compiler = compiler or (inductor if self.on_gpu else None)
        self.terms_of = compiler(self._terms) if compiler else self._terms
        self.drawn = source.draw(batch, torch.Generator().manual_seed(0))
        self.names: tuple[str, ...] = ()
        self.graph: torch.cuda.CUDAGraph | None = None
        if self.on_gpu:
            try:
                self._record()
            except RuntimeError:
                self.flat.release()
                raise

    def __call__(self, drawn: Drawn, step: int, rate: float) -> dict[str, Tensor]:
        """Learn from what was drawn, as step ``step`` from 0, at a learning rate; the terms of the loss, scalars."""
        for mine, new in zip(self.drawn, drawn, strict=True):
            mine.copy_(new, non_blocking=True)
        self.flat.at(step, rate)
        if self.graph is None:
            self.terms = self._run()
        else:
            self.graph.replay()
        return dict(zip(self.names, self.terms.unbind(), strict=True))

    def _run(self) -> Tensor:
        """The whole step; the terms of the loss in the order of their names, (T,)."""
        self.flat.refresh()
        terms = self.terms_of(self.source.mixed(self.drawn, only=self.only))
        self.flat.update(torch.autograd.grad(terms["loss"], self.flat.own))
        self.names = tuple(terms)
        return torch.stack([term.detach().float() for term in terms.values()])

    def _terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the loss; only the loss itself has a gradient."""
        with torch.autocast(batch.sharp.device.type, self.precision, enabled=self.precision != torch.float32):
            terms = self.task(batch)
        return {name: term if name == "loss" else term.detach() for name, term in terms.items()}

    def _record(self) -> None:
        """Record the step as a CUDA graph, after three steps in which code is compiled and algorithms are chosen."""
        side = torch.cuda.Stream()
        with self.flat.kept():
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    self._run()
            torch.cuda.current_stream().wait_stream(side)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.terms = self._run()
