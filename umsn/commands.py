"""What each command of `umsn` does with its options: the words between a command line and the library.

What takes long to import is imported by the command that needs it, so that `umsn --help` is there at once.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from umsn.files import InputError, whole, write_json

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from umsn.faces import FaceSet, Window
    from umsn.weights import Pipeline


def deblur(options: argparse.Namespace) -> int:
    box = _box(options.box)
    if options.batch < 1:
        raise InputError(f"batch {options.batch}: expected at least 1")
    from tqdm import tqdm

    from umsn.restore import photos_in, restore_all
    from umsn.weights import pipeline, shipped

    photos, device = photos_in(options.photo), _device(options.device)
    networks = pipeline(options.weights, device) if options.weights else shipped(device=device)
    reports = restore_all(
        photos, options.out, _restorer(networks, device, options.fast), box=box, whole=options.whole,
        batch=options.batch,
    )  # fmt: skip
    code, silent = 0, len(photos) < 4 or not sys.stderr.isatty()
    for report in tqdm(reports, total=len(photos), unit="photo", disable=silent, leave=False):
        if report.error is not None:
            tqdm.write(f"umsn: {report.error}", file=sys.stderr)
            code = 2
            continue
        where = ", ".join(f"{f.row},{f.column},{f.height},{f.width}" for f in report.frames)
        if not where:
            where = "the whole picture" + (
                "" if options.whole else ", since no face was found (--box says where one is)"
            )
        tqdm.write(f"{report.photo} -> {report.result}: {where}; {report.seconds:.1f} s")
        sys.stdout.flush()
    return code


def _restorer(networks: Pipeline, device: str, fast: bool) -> Callable[[Tensor], Tensor]:
    """What restores pictures, on the device or by ONNX Runtime; both take and give them on the CPU."""
    if fast:
        from umsn.exported import Fast

        return Fast(networks)
    return lambda blurred: networks(blurred.to(device)).restored.cpu()


def _box(text: str | None) -> Window | None:
    from umsn.faces import Window

    if text is None:
        return None
    try:
        box = Window(*(int(part) for part in text.split(",")))
    except (TypeError, ValueError):
        box = Window(0, 0, 0, 0)
    if min(box.height, box.width) < 1:
        raise InputError(f"box {text!r}: expected ROW,COLUMN,HEIGHT,WIDTH in pixels, for instance 58,161,124,124")
    return box


def evaluate(options: argparse.Namespace) -> None:
    from umsn.evaluation import run

    device = _together(_device(options.device))
    try:
        record = run(
            method=options.method, faces=options.faces, layout=options.layout, window=options.window,
            sizes=options.sizes, kernels=options.kernels, noise=options.noise, seed=options.seed,
            centre=options.centre, limit=options.limit, weights=options.weights, fast=options.fast, device=device,
            progress=None if _follows() else _bar("picture"),
        )  # fmt: skip
    finally:
        _part()
    if _follows():
        return
    if options.json:
        write_json(options.json, record)
    print(f"{'method':10}{'measure':18}{'mean':>10}   95% interval")
    for row in record["summary"]["by_method"]:
        if row["measure"] in ("psnr", "ssim", "ssim_volumetric"):
            mean, low, high = (f"{row[name]:.3f}" if row[name] is not None else "-" for name in ("mean", "low", "high"))
            print(f"{row['method']:10}{row['measure']:18}{mean:>10}   {low} .. {high}")


def verify(options: argparse.Namespace) -> int:
    from umsn import evaluation

    verdict = evaluation.verify(
        options.record, faces=options.faces, kernels=options.kernels, weights=options.weights, limit=options.limit,
        device=_device(options.device), progress=_bar("picture"),
    )  # fmt: skip
    state = "holds" if verdict.holds else "does not hold"
    print(
        f"{options.record}: {state}; {verdict.equal} of {verdict.rows} rows (or numbers) are equal to the last digit, "
        f"the largest difference is {verdict.largest:.2g}"
    )
    return 0 if verdict.holds else 1


def _bar(unit: str) -> Callable[[int, int], None]:
    """A progress bar on a terminal, told how many are done and how many there are."""
    from tqdm import tqdm

    bar = tqdm(unit=unit, disable=not sys.stderr.isatty(), leave=False)

    def tell(done: int, count: int) -> None:
        bar.total = count
        bar.update(done - bar.n)

    return tell


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device {name!r}: no such device here; expected cpu")
    return name


def _precision(name: str) -> torch.dtype | None:
    import torch

    if name not in ("auto", "float32", "bfloat16"):
        raise InputError(f"precision {name!r}: expected auto, float32 or bfloat16")
    return None if name == "auto" else getattr(torch, name)


def _together(device: str) -> str:
    """Join the processes that torchrun started, if it did; the device of this one."""
    if "WORLD_SIZE" not in os.environ:
        return device
    import torch

    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return device


def _follows() -> bool:
    """Whether another process prints and writes."""
    return int(os.environ.get("RANK", 0)) > 0


def _part() -> None:
    """Leave the processes that `_together` joined."""
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def train(options: argparse.Namespace) -> None:
    from umsn import stages
    from umsn.deblurring import METHODS
    from umsn.recipes import recipe
    from umsn.records import provenance

    chosen = recipe(options.recipe)
    usual = list(stages.STAGES) if options.all else ["umsn"] if options.start else list(stages.UP_TO_UMSN)
    names = options.stage or usual
    if unknown := [name for name in names if name not in stages.STAGES]:
        raise InputError(f"stage {unknown[0]!r}: expected one of {', '.join(stages.STAGES)}")
    if options.minutes is not None and not options.minutes > 0:
        raise InputError(f"minutes {options.minutes:g}: expected more than 0")
    precision = _precision(options.precision)
    device, features = _together(_device(options.device)), None
    if options.perceptual:
        from umsn.recognition.descriptor import shipped_descriptor

        features = shipped_descriptor(device).features
    start = Path(options.start) if options.start else None
    run = stages.Run(Path(options.out), chosen, options.seed, features, start, options.compile)
    faces, validation = _training_faces(options, chosen.faces), _validation_faces(options)
    try:
        stages.train(
            run, faces, stages=names, validation=validation, device=device, minutes=options.minutes,
            precision=precision,
        )  # fmt: skip
    finally:
        _part()
    if _follows():
        return
    for name in names:
        if name.split("-")[0] in METHODS and run.checkpoint(name).exists():
            path = run.folder / "pretrained" / f"{name}.safetensors"
            stages.export(run, name, path, {"provenance": provenance()})
            print(f"{path}: for umsn deblur --weights and umsn evaluate --weights")


def _training_faces(options: argparse.Namespace, count: int) -> FaceSet:
    """The folder's faces, or drawn ones, which are kept beside the checkpoints."""
    text = options.faces or str(count)
    if not text.isdigit():
        from umsn.datasets import load

        return load(text, layout=options.layout, limit=options.limit)
    from umsn.source import drawn_faces

    folder = Path(options.out) / f"faces-{text}-{options.seed}"
    if not (_follows() or folder.exists()):
        print(f"drawing {text} faces into {folder}, once", flush=True)
    return drawn_faces(int(text), folder, seed=options.seed)


def _validation_faces(options: argparse.Namespace) -> FaceSet | None:
    """The folder's faces, or people whom no training draws; none for 0."""
    if not options.validate.isdigit():
        from umsn.datasets import load

        return load(options.validate, layout=options.layout)
    if int(options.validate) == 0:
        return None
    from umsn.evaluation import unseen_faces

    return unseen_faces(int(options.validate), seed=options.seed)


def draw(options: argparse.Namespace) -> None:
    from umsn.datasets import save
    from umsn.synthetic import faces

    if options.count < 1:
        raise InputError(f"{options.count} faces: expected at least 1")
    save(faces(options.count, seed=options.seed, size=options.size), options.out)
    print(f"{options.count} faces in {options.out}: images, labels (Helen's ids 0..10) and identities.csv")


def kernels(options: argparse.Namespace) -> None:
    import numpy as np
    import torch
    from PIL import Image

    from umsn import blur

    if options.count < 1 or options.size < 3 or options.size % 2 == 0:
        raise InputError(f"{options.count} kernels of size {options.size}: expected at least 1, and an odd size from 3")
    drawn = blur.kernels([options.size] * options.count, torch.Generator().manual_seed(options.seed)).numpy()
    for number, kernel in enumerate(drawn):
        with whole(Path(options.out) / f"kernel-{number:04d}.npy") as beside, beside.open("wb") as file:
            np.save(file, kernel)
    with whole(Path(options.out) / "kernels.png") as beside:
        Image.fromarray(_sheet(drawn)).save(beside)
    print(
        f"{options.count} kernels of {options.size} x {options.size} in {options.out}, and kernels.png with all of them"
    )


def _sheet(kernels: np.ndarray, gap: int = 2, zoom: int = 4) -> np.ndarray:
    """All kernels (N, k, k) in one grey picture, each as bright as its brightest pixel allows."""
    import numpy as np

    count, size = len(kernels), kernels.shape[-1]
    columns = math.ceil(math.sqrt(count))
    rows, cell = math.ceil(count / columns), size + gap
    sheet = np.full((rows * cell + gap, columns * cell + gap), 64, np.uint8)
    for i, kernel in enumerate(kernels):
        row, column = gap + i // columns * cell, gap + i % columns * cell
        sheet[row : row + size, column : column + size] = np.round(255 * kernel / kernel.max())
    return sheet.repeat(zoom, 0).repeat(zoom, 1)
