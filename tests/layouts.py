"""Miniature data sets of synthetic faces, written as the real ones are laid out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from umsn.data import datasets, synthetic
from umsn.data.datasets.archives import CELEBAMASK_PARTS
from umsn.evaluation import Protocol, blurred_batches
from umsn.faces import FaceSet

#: A CelebAMask-HQ id of each Helen label; its left is the person's, Helen's the image's.
CELEBAMASK_OF_HELEN = np.array([0, 1, 7, 6, 5, 4, 2, 11, 10, 12, 13], np.uint8)


def people(count: int = 4, side: int = 128, margin: int = 0) -> FaceSet:
    """Two photographs each of synthetic people."""
    return synthetic.faces(count, seed=3, size=side, margin=margin, shots_per_identity=2)


def pixels(faces: FaceSet, i: int) -> np.ndarray:
    return faces.photos[i].movedim(0, -1).numpy()


def labelmap(folder: Path, faces: FaceSet) -> Path:
    """images/ and labels/ with CelebAMask-HQ's ids, and whose they are."""
    datasets.save(faces, folder)
    for i, name in enumerate(faces.names):
        Image.fromarray(CELEBAMASK_OF_HELEN[faces.labels[i].numpy()]).save(folder / "labels" / f"{name}.png")
    return folder


def celebamask_hq(folder: Path, faces: FaceSet) -> Path:
    """CelebA-HQ-img/ and a mask a part."""
    (folder / "CelebA-HQ-img").mkdir(parents=True)
    masks = folder / "CelebAMask-HQ-mask-anno/0"
    masks.mkdir(parents=True)
    for i in range(len(faces)):
        Image.fromarray(pixels(faces, i)).save(folder / "CelebA-HQ-img" / f"{i}.jpg", quality=95)
        ids = CELEBAMASK_OF_HELEN[faces.labels[i].numpy()]
        for id_ in np.unique(ids[ids > 0]):
            part = CELEBAMASK_PARTS[id_ - 1]
            Image.fromarray(np.uint8(255 * (ids == id_))).save(masks / f"{i:05d}_{part}.png")
    return folder


def helen(folder: Path, faces: FaceSet) -> Path:
    """images/ and eleven soft maps a photograph."""
    (folder / "images").mkdir(parents=True)
    for i, name in enumerate(faces.names):
        Image.fromarray(pixels(faces, i)).save(folder / "images" / f"{name}.jpg", quality=95)
        (folder / "labels" / name).mkdir(parents=True)
        for label in range(11):
            soft = np.uint8(255 * (faces.labels[i] == label).numpy())
            Image.fromarray(soft).save(folder / "labels" / name / f"{name}_lbl{label:02d}.png")
    return folder


def pairs(folder: Path, faces: FaceSet, name: str) -> Path:
    """NAME_gt/ and NAME_blur/ as Shen et al. publish them: two kernels a face."""
    (some,) = blurred_batches(faces, Protocol(sizes=(13, 17), per_size=1, quantise=True), batch=2 * len(faces))
    for part in ("gt", "blur"):
        (folder / f"{name}_{part}").mkdir(parents=True)
    for i, title in enumerate(faces.names):
        Image.fromarray(pixels(faces, i)).save(folder / f"{name}_gt" / f"{title}.png")
    for i, (size, number), image in zip(some.faces, some.kernels, some.blurred, strict=True):
        made = (image * 255).round().to(torch.uint8).movedim(0, -1).numpy()
        Image.fromarray(made).save(folder / f"{name}_blur" / f"{faces.names[i]}_ker{number:02d}_blur_k{size}.png")
    return folder


LAYOUTS = {"labelmap": labelmap, "celebamask-hq": celebamask_hq, "helen": helen}
