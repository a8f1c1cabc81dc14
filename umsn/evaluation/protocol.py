"""Faces x kernels x methods, one row each: the protocol of Sec. IV.

Each of 100 faces is blurred by the same 80 kernels, ten of each size 13, 15, .. 27; any part of that can be asked for.
A photograph larger than the window is blurred before the window is cut, so that no border effect is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from umsn import blur, metrics
from umsn.datasets import data_hash
from umsn.faces import CLASSES, FaceSet, Window, masks_of
from umsn.files import InputError
from umsn.records import Timer

Method = Callable[[Tensor], Tensor]  #: blurred (B, 3, H, W) in [0, 1] -> restored, likewise
Kernel = tuple[int, int, Tensor]  #: size, number, (size, size) with sum 1
Progress = Callable[[int, int], None]  #: pictures done, pictures in all


class Batch(NamedTuple):
    """Some of the blurred pictures of the protocol, windows cut."""

    faces: list[int]  #: B positions in the face set
    kernels: list[int]  #: B positions in the list of kernels
    sharp: Tensor  #: (B, 3, H, W)
    masks: Tensor | None  #: (B, K, H, W) of the sharp picture; None without labels
    blurred: Tensor  #: (B, 3, H, W) in [0, 1]


def blurred_batches(
    faces: FaceSet,
    kernels: Sequence[Kernel],
    *,
    sigma: float,
    seed: int,
    window: Window | None = None,
    quantise: bool = False,
    batch: int = 32,
    device: str | torch.device = "cpu",
) -> Iterator[Batch]:
    """Every face with every kernel, a batch at a time, faces first.

    The noise of a picture follows from ``seed``, its face's place and its kernel's size and number, not from ``batch``,
    the device or what else is measured. Pictures are clipped to [0, 1], and with ``quantise`` rounded to the 256
    levels of a file. Raises InputError where the window leaves the photographs.
    """
    height, width = faces.photos.shape[-2:]
    if window is not None and (window.row + window.height > height or window.column + window.width > width):
        raise InputError(f"window {tuple(window)}: does not fit into faces of {height}x{width} pixels")
    largest = max(kernel.shape[-1] for *_, kernel in kernels)
    stack = torch.stack([F.pad(kernel, ((largest - kernel.shape[-1]) // 2,) * 4) for *_, kernel in kernels]).to(device)
    pairs = [(face, kernel) for face in range(len(faces)) for kernel in range(len(kernels))]
    cut = window.crop if window is not None else lambda image: image
    for start in range(0, len(pairs), batch):
        which, how = (list(column) for column in zip(*pairs[start : start + batch], strict=True))
        photos = faces.photos[which].to(device).float() / 255
        masks = None if faces.labels is None else cut(masks_of(faces.labels[which].to(device)))
        blurred = cut(blur.blur(photos, stack[how]) if largest > 1 else photos)
        noise = [_generator(seed, face, *kernels[kernel][:2]) for face, kernel in zip(which, how, strict=True)]
        pictures = [blur.add_noise(one[None], sigma, own) for one, own in zip(blurred, noise, strict=True)]
        noisy = torch.cat(pictures)
        yield Batch(which, how, cut(photos), masks, (noisy * 255).round() / 255 if quantise else noisy)


def evaluate(
    methods: Mapping[str, Method],
    faces: FaceSet,
    *,
    sizes: Sequence[int] = blur.TEST_SIZES,
    per_size: int = 10,
    sigma: float = 0.01,
    seed: int = 0,
    centre: blur.Centre = "box",
    kernels: Sequence[Kernel] | None = None,
    window: Window | None = None,
    quantise: bool = False,
    batch: int = 32,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure every method on every face and kernel (Tables I, III, VI): one row a picture and method.

    Columns: method, face, identity (-1 unknown), size, kernel (1..), sigma; psnr, ssim, ssim_volumetric; where there
    are labels also psnr_CLASS, ssim_CLASS (nan where the class is absent). Restored pictures are clipped to [0, 1].
    ``kernels`` takes the place of the protocol's. ``attrs`` hold the protocol and each method's seconds a picture.
    Raises ValueError when a method returns another shape or numbers that are not finite.
    """
    drawn = kernels is None
    kernels = blur.protocol_kernels(sizes, per_size, seed, centre=centre) if drawn else list(kernels)
    total, done = len(faces) * len(kernels), 0
    columns: dict[str, list] = {}
    seconds = dict.fromkeys(methods, 0.0)
    options = {"sigma": sigma, "seed": seed, "window": window, "quantise": quantise}
    with torch.inference_mode():
        for some in blurred_batches(faces, kernels, batch=batch, device=device, **options):
            for name, method in methods.items():
                with Timer() as timer:
                    restored = method(some.blurred)
                seconds[name] += timer.seconds
                _check(name, restored, some.blurred)
                count = len(some.faces)
                keys = {"method": [name] * count, **_keys(faces, kernels, some), "sigma": [float(sigma)] * count}
                for column, values in {**keys, **measure(restored.clamp(0, 1), some.sharp, some.masks)}.items():
                    columns.setdefault(column, []).extend(values)
            done += len(some.faces)
            if progress is not None:
                progress(done, total)
    rows = pd.DataFrame(columns)
    rows.attrs["protocol"] = {
        "faces": len(faces),
        "data": data_hash(faces),
        "sizes": sorted({size for size, *_ in kernels}),
        "kernels": len(kernels),
        "centre": centre if drawn else None,
        **options,
        "window": None if window is None else list(window),
    }
    rows.attrs["seconds_per_image"] = {name: spent / total for name, spent in seconds.items()}
    return rows.sort_values("method", kind="stable", key=lambda c: c.map(list(methods).index), ignore_index=True)


def measure(restored: Tensor, sharp: Tensor, masks: Tensor | None = None) -> dict[str, list[float]]:
    """All measures of a batch, by name: pictures (B, 3, H, W) in [0, 1] and masks (B, K, H, W) -> B numbers."""
    found = {name: getattr(metrics, name)(restored, sharp) for name in ("psnr", "ssim", "ssim_volumetric")}
    if masks is not None:
        for name, values in (("psnr", metrics.class_psnr), ("ssim", metrics.class_ssim)):
            by_class = values(restored, sharp, masks)
            found |= {f"{name}_{title}": by_class[:, i] for i, title in enumerate(CLASSES)}
    return {name: values.tolist() for name, values in found.items()}


def evaluate_masks(
    parsers: Mapping[str, Callable[[Tensor], Tensor]],
    faces: FaceSet,
    *,
    sizes: Sequence[int] = blur.TEST_SIZES,
    per_size: int = 10,
    sigma: float = 0.01,
    seed: int = 0,
    centre: blur.Centre = "box",
    window: Window | None = None,
    batch: int = 32,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """F-scores of semantic masks on clean and on blurry pictures (Table II): one row a picture, parser and class.

    A parser takes (B, 3, H, W) to masks or logits (B, K, H, W), of which the largest is the class. Columns: method (the
    parser), face, identity, size, kernel (both 0 for clean), sigma, input ("clean" | "blurry"), class, f_score, and the
    pixel counts overlap, predicted, true that `pooled_f_scores` adds up. Raises InputError for faces without labels.
    """
    if faces.labels is None:
        raise InputError("faces without labels: F-scores compare masks with a label map")
    none = [(0, 0, torch.ones(1, 1))]
    blurry = blur.protocol_kernels(sizes, per_size, seed, centre=centre)
    total, done, tables = len(faces) * (1 + len(blurry)), 0, []
    for title, kernels, noise in (("clean", none, 0.0), ("blurry", blurry, sigma)):
        options = {"sigma": noise, "seed": seed, "window": window, "batch": batch, "device": device}
        with torch.inference_mode():
            for some in blurred_batches(faces, kernels, **options):
                true = some.masks.argmax(1)
                for name, parser in parsers.items():
                    predicted = parser(some.blurred).argmax(1)
                    counts = metrics.overlaps(predicted, true).cpu().numpy()
                    keys = {"method": name, **_keys(faces, kernels, some), "sigma": noise, "input": title}
                    scores = metrics.f_score(predicted, true).double().cpu().numpy()
                    for i, label in enumerate(CLASSES):
                        measured = {
                            "f_score": scores[:, i],
                            **dict(zip(("overlap", "predicted", "true"), counts[:, i].T, strict=True)),
                        }
                        tables.append(pd.DataFrame({**keys, "class": label, **measured}))
                done += len(some.faces)
                if progress is not None:
                    progress(done, total)
    return pd.concat(tables, ignore_index=True)


def _keys(faces: FaceSet, kernels: Sequence[Kernel], some: Batch) -> dict[str, list[str] | list[int]]:
    known = faces.identities is not None
    return {
        "face": [faces.names[i] for i in some.faces],
        "identity": [int(faces.identities[i]) if known else -1 for i in some.faces],
        "size": [kernels[i][0] for i in some.kernels],
        "kernel": [kernels[i][1] for i in some.kernels],
    }


def _generator(*keys: int) -> torch.Generator:
    """A generator for these numbers alone."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> 1))


def _check(name: str, restored: Tensor, blurred: Tensor) -> None:
    if restored.shape != blurred.shape:
        raise ValueError(f"method {name!r} returned {tuple(restored.shape)}; expected {tuple(blurred.shape)}")
    if not bool(restored.isfinite().all()):
        raise ValueError(f"method {name!r} returned numbers that are not finite; expected values near [0, 1]")
