"""The one loop that trains: resumable to the bit, on one processor or on many that share each batch.

Every batch follows from (seed, stage, step) alone: a run that was interrupted goes on from its last checkpoint to the
very weights that an uninterrupted run reaches.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from umsn import processes
from umsn.files import InputError
from umsn.networks.blocks import compile_blocks
from umsn.recipes import Schedule
from umsn.training.batches import Drawn, Source
from umsn.training.checkpoint import Checkpoint, State
from umsn.training.choices import THE_PAPERS, Average, Choices
from umsn.training.history import Clock, History, Milestones, ProgressLine
from umsn.training.passes import counted, fast_type, measured
from umsn.training.plan import seconds_a_step
from umsn.training.steps import Layout, stepping, tried


def fit(
    task: nn.Module,
    source: Source,
    schedule: Schedule,
    path: Path,
    *,
    seed: int,
    batches: str | None = None,
    facts: Mapping[str, Any] | None = None,
    minutes: float | None = None,
    save_every: float = 60,
    snapshots: Iterable[float] = (),
    precision: torch.dtype | None = None,
    validate: Callable[[nn.Module], Mapping[str, float]] | None = None,
    read_every: int | None = None,
    compiled: bool = False,
    layout: Layout = "auto",
    choices: Choices = THE_PAPERS,
    plan: Callable[[float], int] | None = None,
    say: Callable[[str], None] | None = print,
) -> list[dict[str, float]]:
    """Train for the schedule's iterations, or until ``minutes`` are over; go on from the checkpoint if there is one.

    task: its ``forward`` takes a `Batch` to the terms of the loss, "loss" among them, scalars; ``only`` is the class
        that is blurred alone, or None
    source: gives the batches; its device is the training's
    path: the checkpoint (`Checkpoint`), written every ``save_every`` seconds and at the end, with its history beside it
        as JSON; copies are kept at the fractions ``snapshots`` of the run
    batches: the stage whose batches it sees, step by step, under the same seed; by default its own, that of ``path``
    facts: what the checkpoint says besides; with schedule, seed and precision they tell one training from another
    precision: of the convolutions (by default `fast_type`'s); not every processor that has bfloat16 is faster with it
    validate: measures the task on faces that it is not trained on, at every twentieth of the run
    read_every: steps between two readings of the loss and the clock; by default 1, on a GPU 20, since reading waits
    compiled: have torch compile the task's ResBlocks
    layout: how the networks are laid out while they are trained, as for `stepping`
    choices: what is done otherwise than in the paper; an average of the weights is kept beside them, and is what
        ``validate`` measures
    plan: asked, where there is no checkpoint yet, how many iterations it shall be, given the seconds that one takes
    say: is told how far it is; None is silent

    Returns the history: one dict for every hundredth of the run, with step, seconds and the mean of each term. Where
    torchrun started several processes, they share every batch. Raises InputError when the checkpoint is of another run
    or the batch cannot be shared, and FloatingPointError when the loss is no longer a number (what was saved is whole).
    """
    if schedule.batch % processes.count():
        raise InputError(f"a batch of {schedule.batch} cannot be shared evenly by {processes.count()} processes")
    device = source.kernels.device
    precision = precision or fast_type(device)
    about = {"schedule": asdict(schedule), "seed": seed, "precision": str(precision).removeprefix("torch.")}
    about |= {"choices": asdict(choices)} if choices != THE_PAPERS else {}
    optimiser = _placed(task, device, compiled, choices.weight_decay)
    average = Average(task, choices.average) if choices.average else None
    checkpoint = Checkpoint(path, task, optimiser, {**(facts or {}), **about}, average and average.values)
    found = checkpoint.resume()
    if found.step >= schedule.iterations:
        return list(found.history)
    name, step = path.stem, found.step
    advance, how = stepping(task, optimiser, source, schedule.batch, precision, layout=layout)
    if plan is not None and not path.exists():
        with tried(task, optimiser):
            seconds = seconds_a_step(lambda i: advance(*_given(source, schedule, seed, batches or name, i)), device)
        schedule = replace(schedule, iterations=plan(seconds))
        checkpoint.facts["schedule"] = asdict(schedule)
    due = Milestones(schedule.iterations, snapshots)
    history = History(name, due, found)
    progress = ProgressLine(name, schedule, step, how, say if processes.first() else None)
    read_every = read_every or (1 if device.type == "cpu" else 20)
    clock, saved = Clock(minutes), time.monotonic()

    def state() -> State:
        return State(step, round(found.seconds + clock.seconds, 2), tuple(history.rows), history.sums)

    while step < schedule.iterations:
        # what is random about the batch follows from seed, stage and step, and so does the rate
        given = _given(source, schedule, seed, batches or name, step)

        # forward, backward, update; on a GPU the first step's kernels are counted
        learn = partial(advance, *given)
        terms, kernels = counted(learn, device) if step == found.step else (learn(), how.kernels_a_step)
        how.kernels_a_step = kernels
        history.add(terms)
        if average is not None:
            average.add(step)
        step += 1

        # nothing is read before it has to be
        if history.unread < read_every and not due.any(step):
            continue
        over, *values = processes.mean([torch.tensor(float(clock.over)), *history.pending], device)
        loss = history.read(step, values)

        # a row of the history, now and then with scores on faces that are not trained on
        if due.row(step):
            look = validate is not None and processes.first() and due.validation(step)
            with nullcontext() if average is None else average.in_place():
                scores = measured(task, validate, device, precision) if look else {}
            history.close(step, found.seconds + clock.seconds, scores)
        progress(step, loss)

        # keep what was reached
        if step in due.snapshots:
            checkpoint.keep(state(), snapshot=True, layout=how.facts())
        if over or step == schedule.iterations or time.monotonic() - saved > save_every:
            checkpoint.keep(state(), layout=how.facts())
            saved = time.monotonic()
        if over:
            break
    processes.wait()  # the next stage reads what the first process wrote
    return history.rows


def learning_rate(schedule: Schedule, step: int) -> float:
    """The rate at a step: constant, or a linear rise over the first 2% and then half a cosine down to zero."""
    if schedule.decay == "constant":
        return schedule.learning_rate
    rise = max(1, schedule.iterations // 50)
    if step < rise:
        return schedule.learning_rate * (step + 1) / rise
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, schedule.iterations - rise)))


def seed_of(seed: int, name: str, step: int) -> int:
    """A seed that no other step of no other stage shares."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name} {step}".encode()).digest()[:8]) >> 1


def generator_of(seed: int, name: str, step: int) -> torch.Generator:
    """A generator for one step of one stage."""
    return torch.Generator().manual_seed(seed_of(seed, name, step))


def _given(source: Source, schedule: Schedule, seed: int, name: str, step: int) -> tuple[Drawn, int, float]:
    """What a step is given: what was drawn for it, its number, its rate."""
    return source.draw(schedule.batch, generator_of(seed, name, step)), step, learning_rate(schedule, step)


def _placed(task: nn.Module, device: torch.device, compiled: bool, decay: float) -> torch.optim.Adam:
    """Put the task on the device, ready to be trained, and make its optimiser: with a ``decay`` it is AdamW."""
    task.to(device).train()
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.backends.cudnn.benchmark = True  # shapes stay as they are: trying every algorithm once pays
        task.to(memory_format=torch.channels_last)  # as the GPU's convolutions want it
    if compiled:
        compile_blocks(task)
    own = [p for p in task.parameters() if p.requires_grad]
    return torch.optim.Adam(own, fused=on_gpu, weight_decay=decay, decoupled_weight_decay=True)
