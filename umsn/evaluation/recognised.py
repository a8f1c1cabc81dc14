"""Is a restored face still the same person's? The protocol of Tables IV and V with drawn people and our descriptor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from umsn import blur, recognition, synthetic, weights
from umsn.evaluation.command import UNSEEN, named_method
from umsn.evaluation.intervals import summarise
from umsn.evaluation.measures import SIGMA
from umsn.evaluation.pictures import blurred_batches
from umsn.faces import FaceSet
from umsn.records import Timer, provenance

#: What is compared with the sharp photograph; photographs of each person, the first of which is the probe.
METHODS, SHOTS = ("blurred", "umsn"), 10
TOP = ("Top-1", "Top-3", "Top-5")


def recognised(people: int, *, sizes: Sequence[int] = (13, 19, 25)) -> dict[str, Any]:
    """Top-1, 3, 5 of probes, and how far they are from their sharp originals, in the package's stand-in descriptor.

    Drawn people whom no training drew; a probe of each under one kernel of every size, nine other photographs of each
    are the gallery, without the probe's own source. ``top``: in percent, ``distance``: to the sharp original; ``gain``
    in Top-K and ``nearer``: UMSN against blurred, picture by picture. Intervals are clustered by person.
    """
    with Timer() as timer:
        who = {"identities": range(UNSEEN, UNSEEN + people), "shots_per_identity": SHOTS}
        rows = _rows(synthetic.faces(people * SHOTS, seed=0, **who), sizes)
    keys = ["face", "size"]
    before, after = (rows[rows["method"] == name].set_index(keys) for name in METHODS)
    gap = (after[[*TOP, "distance"]] - before[[*TOP, "distance"]]).reset_index()
    tables = {
        "top": (rows, TOP), "distance": (rows[rows["method"] != "clear"], ("distance",)),
        "gain": (gap.assign(method="umsn, gained"), TOP),
        "nearer": (gap.assign(method="umsn, nearer", distance=-gap["distance"]), ("distance",)),
    }  # fmt: skip
    found = {
        name: summarise(table, measures=kept).round(4).to_dict("records") for name, (table, kept) in tables.items()
    }
    about = provenance(
        asked={"measure": "recognition", "people": people, "sizes": list(sizes)}, sigma=SIGMA, seed=0,
        source=f"{people} drawn people, {SHOTS} photographs each, {len(sizes)} kernels",
        weights={"umsn": weights.shipped().digest}, seconds=round(timer.seconds, 1), peak_mib=timer.peak_mib,
    )  # fmt: skip
    return {"provenance": about, **found}


@torch.inference_mode()
def _rows(drawn: FaceSet, sizes: Sequence[int]) -> pd.DataFrame:
    """A row a probe and method; clear probes once, of size 0."""
    descriptor, probe = recognition.shipped_descriptor(), torch.arange(len(drawn)) % SHOTS == 0
    photos = [part.float() / 255 for part in drawn.photos.split(50)]
    every = torch.cat([descriptor.embed(part) for part in photos])
    gallery, people, clear = (every[~probe], drawn.identities[~probe]), drawn.identities[probe], every[probe]
    probes = FaceSet(drawn.names[::SHOTS], drawn.photos[::SHOTS], None, people)
    methods = {name: named_method(name) for name in METHODS}
    parts = [_told("clear", torch.arange(len(people)), [0] * len(people), clear, clear, people, *gallery)]
    for some in blurred_batches(probes, blur.protocol_kernels(sizes, 1, 0), sigma=SIGMA, seed=0, batch=8):
        which, how = torch.tensor(some.faces), [size for size, _ in some.kernels]
        for name, method in methods.items():
            seen = descriptor.embed(method(some.blurred).clamp(0, 1))
            parts.append(_told(name, which, how, seen, clear[which], people[which], *gallery))
    return pd.concat(parts, ignore_index=True)


def _told(
    name: str, which: Tensor, sizes: list[int], seen: Tensor, sharp: Tensor, who: Tensor, gallery: Tensor, ids: Tensor
) -> pd.DataFrame:
    rank = recognition.ranks(seen, who, gallery, ids)
    top = {word: 100.0 * (rank <= int(word[4:])).double().numpy() for word in TOP}
    distance = (seen - sharp).norm(dim=1).double().numpy()
    return pd.DataFrame({"method": name, "face": which.numpy(), "size": sizes, **top, "distance": distance})
