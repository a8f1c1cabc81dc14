"""Blurred images that somebody else made, beside their sharp ones, as the test sets of Sec. IV are published.

Sharp images are in a folder whose name ends in ``_gt``, blurred ones in its neighbour that ends in ``_blur``, where
NAME_kerNN_blur_kKK.png is NAME.png blurred by the kernel number NN of KK x KK pixels (Shen et al. 2018).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from umsn.data.datasets.folders import photo_of, pictures
from umsn.data.datasets.loading import load
from umsn.faces import FaceSet
from umsn.files import InputError

BLURRED_NAME = re.compile(r"(?P<face>.+)_ker(?P<kernel>\d+)_blur_k(?P<size>\d+)")


class Pair(NamedTuple):
    """A blurred image on disk and what it was made of."""

    face: int  #: position of its sharp image
    size: int  #: side of its kernel, pixels
    kernel: int  #: number of its kernel, 1..
    file: Path


class Pairs(NamedTuple):
    """Sharp faces and the list of their blurred images, which are read when asked for: there may be 8,000."""

    faces: FaceSet
    pairs: list[Pair]

    def blurred(self, some: list[Pair]) -> Tensor:
        """Read images: (B, 3, H, W) float32 in [0, 1]. Raises InputError for a size other than the sharp one's."""
        height, width = self.faces.photos.shape[-2:]
        read = []
        for pair in some:
            photo = photo_of(pair.file)
            if photo.shape[:2] != (height, width):
                got = f"{photo.shape[0]}x{photo.shape[1]}"
                raise InputError(f"{pair.file}: {got} pixels; expected {height}x{width} as its sharp image")
            read.append(photo)
        return torch.from_numpy(np.stack(read)).movedim(-1, 1).float() / 255


def load_pairs(folder: str | os.PathLike[str], *, limit: int | None = None) -> Pairs:
    """Find the ``*_gt`` folder in ``folder`` (or itself) and its blurred images, ordered by face, size, kernel.

    ``limit`` takes the first so many faces. Raises InputError where there is no such folder or several, for a blurred
    image whose name says no kernel or whose sharp image is not there, and for a sharp image without blurred ones.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder; *_gt and *_blur folders were expected in it")
    sharp = [folder] if folder.name.endswith("_gt") else sorted(p for p in folder.rglob("*_gt") if p.is_dir())
    if len(sharp) != 1:
        raise InputError(f"{folder}: {len(sharp)} folders named *_gt; expected one")
    faces = load(sharp[0], layout="folder", limit=limit)
    place, known = {name: i for i, name in enumerate(faces.names)}, set(pictures(sharp[0]))
    found = []
    for name, file in pictures(sharp[0].with_name(sharp[0].name.removesuffix("_gt") + "_blur")).items():
        said = BLURRED_NAME.fullmatch(name)
        if said is None:
            raise InputError(f"{file}: a name without its kernel; expected NAME_kerNN_blur_kKK")
        if said["face"] not in known:
            raise InputError(f"{file}: no sharp image {sharp[0].name}/{said['face']}")
        if said["face"] in place:
            found.append(Pair(place[said["face"]], int(said["size"]), int(said["kernel"]), file))
    alone = sorted(set(range(len(faces))) - {pair.face for pair in found})
    if alone:
        raise InputError(f"{sharp[0] / faces.names[alone[0]]}: no blurred images of it")
    return Pairs(faces, sorted(found))
