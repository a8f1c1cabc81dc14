"""How well does our own face descriptor tell apart people whom it has never seen?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F

from umsn.data import datasets, synthetic
from umsn.faces import FaceSet
from umsn.files import check_place
from umsn.networks import weights
from umsn.recognition import Descriptor, each_in_turn, train_descriptor
from umsn.records import Timer, record

#: The people that the package's descriptor was trained on.
SEEN = {"count": 800, "seed": 11, "size": 64, "margin": 8, "shots_per_identity": 4}

#: The people by whom it is measured: none of them is drawn for its training.
STRANGERS = {"count": 1000, "seed": 2026, "size": 64, "margin": 0, "shots_per_identity": 10}


def measure(
    descriptor: Descriptor,
    *,
    train: Annotated[Path | None, "train one anew and write it to this file, instead of asking the package's"] = None,
    steps: Annotated[int, "of its training"] = 500,
) -> dict[str, Any]:
    """Top-1, 3, 5 of sharp photographs of 100 synthetic people, by the nearest neighbour in the descriptor."""
    facts: dict[str, Any] = {}
    if train is not None:
        check_place(train, ours=weights.is_ours)
    with Timer() as timer:
        if train is not None:
            descriptor, facts = _trained(steps)
        faces = synthetic.faces(**STRANGERS)
        found = scores(descriptor, faces)
    plan = {**STRANGERS, "data": datasets.data_hash(FaceSet(faces.names, faces.photos, None))}
    made = record({"measure": "descriptor"}, {"scores": found}, timer, **facts, **{"measured on": plan})
    if train is not None:
        weights.save(train, descriptor.state_dict(), {**made["provenance"], "scores": found}, half=True)
    return made


def _trained(steps: int) -> tuple[Descriptor, dict[str, Any]]:
    """A descriptor trained on synthetic people, and what its file says of that."""
    faces = synthetic.faces(**SEEN, workers=1)
    descriptor, history = train_descriptor(faces, seed=0, steps=steps, margin=SEEN["margin"], say=print)
    plan = {**SEEN, "data": datasets.data_hash(FaceSet(faces.names, faces.photos, None))}
    facts = {"data": plan["data"], "seed": 0, "steps": steps, "trained on": plan, "history": history}
    return descriptor, facts


@torch.inference_mode()
def scores(network: Descriptor, faces: FaceSet) -> dict[str, Any]:
    """Top-1, 3, 5 of sharp photographs, every one a probe once; top-1's 95% interval clustered by identity.

    Thumbnails of 8 x 8 pixels, compared as they are, say how much of it colour alone would give.
    """
    photos = [p.float() / 255 for p in faces.photos.split(50)]
    found = each_in_turn(torch.cat([network.embed(p) for p in photos]), faces.identities)
    small = torch.cat([F.adaptive_avg_pool2d(p, 8) for p in photos])
    plain = each_in_turn(small.flatten(1), faces.identities)
    people = torch.stack([(found[faces.identities == i] == 1).double().mean() for i in faces.identities.unique()])
    again = torch.randint(len(people), (10_000, len(people)), generator=torch.Generator().manual_seed(0))
    interval = people[again].mean(dim=1).quantile(torch.tensor([0.025, 0.975], dtype=torch.double))
    return {
        **{f"top-{k}": round(float((found <= k).double().mean()), 4) for k in (1, 3, 5)},
        "top-1 95% interval": [round(v, 4) for v in interval.tolist()],
        "thumbnails top-1": round(float((plain <= 1).double().mean()), 4),
    }
