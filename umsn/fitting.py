"""The one loop that trains: resumable to the bit, on one processor or on many that share each batch.

Every batch follows from (seed, stage, step) alone: a run that was interrupted goes on from its last checkpoint to the
very weights that an uninterrupted run reaches.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from umsn import weights
from umsn.blocks import compile_blocks
from umsn.files import InputError, write_json
from umsn.recipes import Schedule
from umsn.records import provenance
from umsn.source import Batch, Source

#: How often a run is measured on faces that it does not learn from.
VALIDATIONS = 20


def learning_rate(schedule: Schedule, step: int) -> float:
    """The rate at a step: constant, or a linear rise over the first 2% and then half a cosine down to zero."""
    if schedule.decay == "constant":
        return schedule.learning_rate
    rise = max(1, schedule.iterations // 50)
    if step < rise:
        return schedule.learning_rate * (step + 1) / rise
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, schedule.iterations - rise)))


def fast_type(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware computes with it, else float32."""
    able = torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if able else torch.float32


class Progress:
    """A line about the work now and then: where it is, how fast, how long to go."""

    def __init__(self, name: str, total: int, start: int, say: Callable[[str], None] | None, every: float = 10) -> None:
        self.name, self.total, self.start, self.say, self.every = name, total, start, say, every
        self.began = self.told = time.monotonic()

    def __call__(self, step: int, loss: float) -> None:
        now = time.monotonic()
        if self.say is None or (now - self.told < self.every and step < self.total):
            return
        self.told = now
        rate = (step - self.start) / max(now - self.began, 1e-9)
        left = (self.total - step) / max(rate, 1e-9)
        self.say(f"{self.name}: {step}/{self.total}, loss {loss:.4f}, {rate:.2f} steps/s, {left / 60:.1f} min left")


def fit(
    task: nn.Module,
    source: Source,
    schedule: Schedule,
    checkpoint: Path,
    *,
    seed: int,
    facts: Mapping[str, Any] | None = None,
    minutes: float | None = None,
    save_every: float = 60,
    snapshots: Iterable[float] = (),
    precision: torch.dtype | None = None,
    validate: Callable[[nn.Module], Mapping[str, float]] | None = None,
    read_every: int | None = None,
    compiled: bool = False,
    say: Callable[[str], None] | None = print,
) -> list[dict[str, float]]:
    """Train for the schedule's iterations, or until ``minutes`` are over; go on from the checkpoint if there is one.

    The checkpoint (safetensors: weights, both moments of Adam, step, history, ``facts``) appears whole, every
    ``save_every`` seconds and at the end, with its history beside it as JSON; copies are kept at the fractions
    ``snapshots``. Returns the history: one dict for every hundredth of the run, with step, seconds and the mean of each
    term; at every twentieth also what ``validate`` measures. Raises InputError when the checkpoint is of another run,
    and FloatingPointError when the loss is no longer a number (the last checkpoint is from before).

    Losses are read, time is looked at and checkpoints are written every ``read_every`` steps: by default 1, on a card
    20, since reading waits for it. ``precision`` is that of the convolutions (by default `fast_type`'s); not every
    processor that has bfloat16 is faster with it. ``compiled`` has torch compile the task's ResBlocks. Where a process
    group has been set up (torchrun), its processes share every batch, and the first one writes. One process on a card
    records a step once and replays it (`Replay`).
    """
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    if schedule.batch % world:
        raise InputError(f"a batch of {schedule.batch} cannot be shared evenly by {world} processes")
    device = source.kernels.device
    precision = precision or fast_type(device)
    about = {"schedule": asdict(schedule), "seed": seed, "precision": str(precision).removeprefix("torch.")}
    facts = json.loads(json.dumps({**(facts or {}), **about}))
    task.to(device).train()
    on_card = device.type == "cuda"
    if on_card:
        torch.backends.cudnn.benchmark = True  # shapes stay as they are: trying every algorithm once pays
        task.to(memory_format=torch.channels_last)  # as the card's convolutions want it
    optimiser = torch.optim.Adam([p for p in task.parameters() if p.requires_grad], fused=on_card)
    step, spent, history, sums = _resume(task, optimiser, checkpoint, facts)
    read_every = read_every or (1 if device.type == "cpu" else 20)
    snaps = {max(1, round(f * schedule.iterations)) for f in snapshots}
    stride, look = (max(1, schedule.iterations // part) for part in (100, VALIDATIONS))
    marks = {*snaps, *range(0, schedule.iterations, stride), schedule.iterations}
    progress = Progress(checkpoint.stem, schedule.iterations, step, say if rank == 0 else None)
    if compiled:
        compile_blocks(task)
    network: nn.Module = task
    if world > 1:
        network = DistributedDataParallel(network)
    learn: Callable[[Batch], dict[str, Tensor]] = partial(one_pass, network, optimiser, precision)
    if on_card and world == 1 and step < schedule.iterations:
        learn = Replay(learn, source.batch(schedule.batch, torch.Generator().manual_seed(0), only=task.only))
    made = provenance() if rank == 0 else {}
    if rank == 0:
        for stale in checkpoint.parent.glob(f".{checkpoint.stem}.*"):
            stale.unlink()  # what a killed process was writing
    began = saved = time.monotonic()
    pending, unread = torch.zeros(()), 0  # the terms of steps not read yet, added up where they are computed

    def keep(path: Path) -> None:
        if rank > 0:
            return
        now = {"step": step, "seconds": round(spent + time.monotonic() - began, 2), "history": history, "sums": sums}
        _save(task, optimiser, path, {**facts, **now, "platform": made["platform"]})
        write_json(path.with_suffix(".json"), {"provenance": made, **facts, **now})

    while step < schedule.iterations:
        generator = torch.Generator().manual_seed(seed_of(seed, checkpoint.stem, step))
        batch = source.batch(schedule.batch, generator, only=task.only)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(schedule, step)
        terms = learn(Batch(*(t[rank::world] for t in batch)))
        now = torch.stack(list(terms.values()))
        pending, unread = (pending + now if unread else now), unread + 1
        optimiser.step()
        step += 1
        if unread < read_every and step not in marks:
            continue
        late = minutes is not None and time.monotonic() - began > 60 * minutes
        over, *values = _mean([torch.tensor(float(late)), *pending], device)
        means = dict(zip(terms, (value / unread for value in values), strict=True))
        if not math.isfinite(means["loss"]):
            raise FloatingPointError(
                f"{checkpoint.stem}: the loss is {means['loss']} by step {step}; "
                "what was saved before is whole: a lower learning rate may go on from it"
            )
        for name, mean in means.items():
            sums[name] = sums.get(name, 0.0) + unread * mean
        unread = 0
        if step % stride == 0 or step == schedule.iterations:
            count = (step - 1) % stride + 1
            row = {"step": step, "seconds": round(spent + time.monotonic() - began, 2)}
            row |= {k: v / count for k, v in sums.items()}
            if validate is not None and rank == 0 and _due(step, stride, look, schedule.iterations):
                row |= _measured(task, validate, device, precision)
            history.append(row)
            sums = {}
        progress(step, means["loss"])
        if step in snaps:
            keep(checkpoint.with_name(f"{checkpoint.stem}-{step:06d}{checkpoint.suffix}"))
        if over or step == schedule.iterations or time.monotonic() - saved > save_every:
            keep(checkpoint)
            saved = time.monotonic()
        if over:
            break
    if world > 1:
        dist.barrier()  # the next stage reads what the first process wrote
    return history


def one_pass(
    network: nn.Module, optimiser: torch.optim.Optimizer, precision: torch.dtype, batch: Batch
) -> dict[str, Tensor]:
    """A forward and a backward pass: the gradients are where the optimiser looks; the terms of the loss."""
    optimiser.zero_grad(set_to_none=True)
    with torch.autocast(batch.sharp.device.type, precision, enabled=precision != torch.float32):
        terms = network(batch)
    terms["loss"].backward()
    return {name: term.detach().float() for name, term in terms.items()}


class Replay:
    """Passes over batches of one shape on a card, recorded once as a CUDA graph and then replayed.

    A step of UMSN starts some thousands of small kernels, more than a processor can start in the time that the card
    takes to run them. Gradients and terms lie where the recording left them, and every call writes them anew.
    """

    def __init__(self, learn: Callable[[Batch], dict[str, Tensor]], batch: Batch) -> None:
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


def _due(step: int, stride: int, look: int, last: int) -> bool:
    """Whether a row of the history is the first one of a twentieth of the run, or the last of all."""
    return step == last or step // look > (step - stride) // look


def _measured(
    task: nn.Module, validate: Callable[[nn.Module], Mapping[str, float]], device: torch.device, precision: torch.dtype
) -> dict[str, float]:
    task.eval()
    eager = torch.compiler.set_stance("force_eager")  # other shapes than training's: compiling them would take longer
    with eager, torch.no_grad(), torch.autocast(device.type, precision, enabled=precision != torch.float32):
        found = {f"validation {name}": value for name, value in validate(task).items()}
    task.train()
    return found


def anywhere(flag: bool, device: str | torch.device) -> bool:
    """Whether ``flag`` is true in any of the processes that train together; all get the same answer."""
    return _mean([torch.tensor(float(flag))], torch.device(device))[0] > 0


def _mean(values: Sequence[Tensor], device: torch.device) -> list[float]:
    """The values, averaged over all processes."""
    together = torch.stack([v.to(device, torch.float32) for v in values])
    if dist.is_initialized():
        dist.all_reduce(together)
        together /= dist.get_world_size()
    return together.tolist()


def seed_of(seed: int, name: str, step: int) -> int:
    """A seed that no other step of no other stage shares."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name} {step}".encode()).digest()[:8]) >> 1


def _save(task: nn.Module, optimiser: torch.optim.Adam, path: Path, facts: Mapping[str, Any]) -> None:
    moments = {
        f"adam.{index}.{name}": value
        for index, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }
    weights.save(path, {f"task.{n}": t for n, t in task.state_dict().items()} | moments, facts)


def _resume(
    task: nn.Module, optimiser: torch.optim.Adam, path: Path, facts: Mapping[str, Any]
) -> tuple[int, float, list[dict[str, float]], dict[str, float]]:
    """Put the checkpoint, if there is one, into task and optimiser; its step, seconds, history and running sums."""
    if not path.exists():
        return 0, 0.0, [], {}
    tensors, found = weights.load(path)
    differ = [key for key in facts if found.get(key) != facts[key]]
    if differ:
        raise InputError(
            f"{path}: a checkpoint of another run ({', '.join(differ)} differ); continue that one or remove it"
        )
    weights.into(task, tensors, prefix="task.", source=path)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
    if state:
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return found["step"], found["seconds"], found["history"], found["sums"]
