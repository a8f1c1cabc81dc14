"""`umsn train`: the networks, stage by stage."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from umsn.cli.options import RECIPES, Add, add_layout, add_seed, decimal, place

if TYPE_CHECKING:
    from umsn.data.chosen import Chosen
    from umsn.faces import FaceSet

ABOUT = (
    "train the networks, stage by stage; the same command goes on where it was interrupted",
    "umsn train --recipe laptop --out run --minutes 30",
)


def add_options(add: Add) -> None:
    add("--recipe", default="laptop", help=f"{RECIPES} (default: laptop)")
    add("-o", "--out", type=place, required=True, metavar="DIR", help="folder for checkpoints and trained networks")
    add(
        "--faces",
        metavar="FOLDER|N",
        help="a folder of labelled faces, or a number of synthetic ones (the recipe's)",
    )
    add_layout(add)
    add(
        "--validate",
        default="16",
        metavar="FOLDER|N",
        help="a folder measured on the way, or a number of synthetic faces (16)",
    )
    add("--stage", action="append", metavar="NAME", help="run this stage only; may be repeated (default: up to umsn)")
    add("--all", action="store_true", help="run all stages: up to umsn, then the other rows of Table VI")
    add(
        "--from",
        dest="start",
        type=place,
        metavar="FILE",
        help="go on from exported weights, with stage umsn if none is named",
    )
    add(
        "--backbone",
        type=place,
        metavar="FILE",
        help="with stage kupyn: torchvision's mobilenet_v2, trained on ImageNet, for its backbone to begin with",
    )
    add("--perceptual", action="store_true", help="add the loss of Eq. 5, with the package's face descriptor")
    add("--precision", default="auto", help="float32, bfloat16, or auto (default): bfloat16 on a GPU that has it")
    add("--compile", action="store_true", help="have torch compile the networks' blocks: a slow start, then faster")
    add(
        "--average",
        type=decimal(0, 1),
        default=0.0,
        metavar="PART",
        help="beyond the paper: leave an average of the weights over the steps, of which PART stays at each, say 0.999",
    )
    add(
        "--weight-decay",
        type=decimal(0, 1),
        default=0.0,
        metavar="PART",
        help="beyond the paper: train with AdamW, which shrinks the weights by PART of the rate at each step",
    )
    add(
        "--error", default="l1", help="for rows of Table VI: l1 (default, the paper's), charbonnier, or psnr (not umsn)"
    )
    add(
        "--network-layout",
        default="auto",
        metavar="WHICH",
        help="how the networks are laid out for training: plain, gpu, gpu-triton, or auto (default): gpu on a GPU",
    )
    add("--minutes", type=decimal(0, 1e6), metavar="M", help="stop after so long, whatever the recipe says")
    add(
        "--fit",
        type=decimal(0, 1e6),
        metavar="M",
        help="shorten the stages, all by one factor, so that they fit into so many minutes by the speed measured here",
    )
    add_seed(add, "of everything random")
    add("--device", default="auto", help="cpu, cuda, or auto (default)")


def run(options: argparse.Namespace) -> None:
    import torch

    from umsn import processes
    from umsn.files import InputError, check_folder, check_place
    from umsn.networks.weights import is_ours
    from umsn.recipes import recipe
    from umsn.training import choices, stages, steps

    chosen = recipe(options.recipe)
    to_learn, to_validate = _wanted(options, chosen.faces)
    usual = list(stages.ALL) if options.all else ["umsn"] if options.start else list(stages.UP_TO_UMSN)
    names = options.stage or usual
    if unknown := [name for name in names if name not in stages.STAGES]:
        raise InputError(f"stage {unknown[0]!r}: expected one of {', '.join(stages.STAGES)}")
    for name in ("minutes", "fit"):
        if (given := getattr(options, name)) is not None and not given > 0:
            raise InputError(f"{name} {given:g}: expected more than 0")
    if options.precision not in ("auto", "float32", "bfloat16"):
        raise InputError(f"precision {options.precision!r}: expected auto, float32 or bfloat16")
    if options.network_layout not in steps.LAYOUTS:
        raise InputError(f"network layout {options.network_layout!r}: expected {', '.join(steps.LAYOUTS)}")
    own = choices.Choices(options.average, options.weight_decay, options.error)
    check_folder(options.out)
    for path in _exports(Path(options.out), names).values():
        check_place(path, ours=is_ours)
    precision = None if options.precision == "auto" else getattr(torch, options.precision)
    with processes.joined(processes.device_called(options.device)) as device:
        features = None
        if options.perceptual:
            from umsn.recognition.descriptor import shipped_descriptor

            features = shipped_descriptor(device).features
        work = stages.Run(
            folder=Path(options.out),
            recipe=chosen,
            seed=options.seed,
            features=features,
            start=Path(options.start) if options.start else None,
            compiled=options.compile,
            backbone=Path(options.backbone) if options.backbone else None,
            layout=options.network_layout,
            choices=own,
        )
        stages.check_backbone(work, names)
        stages.check_choices(work, names)
        faces, validation = _training_faces(options, to_learn), _validation_faces(options, to_validate)
        stages.train(
            work,
            faces,
            stages=names,
            validation=validation,
            device=device,
            minutes=options.minutes,
            fit_into=options.fit,
            precision=precision,
        )
        if processes.first():
            _export(work, names)


def _export(work: object, names: list[str]) -> None:
    """Leave what was trained as files for the other commands."""
    from umsn.records import provenance
    from umsn.training import stages

    for name, path in _exports(work.folder, names).items():
        if work.checkpoint(name).exists():
            stages.export(work, name, path, {"provenance": provenance()})
            print(f"{path}: for umsn deblur --weights and umsn evaluate --weights")


def _exports(folder: Path, names: list[str]) -> dict[str, Path]:
    """Where the networks of those stages go that other commands use."""
    from umsn.training.stages import STAGES

    return {n: folder / "pretrained" / f"{n}.safetensors" for n in names if STAGES[n].method is not None}


def _wanted(options: argparse.Namespace, count: int) -> tuple[Chosen, Chosen | None]:
    """Which faces are trained on and which are measured along the way, none for 0."""
    from umsn.data.chosen import chosen

    wanted = str(count) if options.faces is None else options.faces
    to_learn = chosen(wanted, layout=options.layout, limit=options.limit)
    no = options.validate == "0"
    return to_learn, None if no else chosen(options.validate, layout=options.layout, what="validate")


def _training_faces(options: argparse.Namespace, what: Chosen) -> FaceSet:
    """The folder's faces, or synthetic ones, which are kept beside the checkpoints."""
    from umsn import processes
    from umsn.data import datasets
    from umsn.data.chosen import Folder
    from umsn.training.batches import drawn_faces

    if isinstance(what, Folder):
        return datasets.load(what.path, layout=what.layout, limit=what.limit)
    folder = Path(options.out) / f"faces-{what.count}-{options.seed}"
    if processes.first() and not folder.exists():
        print(f"drawing {what.count} faces into {folder}, once", flush=True)
    return drawn_faces(what.count, folder, seed=options.seed)


def _validation_faces(options: argparse.Namespace, what: Chosen | None) -> FaceSet | None:
    """The folder's faces, or people whom no training draws."""
    from umsn.data.chosen import faces_to_test

    return None if what is None else faces_to_test(what, seed=options.seed)[0]
