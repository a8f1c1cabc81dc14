"""Faces drawn from a seed: the data the whole book runs on when nobody has given it a data set.

A person (``Identity``) is a relief of a head, a skin, thousands of strands of hair; a photograph (``Shot``) is a pose,
an expression, a light, a background and a camera. Everything is evaluated in the head's own coordinates, so that the
labels, Helen's eleven, are exact whatever the pose. Ears, neck and clothes are background, as in Helen; beards skin.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch

from umsn.data.synthetic.identity import Identity, identity_of
from umsn.data.synthetic.scene import render
from umsn.data.synthetic.shot import Shot, shot_of
from umsn.faces import Face, FaceSet
from umsn.files import InputError
from umsn.memory import free_memory

#: Bytes of memory for each pixel of all photographs: colours and labels, once as drawn and once put together.
BYTES = 8

__all__ = ["Identity", "Shot", "draw", "faces", "identity_of", "shot_of"]


def draw(identity: int, shot: int, *, seed: int, size: int = 128, margin: int = 0, **overrides: Any) -> Face:
    """Draw one photograph of one person: photo (3, H, W) in [0, 1], labels (H, W), H = W = ``size`` + 2 ``margin``.

    ``size`` pixels frame the face as the paper's test sets do; ``margin`` adds pixels around it at the same scale. The
    same arguments give the same bytes. ``overrides`` replace fields of ``Shot``: ``yaw``, ``pitch``, ``expression``,
    ``occlusion`` ("hand" or "sunglasses"), ``darkness`` (0 .. 1), ``background`` and others. Raises InputError for an
    unknown or impossible one.
    """
    photo, labels = _bytes((identity, shot, seed, size, margin, overrides))
    return Face(torch.from_numpy(photo).float() / 255, torch.from_numpy(labels))


def faces(
    count: int,
    *,
    seed: int,
    size: int = 128,
    margin: int = 0,
    identities: Sequence[int] | None = None,
    shots_per_identity: int = 4,
    workers: int | None = None,
    **overrides: Any,
) -> FaceSet:
    """Draw ``count`` photographs, ``shots_per_identity`` of each of ``identities`` in turn; names like "id0007-03".

    count: photographs in all; when the people run out, further photographs of the same people follow
    seed: of the population; the same one gives the same people
    size: pixels that frame the face, as the paper's test sets do
    margin: pixels around them on each side, at the same scale
    identities: numbers of the people, from 0; by default 0, 1, 2, ...
    shots_per_identity: photographs of each person, one after the other
    workers: processes that draw; by default as many as there are cores and work for them; the bytes do not depend on it
    overrides: fields of ``Shot``, as for ``draw``

    Raises InputError when there is nothing to draw.
    """
    people = list(identities) if identities is not None else list(range(-(-count // max(shots_per_identity, 1))))
    if count < 1 or not people or shots_per_identity < 1:
        raise InputError(
            f"{count} photographs, {shots_per_identity} of each of {len(people)} people: at least 1 expected"
        )
    if BYTES * count * (size + 2 * margin) ** 2 > free_memory():
        raise InputError(f"{count} photographs of {size} pixels do not fit into the free memory")
    plan = []
    for k in range(count):
        row, shot = divmod(k, shots_per_identity)
        lap, column = divmod(row, len(people))
        plan.append((people[column], lap * shots_per_identity + shot))
    jobs = [(identity, shot, seed, size, margin, overrides) for identity, shot in plan]
    workers = min(os.cpu_count() or 1, -(-count // 4)) if workers is None else min(workers, count)
    if workers <= 1:
        drawn = [_bytes(job) for job in jobs]
    else:
        with ProcessPoolExecutor(
            workers, mp_context=get_context("fork" if sys.platform == "linux" else "spawn")
        ) as pool:
            drawn = list(pool.map(_bytes, jobs, chunksize=max(1, min(16, count // workers))))
    photos, labels = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*drawn, strict=True))
    names = [f"id{identity:04d}-{shot:02d}" for identity, shot in plan]
    return FaceSet(names, photos, labels, torch.tensor([identity for identity, _ in plan]))


def _bytes(job: tuple[int, int, int, int, int, dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """A photograph as bytes (3, H, W) and its labels (H, W); a function of one argument, for a pool of processes."""
    identity, shot, seed, size, margin, overrides = job
    if min(identity, shot, seed, margin) < 0 or size < 32:
        raise InputError(
            f"identity {identity}, shot {shot}, seed {seed}, margin {margin}, size {size}: "
            "at least 0 expected, and a size of 32 or more"
        )
    photo, labels = render(identity_of(identity, seed), shot_of(identity, shot, seed, overrides), size, margin)
    return np.round(photo * 255).astype(np.uint8), labels
