"""Tables IV, V: is a restored face still the same person's, says a descriptor, among synthetic people?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import pandas as pd
import torch
from torch import Tensor

from umsn import recognition
from umsn.data import synthetic
from umsn.data.unseen import UNSEEN
from umsn.evaluation import Protocol, blurred_batches, summarise
from umsn.evaluation.methods import UNTRAINED, Method, restoring
from umsn.evaluation.protocol import SIGMA
from umsn.faces import FaceSet
from umsn.files import InputError
from umsn.networks.weights import Pipeline
from umsn.recognition import Descriptor, Judge
from umsn.records import Timer, record, rows_of

SHOTS = 10  #: photographs of each person, the first of which is the probe
TOP = ("Top-1", "Top-3", "Top-5")


def measure(
    networks: Pipeline,
    descriptor: Judge,
    *,
    people: Annotated[int, "synthetic people"] = 100,
    sizes: Annotated[Sequence[int], "kernel sizes"] = (13, 19, 25),
    probes: Annotated[
        int | None, "the first so many of them are probes, all are in the gallery; all by default"
    ] = None,
    rivals: Annotated[str, "rivals beside blurred and UMSN: names with commas, or all"] = "",
) -> dict[str, Any]:
    """Top-1, 3, 5 of probes, and how far they are from their sharp originals, in the descriptor given.

    networks: S-Net and UMSN
    descriptor: who judges
    people: synthetic ones, whom no training drew; nine photographs of each are the gallery, without the probes' sources
    sizes: of the kernels; a probe is blurred by one of every size
    probes: the first so many people have one
    rivals: beside the blurred probes and UMSN, names of `methods.UNTRAINED` with commas, or all

    ``top``: in percent, ``distance``: to the sharp original; ``gain`` in Top-K and ``nearer``: UMSN against blurred,
    image by image. Intervals are clustered by person. Raises InputError for a rival that is not there.
    """
    methods = {name: UNTRAINED[name] for name in ("blurred", *_rivals(rivals))} | {"umsn": restoring(networks)}
    with Timer() as timer:
        who = {"identities": range(UNSEEN, UNSEEN + people), "shots_per_identity": SHOTS}
        rows = probe_rows(methods, synthetic.faces(people * SHOTS, seed=0, **who), sizes, descriptor, probes)
    keys = ["face", "size"]
    before, after = (rows[rows["method"] == name].set_index(keys) for name in ("blurred", "umsn"))
    gap = (after[[*TOP, "distance"]] - before[[*TOP, "distance"]]).reset_index()
    tables = {
        "top": (rows, TOP),
        "distance": (rows[rows["method"] != "clear"], ("distance",)),
        "gain": (gap.assign(method="umsn, gained"), TOP),
        "nearer": (gap.assign(method="umsn, nearer", distance=-gap["distance"]), ("distance",)),
    }
    asked = {"measure": "recognition", "people": people, "sizes": list(sizes), "probes": probes, "rivals": rivals}
    own = isinstance(descriptor, Descriptor)
    return record(
        {option: value for option, value in asked.items() if value},
        {name: rows_of(summarise(table, measures=kept)) for name, (table, kept) in tables.items()},
        timer,
        sigma=SIGMA,
        seed=0,
        source=f"{people} synthetic people, {SHOTS} photographs each, {probes or people} probes, {len(sizes)} kernels",
        weights={"umsn": networks.digest, **({} if own else {"descriptor": descriptor.digest})},
        judge=descriptor.title,
    )


def _rivals(words: str) -> list[str]:
    """The names of rivals, in the order of `UNTRAINED`. Raises InputError for others."""
    there = [name for name in UNTRAINED if name != "blurred"]
    asked = there if words == "all" else [name for name in words.split(",") if name]
    if unknown := [name for name in asked if name not in there]:
        raise InputError(f"rival {unknown[0]!r}: expected all, or some of {', '.join(there)}")
    return [name for name in there if name in asked]


@torch.inference_mode()
def probe_rows(
    methods: dict[str, Method], drawn: FaceSet, sizes: Sequence[int], descriptor: Judge, count: int | None = None
) -> pd.DataFrame:
    """A row a probe (of the first ``count`` people) and method; clear probes once, of size 0."""
    probe = torch.arange(len(drawn)) % SHOTS == 0
    every = torch.cat([descriptor.embed(part.float() / 255) for part in drawn.photos.split(50)])
    gallery, first = (every[~probe], drawn.identities[~probe]), probe.nonzero()[:count, 0]
    people, clear = drawn.identities[first], every[first]
    probes = FaceSet(drawn.names[::SHOTS][:count], drawn.photos[first], None, people)
    found = recognition.ranks(clear, people, *gallery)
    parts = [_told("clear", torch.arange(len(people)), [0] * len(people), found, torch.zeros(len(people)))]
    for some in blurred_batches(probes, Protocol(sizes=sizes, per_size=1), batch=8):
        which, how = torch.tensor(some.faces), [size for size, _ in some.kernels]
        for name, method in methods.items():
            seen = descriptor.embed(method(some.blurred).clamp(0, 1))
            found = recognition.ranks(seen, people[which], *gallery)
            parts.append(_told(name, which, how, found, (seen - clear[which]).norm(dim=1)))
    return pd.concat(parts, ignore_index=True)


def _told(method: str, which: Tensor, sizes: list[int], ranks: Tensor, distance: Tensor) -> pd.DataFrame:
    """Rows of one method: of the probes ``which``, the rank of the right person and the distance to the original."""
    top = {word: 100.0 * (ranks <= int(word[4:])).double().numpy() for word in TOP}
    keys = {"method": method, "face": which.numpy(), "size": sizes}
    return pd.DataFrame({**keys, **top, "distance": distance.double().numpy()})
