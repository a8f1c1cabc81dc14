"""One forward and backward pass: as torch runs it, or recorded once on a GPU and replayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from umsn import processes
from umsn.training.batches import Batch

Pass = Callable[[Batch], dict[str, Tensor]]  #: a batch -> the terms of the loss; gradients are in the parameters


def fast_type(device: torch.device) -> torch.dtype:
    """bfloat16 on a GPU that computes with it; else float32.

    A processor that has bfloat16 need not be faster with it: the record `speed` was made on one that is slower. Who
    knows theirs asks for it (`umsn train --precision bfloat16`).
    """
    able = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if able else torch.float32


def one_pass(
    network: nn.Module, optimiser: torch.optim.Optimizer, precision: torch.dtype, batch: Batch
) -> dict[str, Tensor]:
    """A forward and a backward pass: the gradients are where the optimiser looks; the terms of the loss."""
    optimiser.zero_grad(set_to_none=True)
    with torch.autocast(batch.sharp.device.type, precision, enabled=precision != torch.float32):
        terms = network(batch)
    terms["loss"].backward()
    return {name: term.detach().float() for name, term in terms.items()}


def prepared(task: nn.Module, optimiser: torch.optim.Optimizer, precision: torch.dtype, example: Batch) -> Pass:
    """The pass that training repeats; one process on a GPU records it and replays it (`Replay`)."""
    learn = partial(one_pass, processes.sharing(task), optimiser, precision)
    if example.sharp.device.type == "cuda" and processes.count() == 1:
        return Replay(learn, example)
    return learn


class Replay:
    """Passes over batches of one shape on a GPU, recorded once as a CUDA graph and then replayed.

    A step of UMSN starts some thousands of small kernels, more than a processor can start in the time that the GPU
    takes to run them. Gradients and terms lie where the recording left them, and every call writes them anew.
    """

    def __init__(self, learn: Pass, batch: Batch) -> None:
        self.batch = Batch(*(t.clone() for t in batch))
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # algorithms are chosen, code is compiled: none of it may be recorded
                learn(self.batch)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.terms = learn(self.batch)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        for mine, new in zip(self.batch, batch, strict=True):
            mine.copy_(new)
        self.graph.replay()
        return self.terms


def counted(action: Callable[[], dict[str, Tensor]], device: torch.device) -> tuple[dict[str, Tensor], int | None]:
    """What an action gives, and how many kernels it started on a GPU; None on other devices."""
    if device.type != "cuda":
        return action(), None
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        found = action()
        torch.cuda.synchronize()
    there = [event for event in profile.key_averages() if event.device_type == torch.autograd.DeviceType.CUDA]
    return found, sum(event.count for event in there if not event.key.startswith(("Memcpy", "Memset")))


def measured(
    task: nn.Module, validate: Callable[[nn.Module], Mapping[str, float]], device: torch.device, precision: torch.dtype
) -> dict[str, float]:
    """What ``validate`` finds of the task as it is used, not trained; names begin with "validation"."""
    task.eval()
    eager = torch.compiler.set_stance("force_eager")  # other shapes than training's: compiling them would take longer
    with eager, torch.no_grad(), torch.autocast(device.type, precision, enabled=precision != torch.float32):
        found = {f"validation {name}": value for name, value in validate(task).items()}
    task.train()
    return found
