"""What the stages of training are called on pages; `umsn train --stage` has shorter names."""

from __future__ import annotations

from umsn.evaluation.methods import TITLES
from umsn.faces import CLASSES

STAGES = {
    "parse-clean": "S-Net, sharp faces",
    "parse-blurry": "S-Net, blurred faces",
    **{f"stream-{name}": f"stream, {name}" for name in CLASSES},
    **TITLES,
}


def stage(name: str) -> str:
    """The title of a stage, or of "STAGE, RECIPE" in a record of trainings; other names are their own."""
    found, comma, recipe = name.partition(", ")
    return STAGES.get(found, found) + (f" ({recipe})" if comma else "")
