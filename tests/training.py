"""What the tests of training share: faces of noise with labels in stripes, and a recipe of seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from umsn.faces import FaceSet
from umsn.recipes import Recipe, Schedule, recipe
from umsn.training.stages import Run

SHORT = Schedule(4, 2, 1e-3, "cosine")


def striped(count: int = 4, side: int = 48) -> FaceSet:
    """Smooth random images whose eleven labels are stripes."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    photos = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    labels = (torch.arange(side) * 11 // side).to(torch.uint8).expand(count, side, side)
    return FaceSet([f"{i}" for i in range(count)], (photos * 255).byte(), labels.contiguous())


def short(**changes: object) -> Recipe:
    """`smoke` with four steps a stage."""
    schedules = dict.fromkeys(("parse_clean", "parse_blurry", "stream", "whole"), SHORT)
    return replace(recipe("smoke"), **({"kernels": 9, "snapshots": (0.5,)} | schedules | changes))


def run_in(folder: Path, **changes: object) -> Run:
    return Run(folder, short(**changes), seed=0)
