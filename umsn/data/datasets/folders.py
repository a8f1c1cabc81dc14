"""Faces in plain folders: pictures alone, or pictures and label maps of the same names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from umsn.faces import HELEN_OF_CELEBAMASK, LABELS
from umsn.files import InputError

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


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
    """Pictures of a folder by their stem, in order."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; pictures were expected there")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: (path.stem, path.suffix)):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            if path.stem in found:
                raise InputError(f"{path}: {found[path.stem].name} has the same name; expected one picture a name")
            found[path.stem] = path
    return found


def opened(path: Path, *, upright: bool = False) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image) if upright else image
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; a picture was expected") from None
    except UnidentifiedImageError:
        raise InputError(f"{path}: not a picture that can be read; expected one of {', '.join(SUFFIXES)}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: a broken picture ({' '.join(str(error).split())})") from None


def photo_of(path: Path, *, upright: bool = False) -> np.ndarray:
    image = opened(path, upright=upright)
    if image.mode.startswith(("I", "F")):
        raise InputError(f"{path}: a picture of mode {image.mode}; data sets of 8-bit pictures were expected")
    return np.array(image.convert("RGB"))


def labels_of(path: Path, table: Sequence[int]) -> np.ndarray:
    """A label map through ``table``, which has one Helen label for each id allowed."""
    image = opened(path)
    if image.mode not in ("P", "L", "1", "I;16", "I"):
        raise InputError(f"{path}: a label map of mode {image.mode}; expected grey or palette, ids 0..{len(table) - 1}")
    ids = np.asarray(image).astype(np.int64)
    if ids.min() < 0 or ids.max() >= len(table):
        wrong = ids.max() if ids.max() >= len(table) else ids.min()
        raise InputError(f"{path}: a label {wrong}; expected ids 0..{len(table) - 1}")
    return np.array(table, dtype=np.uint8)[ids]
