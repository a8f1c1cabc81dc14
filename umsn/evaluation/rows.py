"""Faces x kernels x methods, one row each: what is measured under the protocol of Sec. IV.

Where a process group has been set up (torchrun), its processes share the images, and all of them get all rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from umsn import processes
from umsn.data.datasets import Pairs, data_hash
from umsn.evaluation import metrics
from umsn.evaluation.methods import Method
from umsn.evaluation.protocol import BlurredBatch, Protocol, blurred_batches, published_batches
from umsn.faces import CLASSES, FaceSet, Window
from umsn.files import InputError
from umsn.records import Timer

Progress = Callable[[int, int], None]  #: images done, images in all
Measure = Callable[[Tensor, Tensor], Tensor]  #: restored and sharp images (B, 3, H, W) in [0, 1] -> (B,)


def evaluate(
    methods: Mapping[str, Method],
    faces: FaceSet,
    protocol: Protocol,
    *,
    batch: int = 4,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    also: Mapping[str, Measure] | None = None,
) -> pd.DataFrame:
    """Measure every method on every face and kernel (Tables I, III, VI): one row an image and method.

    methods: by name, each takes blurred images (B, 3, H, W) in [0, 1] to restored ones, which are then clipped
    faces: sharp, with labels or without
    protocol: how they are blurred, and the window that is measured
    batch: images that a method sees at once
    device: where they are blurred, restored and measured
    progress: is told images done and images in all
    also: what else is measured, by column: (restored, sharp) images (B, 3, H, W) in [0, 1] -> B numbers, such as
        {"psnr_shifted": `metrics.psnr_shifted`}

    Columns: method, face, identity (-1 unknown), size, kernel (1..), sigma; psnr, ssim, ssim_volumetric; those of
    ``also``; where there are labels also psnr_CLASS, ssim_CLASS (nan where the class is absent). ``attrs``
    hold the protocol and each method's seconds an image. Raises ValueError when a method returns another shape or
    numbers that are not finite.
    """
    batches = blurred_batches(faces, protocol, batch=batch, device=device, share=_share())
    rows = _rows(methods, faces, batches, protocol.sigma, len(faces) * len(protocol.drawn()), progress, also)
    rows.attrs["protocol"] = {"faces": len(faces), "data": data_hash(faces), **protocol.facts()}
    return rows


def evaluate_pairs(
    methods: Mapping[str, Method],
    pairs: Pairs,
    *,
    window: Window | None = None,
    batch: int = 4,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    also: Mapping[str, Measure] | None = None,
) -> pd.DataFrame:
    """Measure every method on images that somebody else blurred; rows as of `evaluate`, sigma nan: unknown.

    methods, batch, device, progress, also: as for `evaluate`
    pairs: blurred images, and the sharp faces that they were made of
    window: the part of each image that is measured; by default all of it
    """
    batches = published_batches(pairs, window=window, batch=batch, device=device, share=_share())
    rows = _rows(methods, pairs.faces, batches, math.nan, len(pairs.pairs), progress, also)
    rows.attrs["protocol"] = {
        "faces": len(pairs.faces),
        "data": data_hash(pairs.faces),
        "pictures": len(pairs.pairs),
        "window": None if window is None else list(window),
    }
    return rows


def _rows(
    methods: Mapping[str, Method],
    faces: FaceSet,
    batches: Iterator[BlurredBatch],
    sigma: float,
    total: int,
    progress: Progress | None,
    also: Mapping[str, Measure] | None,
) -> pd.DataFrame:
    columns: dict[str, list] = {}
    seconds, done = dict.fromkeys(methods, 0.0), 0
    with torch.inference_mode():
        for some in batches:
            count = len(some.faces)
            for name, method in methods.items():
                with Timer() as timer:
                    restored = method(some.blurred)
                seconds[name] += timer.seconds
                _check(name, restored, some.blurred)
                keys = {"place": some.places, "method": [name] * count, **_keys(faces, some)}
                keys |= {"sigma": [float(sigma)] * count}
                for column, values in {**keys, **_measured(restored, some, also or {})}.items():
                    columns.setdefault(column, []).extend(values)
            done += count
            if progress is not None:
                progress(min(done * processes.count(), total), total)
    parts, times = processes.gathered(columns), processes.gathered(seconds)
    rows = pd.concat([pd.DataFrame(part) for part in parts if part]).sort_values("place", kind="stable")
    rows = rows.sort_values("method", kind="stable", key=lambda c: c.map(list(methods).index), ignore_index=True)
    rows.attrs["seconds_per_image"] = {name: sum(time[name] for time in times) / total for name in methods}
    return rows.drop(columns="place")


def _measured(restored: Tensor, some: BlurredBatch, also: Mapping[str, Measure]) -> dict[str, list[float]]:
    restored = restored.clamp(0, 1)
    more = {name: values(restored, some.sharp).tolist() for name, values in also.items()}
    return measure(restored, some.sharp, some.masks) | more


def _share() -> tuple[int, int]:
    return processes.rank(), processes.count()


def measure(restored: Tensor, sharp: Tensor, masks: Tensor | None = None) -> dict[str, list[float]]:
    """All measures of a batch, by name: images (B, 3, H, W) in [0, 1] and masks (B, K, H, W) -> B numbers."""
    found = {name: getattr(metrics, name)(restored, sharp) for name in ("psnr", "ssim", "ssim_volumetric")}
    if masks is not None:
        for name, values in (("psnr", metrics.class_psnr), ("ssim", metrics.class_ssim)):
            by_class = values(restored, sharp, masks)
            found |= {f"{name}_{title}": by_class[:, i] for i, title in enumerate(CLASSES)}
    return {name: values.tolist() for name, values in found.items()}


def evaluate_masks(
    parsers: Mapping[str, Callable[[Tensor], Tensor]],
    faces: FaceSet,
    protocol: Protocol,
    *,
    batch: int = 4,
    device: str | torch.device = "cpu",
    inputs: Sequence[str] = ("clean", "blurry"),
    progress: Progress | None = None,
) -> pd.DataFrame:
    """F-scores of semantic masks on clean and on blurry images (Table II): one row an image, parser and class.

    parsers: by name, each takes (B, 3, H, W) to masks or logits (B, K, H, W), of which the largest is the class
    faces: sharp, with labels
    protocol, batch, device, progress: as for `evaluate`
    inputs: which of the two kinds of images are measured

    Columns: method (the parser), face, identity, size, kernel (both 0 for clean), sigma, input ("clean" | "blurry"),
    class, f_score, and the pixel counts overlap, predicted, true that `pooled_f_scores` adds up. Raises InputError for
    faces without labels.
    """
    if faces.labels is None:
        raise InputError("faces without labels: F-scores compare masks with a label map")
    clean = replace(protocol, kernels=[(0, 0, torch.ones(1, 1))], sigma=0.0)
    protocols = {name: {"clean": clean, "blurry": protocol}[name] for name in inputs}
    total, done, tables = len(faces) * sum(len(asked.drawn()) for asked in protocols.values()), 0, []
    for title, asked in protocols.items():
        with torch.inference_mode():
            for some in blurred_batches(faces, asked, batch=batch, device=device):
                true = some.masks.argmax(1)
                for name, parser in parsers.items():
                    predicted = parser(some.blurred).argmax(1)
                    counts = metrics.overlaps(predicted, true).cpu().numpy()
                    keys = {"method": name, **_keys(faces, some), "sigma": asked.sigma, "input": title}
                    scores = metrics.f_score(predicted, true).double().cpu().numpy()
                    for i, label in enumerate(CLASSES):
                        pixels = dict(zip(("overlap", "predicted", "true"), counts[:, i].T, strict=True))
                        tables.append(pd.DataFrame({**keys, "class": label, "f_score": scores[:, i], **pixels}))
                done += len(some.faces)
                if progress is not None:
                    progress(done, total)
    return pd.concat(tables, ignore_index=True)


def evaluate_calibration(
    parser: Callable[[Tensor], Tensor], faces: FaceSet, protocol: Protocol, *, batch: int = 4
) -> pd.DataFrame:
    """How sure a parser is of its masks, and how right: one row an image and bin, of all classes together.

    ``parser``: blurred (B, 3, H, W) -> probabilities (B, K, H, W). Columns: face, size, kernel, bin, and the counts of
    `metrics.reliability` that `reliability` adds up: pixels, said, true.
    """
    tables = []
    with torch.inference_mode():
        for some in blurred_batches(faces, protocol, batch=batch):
            found = metrics.reliability(parser(some.blurred), some.masks).cpu().numpy()
            keys = _keys(faces, some)
            for place in range(found.shape[1]):
                counts = dict(zip(("pixels", "said", "true"), found[:, place].T, strict=True))
                tables.append(pd.DataFrame({**keys, "bin": place, **counts}))
    return pd.concat(tables, ignore_index=True)


def _keys(faces: FaceSet, some: BlurredBatch) -> dict[str, list[str] | list[int]]:
    known = faces.identities is not None
    sizes, numbers = zip(*some.kernels, strict=True)
    return {
        "face": [faces.names[i] for i in some.faces],
        "identity": [int(faces.identities[i]) if known else -1 for i in some.faces],
        "size": list(sizes),
        "kernel": list(numbers),
    }


def _check(name: str, restored: Tensor, blurred: Tensor) -> None:
    if restored.shape != blurred.shape:
        raise ValueError(f"method {name!r} returned {tuple(restored.shape)}; expected {tuple(blurred.shape)}")
    if not bool(restored.isfinite().all()):
        raise ValueError(f"method {name!r} returned numbers that are not finite; expected values near [0, 1]")
