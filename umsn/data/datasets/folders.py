"""Faces in plain folders: images alone, or images and label maps of the same names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from umsn.faces import HELEN_OF_CELEBAMASK, LABELS
from umsn.files import InputError, read_bytes
from umsn.pictures import NAMED, image_of, orientation

#: What undoes each EXIF orientation.
TURNS = dict(enumerate(
    (
        Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
        Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90,
    ), start=2,
))  # fmt: skip

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


#: By which images are looked for: those too that are not read here and must not be passed over in silence.
LOOKED_FOR = (*SUFFIXES, ".jpe", ".jfif", ".mpo", ".gif", ".jp2", ".avif", ".ppm", ".pgm", *NAMED)


class Entry(NamedTuple):
    """A photograph that a layout found, and what reads it: () -> pixels (H, W, 3), labels (H, W) or None."""

    name: str
    file: Path
    read: Callable[[], tuple[np.ndarray, np.ndarray | None]]


def plain(folder: Path) -> Iterator[Entry]:
    for name, path in pictures(folder).items():
        yield Entry(name, path, lambda path=path: (photo_of(path, upright=True), None))


def synthetic(folder: Path) -> Iterator[Entry]:
    return _paired(folder, range(len(LABELS)))


def labelmap(folder: Path) -> Iterator[Entry]:
    return _paired(folder, HELEN_OF_CELEBAMASK)


def _paired(folder: Path, table: Sequence[int]) -> Iterator[Entry]:
    images, labels = pictures(folder / "images"), pictures(folder / "labels")
    for name, image in images.items():
        if name not in labels:
            raise InputError(f"{image}: no label map labels/{name}.png (or {', '.join(SUFFIXES[1:])})")
        yield Entry(name, image, lambda image=image, label=labels[name]: (photo_of(image), labels_of(label, table)))


def pictures(folder: Path) -> dict[str, Path]:
    """Images of a folder by their stem, in order."""
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder; images were expected there")
    found: dict[str, Path] = {}
    try:
        files = sorted(folder.iterdir(), key=lambda path: (path.stem, path.suffix))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); images were expected there") from None
    for path in files:
        if path.suffix.lower() in LOOKED_FOR and not path.name.startswith("."):
            if path.stem in found:
                raise InputError(f"{path}: {found[path.stem].name} has the same name; expected one image a name")
            found[path.stem] = path
    return found


def opened(path: Path, *, upright: bool = False, lossless: bool = False) -> Image.Image:
    """An image, decoded. Raises InputError for what is none, and where it is to be ``lossless`` for one that is not."""
    content = read_bytes(path, "an image was expected")
    image = image_of(content, path)
    if lossless and (image.format in ("JPEG", "MPO") or content[8:16] == b"WEBPVP8 "):
        raise InputError(f"{path}: a label map as lossy {image.format}, which changes labels; PNG was expected")
    turn = TURNS.get(orientation(image)) if upright else None
    return image if turn is None else image.transpose(turn)


def photo_of(path: Path, *, upright: bool = False) -> np.ndarray:
    return np.array(colours(path, upright=upright))


def colours(path: Path, *, upright: bool = False) -> Image.Image:
    """An image in RGB. Raises InputError for one of other than 8 bits."""
    image = opened(path, upright=upright)
    if image.mode.startswith(("I", "F")) or image.mode == "LAB":
        raise InputError(f"{path}: an image of mode {image.mode}; data sets of 8-bit images were expected")
    return image.convert("RGB")


def labels_of(path: Path, table: Sequence[int]) -> np.ndarray:
    """A label map through ``table``, which has one Helen label for each id allowed."""
    image = opened(path, lossless=True)
    if image.mode not in ("P", "L", "1", "I;16", "I"):
        raise InputError(f"{path}: a label map of mode {image.mode}; expected grey or palette, ids 0..{len(table) - 1}")
    ids = np.asarray(image).astype(np.int64)
    if ids.min() < 0 or ids.max() >= len(table):
        wrong = ids.max() if ids.max() >= len(table) else ids.min()
        raise InputError(f"{path}: a label {wrong}; expected ids 0..{len(table) - 1}")
    return np.array(table, dtype=np.uint8)[ids]
