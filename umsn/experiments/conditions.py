"""Fig. 17, 18: what is left of the gain behind a hand, with sunglasses and in low light?"""

from __future__ import annotations

from typing import Annotated, Any

import pandas as pd

from umsn.data.datasets import INNER
from umsn.data.unseen import unseen_faces
from umsn.evaluation import Protocol, evaluate, gains, summarise
from umsn.evaluation.protocol import SIGMA
from umsn.networks.weights import Pipeline
from umsn.records import Timer, record, rows_of

#: How the same people are drawn, the plain way first.
CONDITIONS = {
    "as drawn": {"occlusion": None},
    "hand": {"occlusion": "hand"},
    "sunglasses": {"occlusion": "sunglasses"},
    "low light": {"darkness": 1.0},
}


def measure(networks: Pipeline, *, people: Annotated[int, "synthetic people"] = 40) -> dict[str, Any]:
    """What UMSN gains over the blurred image as a face is drawn, occluded and in low light, and what that costs it.

    The same people in the same photographs, one kernel of 17 pixels (Fig. 17, 18). ``lost``: the gain as drawn less
    the gain under the condition, face by face.
    """
    parts, protocol = [], Protocol(sizes=(17,), per_size=1, window=INNER)
    methods = {"blurred": lambda blurred: blurred, "umsn": lambda blurred: networks(blurred).restored}
    with Timer() as timer:
        for name, how in CONDITIONS.items():
            faces = unseen_faces(people, seed=0, **how)
            parts.append(gains(evaluate(methods, faces, protocol)).assign(method=name))
    first, *others = parts
    lost = [part.assign(psnr=first["psnr"].to_numpy() - part["psnr"].to_numpy()) for part in others]
    tables = {"gained": pd.concat(parts), "lost": pd.concat(lost)}
    return record(
        {"measure": "conditions", "people": people},
        {name: rows_of(summarise(rows, measures=["psnr"])) for name, rows in tables.items()},
        timer,
        source=f"{people} synthetic people, {len(parts)} conditions",
        sigma=SIGMA,
        seed=0,
        weights={"umsn": networks.digest},
    )
