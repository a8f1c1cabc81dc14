"""Train the face descriptor that comes with the package, and measure it on people it has not seen.

    python benchmarks/descriptor.py                  # draws 800 + 1,000 faces, trains, measures, writes the file
    python benchmarks/descriptor.py --measure-only   # draws 1,000 faces and measures the file in the package

With --keep FOLDER drawn faces are kept there, and taken from there the next time. The recipe and the scores are among
the file's own facts and in results/measured/descriptor.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from umsn import synthetic, weights
from umsn.evaluation.measures import STRANGERS, descriptor_scores
from umsn.faces import FaceSet
from umsn.files import whole, write_json
from umsn.recognition import Descriptor, train_descriptor
from umsn.records import Timer, provenance
from umsn.source import fingerprint

HOME = Path(__file__).resolve().parent.parent
FILE = HOME / "umsn/pretrained/descriptor.safetensors"
SEEN = {"count": 800, "seed": 11, "size": 64, "margin": 8, "shots_per_identity": 4}


def drawn(plan: dict[str, int], keep: Path | None) -> tuple[FaceSet, dict[str, Any]]:
    """The faces of a plan, drawn by one process or kept from before; how they came about."""
    kept = keep and keep / f"drawn-{plan['seed']}-{plan['count']}.pt"
    if kept and kept.exists():
        names, photos, identities, code = torch.load(kept, weights_only=True)
        faces = FaceSet(names, photos, None, identities)
    else:
        faces, code = synthetic.faces(**plan, workers=1), provenance()["code"]
        if kept:
            with whole(kept) as beside:
                torch.save((faces.names, faces.photos, faces.identities, code), beside)
    return faces, {**plan, "drawn by": code, "fingerprint": fingerprint(FaceSet(faces.names, faces.photos, None))}


def main() -> None:
    """Parse the command line and go."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--measure-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.measure_only:
        tensors, facts = weights.load(FILE)
        descriptor = Descriptor().eval()
        weights.into(descriptor, tensors, source=FILE)
    else:
        faces, seen = drawn(SEEN, options.keep)
        with Timer() as timer:
            descriptor, history = train_descriptor(
                faces, seed=options.seed, steps=options.steps, margin=SEEN["margin"], say=print
            )
        facts = provenance(seconds=round(timer.seconds, 1), data=seen["fingerprint"], seed=options.seed)
        facts |= {"steps": options.steps, "trained on": seen, "history": history}
    faces, unseen = drawn(STRANGERS, options.keep)
    facts |= {
        "measured on": unseen,
        "scores": descriptor_scores(descriptor, faces),
        "measured by": provenance()["code"],
    }
    facts["asked"] = {"measure": "descriptor"}
    print(facts["scores"])
    if not options.measure_only:
        weights.save(FILE, descriptor.state_dict(), facts, half=True)
    write_json(HOME / "results/measured/descriptor.json", facts)


if __name__ == "__main__":
    main()
