"""What do choices beyond the paper bring? B-Net under each of them, on as many images, with several seeds."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from umsn.data.datasets import INNER, data_hash
from umsn.data.unseen import unseen_faces
from umsn.evaluation import Protocol, evaluate, named_method
from umsn.experiments.seeds import over_seeds
from umsn.faces import FaceSet
from umsn.files import read_json, whole
from umsn.recipes import Recipe, Schedule
from umsn.recipes import recipe as recipe_called
from umsn.records import Timer, record, rows_of
from umsn.training import stages
from umsn.training.batches import drawn_faces
from umsn.training.choices import THE_PAPERS, Choices

BEFORE = ("parse-clean", "parse-blurry")  #: what B-Net's stage needs
USUAL = "as usual"  #: what the others are compared with: the recipe, with Adam, L1 and the last weights


def schedules(usual: Schedule) -> dict[str, tuple[Schedule, Choices]]:
    """Everything that is compared, by name, and all on as many images as the usual schedule."""
    constant = replace(usual, decay="constant")
    twice = replace(
        usual, iterations=usual.iterations // 2, batch=2 * usual.batch, learning_rate=2**0.5 * usual.learning_rate
    )
    return {
        USUAL: (usual, THE_PAPERS),
        "constant rate": (constant, THE_PAPERS),
        "constant rate, average of 0.98": (constant, Choices(average=0.98)),
        "average of 0.98": (usual, Choices(average=0.98)),
        "AdamW, 0.1": (usual, Choices(weight_decay=0.1)),
        "Charbonnier error": (usual, Choices(error="charbonnier")),
        "twice the batch, 1.4 times the rate, half the steps": (twice, THE_PAPERS),
        "PSNR as the loss": (usual, Choices(error="psnr")),
    }


def measure(
    *,
    recipe: Annotated[str, "gives length and widths"] = "seeds",
    seeds: Annotated[Sequence[int], "seeds of the trainings"] = (0, 1, 2),
    test: Annotated[int, "synthetic people to measure on"] = 12,
    keep: Annotated[Path, "where trainings are kept, and taken up when interrupted"] = Path("runs/choices"),
) -> dict[str, Any]:
    """Train B-Net under a short recipe as usual and with each choice, and compare them on the same people.

    With one seed every training sees the same images in the same order and begins with the same weights; twice the
    batch has batches of its own. S-Net is the same for all.
    """
    chosen, unseen = recipe_called(recipe), unseen_faces(test, seed=0)
    faces, found, seconds = drawn_faces(chosen.faces, keep / "faces", seed=0, margin=0), [], 0.0
    first = stages.Run(keep / "first", chosen, 0)
    compared = schedules(chosen.whole)
    with Timer() as timer:
        stages.train(first, faces, stages=BEFORE)
        for seed in seeds:
            for number, (name, (schedule, choices)) in enumerate(compared.items()):
                run = stages.Run(keep / f"{seed}-{number}", replace(chosen, whole=schedule), seed, choices=choices)
                means = _measured(run, first, faces, unseen)
                found.append({"choice": name, "seed": seed, **means})
                seconds += read_json(run.checkpoint("bnet").with_suffix(".json"))["seconds"]
                print(f"{name}, seed {seed}: {means['psnr']:.3f} dB", flush=True)
    rows = pd.DataFrame(found)
    wide = rows.pivot(index="seed", columns="choice", values="psnr")[list(compared)]
    gains = [
        {"choice": row.pop("method"), **row} for row in over_seeds(wide.sub(wide[USUAL], axis=0).drop(columns=USUAL))
    ]
    return record(
        {"measure": "choices", "recipe": recipe, "seeds": list(seeds), "test": test},
        {"over the usual, dB": gains, "means": rows_of(rows)},
        timer,
        recipe=recipe,
        seeds=list(seeds),
        source=f"B-Net, {_images(chosen)} images of {len(faces)} synthetic faces, measured on {test} others",
        data=data_hash(faces),
        **{"seconds of training": round(seconds, 1)},
    )


def _images(recipe: Recipe) -> int:
    return recipe.whole.iterations * recipe.whole.batch


def _measured(run: stages.Run, first: stages.Run, faces: FaceSet, test: FaceSet) -> dict[str, float]:
    """Mean PSNR and SSIM of B-Net, trained by this run with the S-Net of the ``first``."""
    kept = run.folder / f"means-{len(test)}.csv"
    if not kept.exists():
        for stage in BEFORE:
            with whole(run.checkpoint(stage)) as beside:
                shutil.copyfile(first.checkpoint(stage), beside)
        stages.train(run, faces, stages=["bnet"])
        path = run.folder / "exported" / "bnet.safetensors"
        stages.export(run, "bnet", path, {})
        rows = evaluate({"bnet": named_method("bnet", weights=path)}, test, Protocol(per_size=1, window=INNER))
        with whole(kept) as beside:
            rows[["psnr", "ssim_volumetric"]].mean().to_frame().T.to_csv(beside, index=False)
    return pd.read_csv(kept).iloc[0].to_dict()
