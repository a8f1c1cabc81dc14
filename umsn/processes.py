"""The processes that share one computation, where torchrun started several; a process alone needs none of this.

Each has a rank, 0 for the first, which alone prints and writes. What torchrun tells a process stands in the
environment; a lone RANK or WORLD_SIZE there, as schedulers leave them, means nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from umsn.files import InputError

#: What torchrun gives to every process that it starts.
TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def device_called(name: str) -> str:
    """Take "cpu", "cuda" or "cuda:1" as it is, "auto" as what is there. Raises InputError for all else."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name in ("cpu", "cpu:0"):
        return "cpu"
    kind, _, number = name.partition(":")
    if kind != "cuda" or (number and not (number.isascii() and number.isdecimal())) or name.endswith(":"):
        raise InputError(f"device {name!r}: expected cpu, cuda, cuda:N or auto")
    if not torch.cuda.is_available() or int(number[:4] or 0) >= torch.cuda.device_count():
        raise InputError(f"device {name!r}: no such device here; expected cpu")
    return name


@contextmanager
def joined(device: str) -> Iterator[str]:
    """Join the processes that torchrun started, if it did, for the length of a block; yields this one's device."""
    if not all(os.environ.get(name) for name in TORCHRUN):
        yield device
        return
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', os.environ['RANK'])}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Which of the processes this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def first() -> bool:
    """Whether this is the process that prints and writes."""
    return rank() == 0


def wait() -> None:
    """Wait until all processes are here."""
    if dist.is_initialized():
        dist.barrier()


def sharing(network: nn.Module) -> nn.Module:
    """The network as it is or, among several processes, with gradients that are the mean of all of theirs."""
    return nn.parallel.DistributedDataParallel(network) if count() > 1 else network


def gathered(mine: Any) -> list[Any]:
    """What each process has, in the order of their ranks."""
    if not dist.is_initialized():
        return [mine]
    found: list[Any] = [None] * count()
    dist.all_gather_object(found, mine)
    return found


def mean(values: Sequence[Tensor], device: str | torch.device) -> list[float]:
    """Scalars, each averaged over all processes."""
    together = torch.stack([value.to(device, torch.float32) for value in values])
    if dist.is_initialized():
        dist.all_reduce(together)
        together /= count()
    return together.tolist()


def anywhere(flag: bool, device: str | torch.device) -> bool:
    """Whether ``flag`` is true in any of the processes; all get the same answer."""
    return mean([torch.tensor(float(flag))], device)[0] > 0
