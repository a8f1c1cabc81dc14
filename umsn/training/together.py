"""Stages that do not wait for each other, trained at the same time, a process each (Sec. IV-A, Table VI).

A small network in small batches keeps one core busy, and hardly two: the four first-stage networks, and the rows of the
ablation, share a processor better side by side than one after the other, and best with a thread for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import groupby
from multiprocessing import get_context

import torch

from umsn import processes
from umsn.faces import FaceSet
from umsn.files import InputError, read_json
from umsn.memory import cores
from umsn.training import stages
from umsn.training.stages import STAGES, Run

#: Iterations from which a process of its own is worth its start, which takes as long as some ten of them.
WORTH = 30


def train(
    run: Run,
    faces: FaceSet,
    names: Sequence[str],
    *,
    device: str = "cpu",
    minutes: float | None = None,
    each: float | None = None,
    validation: FaceSet | None = None,
) -> dict[str, list[dict[str, float]]]:
    """As `stages.train`, silently; on a processor with several cores and no bound of time, side by side where it can.

    run, faces: as for `stages.train`
    names: the stages, in the order in which they run
    device, minutes, each, validation: as for `stages.train`

    Every process has its share of the cores: with one, nothing changes.
    """
    options = {"validation": validation, "device": device, "minutes": minutes, "each": each, "say": None}
    if device != "cpu" or minutes is not None or cores() < 2 or processes.count() > 1:
        return stages.train(run, faces, stages=names, **options)
    histories: dict[str, list[dict[str, float]]] = {}
    for lot in lots(names):
        waiting = [name for name in lot if left(run, name) >= WORTH]
        found = _side_by_side(run, faces, waiting, validation, each) if len(waiting) > 1 else {}
        found |= stages.train(run, faces, stages=[name for name in lot if name not in found], **options)
        histories |= {name: found[name] for name in lot}
    return histories


def lots(names: Sequence[str]) -> list[list[str]]:
    """Stages in their order, cut where one may wait for the one before: neighbours in a lot are independent."""
    kinds = [(STAGES[name].schedule if STAGES[name].schedule in ("stream", "whole") else name) for name in names]
    return [[name for _, name in some] for _, some in groupby(zip(kinds, names, strict=True), key=lambda pair: pair[0])]


def left(run: Run, name: str) -> int:
    """Iterations that a stage has still to do, by what lies beside its checkpoint."""
    iterations = getattr(run.recipe, STAGES[name].schedule).iterations
    try:
        found = read_json(run.checkpoint(name).with_suffix(".json"))
        return iterations - int(found["step"])
    except (InputError, KeyError, TypeError, ValueError):
        return iterations


def _side_by_side(
    run: Run, faces: FaceSet, names: Sequence[str], validation: FaceSet | None, each: float | None
) -> dict[str, list[dict[str, float]]]:
    workers = min(cores(), len(names))
    one = partial(_train, run, faces, validation, each, cores() // workers)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


def _train(
    run: Run, faces: FaceSet, validation: FaceSet | None, each: float | None, threads: int, name: str
) -> list[dict[str, float]]:
    torch.set_num_threads(threads)
    return stages.train(run, faces, stages=[name], validation=validation, each=each, say=None)[name]
