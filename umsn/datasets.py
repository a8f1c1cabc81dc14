"""The data sets people have on disk, read into one `FaceSet` (Sec. IV: Helen, CelebA; and folders of one's own).

A layout says where a photograph's labels are and how they are written:

``folder``         pictures, no labels
``synthetic``      images/ and labels/, label maps with Helen's ids 0..10; what `save` writes
``labelmap``       images/ and labels/, label maps with CelebAMask-HQ's ids 0..18
``celebamask-hq``  the published archive: CelebA-HQ-img/ and CelebAMask-HQ-mask-anno/, brought to 160 x 160
``helen``          SmithCVPR2013_dataset_resized/: images/ and eleven soft maps a photograph, faces cut to 160 x 160
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from umsn.faces import HELEN_OF_CELEBAMASK, LABELS, FaceSet, Window
from umsn.files import InputError, whole

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
IDENTITIES = "identities.csv"

#: Side of a face brought to one size: the 128 pixels of Sec. IV and 16 more around them, so that a blur has no border.
SIDE, MARGIN = 160, 16

#: The parts of CelebAMask-HQ in the order of their ids 1..18; where two overlap, the later one counts.
CELEBAMASK_PARTS = (
    "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth", "u_lip", "l_lip", "hair",
    "hat", "ear_r", "neck_l", "neck", "cloth",
)  # fmt: skip

#: Colours of the label maps that `save` writes, one for each of Helen's labels.
PALETTE = (
    (0, 0, 0), (230, 190, 160), (130, 80, 40), (170, 110, 60), (50, 110, 200), (90, 160, 240),
    (240, 150, 90), (220, 60, 80), (250, 240, 240), (180, 30, 60), (90, 60, 120),
)  # fmt: skip


class Entry(NamedTuple):
    """A photograph that a layout found, and what reads it: () -> pixels (H, W, 3), labels (H, W) or None."""

    name: str
    file: Path
    read: Callable[[], tuple[np.ndarray, np.ndarray | None]]


def load(
    folder: str | os.PathLike[str],
    *,
    layout: str = "labelmap",
    window: Window | None = None,
    limit: int | None = None,
    split: str | None = None,
) -> FaceSet:
    """Read a folder of faces, in the order of their names.

    ``window`` is cut out of every photograph; ``limit`` takes the first so many; ``split`` is the name of a list of
    Helen's (exemplars, tuning, testing). Identities come from `identities.csv` (name, identity) where there is one.

    Raises InputError, naming the file, for an empty folder, a missing or unreadable file, a label map of another size
    than its photograph, a label out of range, and photographs of several sizes.
    """
    folder = Path(folder)
    if layout not in LAYOUTS:
        raise InputError(f"layout {layout!r}: expected one of {', '.join(LAYOUTS)}")
    if split is not None and layout != "helen":
        raise InputError(f"split {split!r}: only the layout helen has splits")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; faces in the layout {layout} were expected")
    entries = list(LAYOUTS[layout](folder, split) if layout == "helen" else LAYOUTS[layout](folder))[:limit]
    if not entries:
        raise InputError(f"{folder}: no pictures ({', '.join(SUFFIXES)}) in the layout {layout}")
    photos, labels = zip(*_cut(entries, window), strict=True)
    names = [entry.name for entry in entries]
    return FaceSet(
        names,
        torch.from_numpy(np.stack(photos)).movedim(-1, 1).contiguous(),
        None if labels[0] is None else torch.from_numpy(np.stack(labels)),
        _identities(folder, names),
    )


def save(faces: FaceSet, folder: str | os.PathLike[str]) -> None:
    """Write images/NAME.png, labels/NAME.png (a palette of Helen's ids) and identities.csv, each file whole.

    What is there is what `load(folder, layout="synthetic")` gives back, where there are labels, else
    `load(folder / "images", layout="folder")`.
    """
    folder = Path(folder)
    for i, name in enumerate(faces.names):
        with whole(folder / "images" / f"{name}.png") as beside:
            Image.fromarray(faces.photos[i].movedim(0, -1).contiguous().numpy()).save(beside)
        if faces.labels is not None:
            palette = Image.fromarray(faces.labels[i].numpy())
            palette.putpalette([value for colour in PALETTE for value in colour])
            with whole(folder / "labels" / f"{name}.png") as beside:
                palette.save(beside)
    if faces.identities is not None:
        with whole(folder / IDENTITIES) as beside, beside.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(
                [("name", "identity"), *zip(faces.names, faces.identities.tolist(), strict=True)]
            )


def data_hash(faces: FaceSet) -> str:
    """Twelve hexadecimal digits that name the photographs and labels, whatever the files were called."""
    digest = hashlib.sha256()
    for tensor in (faces.photos, faces.labels):
        if tensor is not None:
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.cpu().contiguous().numpy())
    return digest.hexdigest()[:12]


def _cut(entries: Sequence[Entry], window: Window | None) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Read every entry, cut the window, and see that all have one size."""
    first = None
    for entry in entries:
        photo, labels = entry.read()
        height, width = photo.shape[:2]
        if labels is not None and labels.shape != (height, width):
            got = f"{labels.shape[0]}x{labels.shape[1]}"
            raise InputError(
                f"{entry.file}: its label map is {got}, the photograph {height}x{width}; expected one size"
            )
        if window is not None:
            bottom, right = window.row + window.height, window.column + window.width
            if min(window) < 0 or min(window.height, window.width) < 1 or bottom > height or right > width:
                raise InputError(f"{entry.file}: {height}x{width} pixels do not hold the window {tuple(window)}")
            part = (slice(window.row, bottom), slice(window.column, right))
            photo, labels = photo[part], None if labels is None else labels[part]
        first = first or photo.shape
        if photo.shape != first:
            raise InputError(
                f"{entry.file}: {height}x{width} pixels; expected {first[0]}x{first[1]} as {entries[0].name}"
            )
        yield photo, labels


def _pictures(folder: Path) -> dict[str, Path]:
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


def _open(path: Path, *, upright: bool = False) -> Image.Image:
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


def _photo(path: Path, *, upright: bool = False) -> np.ndarray:
    image = _open(path, upright=upright)
    if image.mode.startswith(("I", "F")):
        raise InputError(f"{path}: a picture of mode {image.mode}; data sets of 8-bit pictures were expected")
    return np.array(image.convert("RGB"))


def _ids(path: Path, table: Sequence[int]) -> np.ndarray:
    """A label map through ``table``, which has one Helen label for each id allowed."""
    image = _open(path)
    if image.mode not in ("P", "L", "1", "I;16", "I"):
        raise InputError(f"{path}: a label map of mode {image.mode}; expected grey or palette, ids 0..{len(table) - 1}")
    ids = np.asarray(image).astype(np.int64)
    if ids.min() < 0 or ids.max() >= len(table):
        wrong = ids.max() if ids.max() >= len(table) else ids.min()
        raise InputError(f"{path}: a label {wrong}; expected ids 0..{len(table) - 1}")
    return np.array(table, dtype=np.uint8)[ids]


def _paired(folder: Path, table: Sequence[int]) -> Iterator[Entry]:
    images, labels = _pictures(folder / "images"), _pictures(folder / "labels")
    for name, image in images.items():
        if name not in labels:
            raise InputError(f"{image}: no label map labels/{name}.png (or {', '.join(SUFFIXES[1:])})")
        yield Entry(name, image, lambda image=image, label=labels[name]: (_photo(image), _ids(label, table)))


def _synthetic(folder: Path) -> Iterator[Entry]:
    return _paired(folder, range(len(LABELS)))


def _labelmap(folder: Path) -> Iterator[Entry]:
    return _paired(folder, HELEN_OF_CELEBAMASK)


def _folder(folder: Path) -> Iterator[Entry]:
    for name, path in _pictures(folder).items():
        yield Entry(name, path, lambda path=path: (_photo(path, upright=True), None))


def _celebamask_hq(folder: Path) -> Iterator[Entry]:
    pictures = _pictures(folder / "CelebA-HQ-img")
    for name in sorted(pictures, key=lambda name: (len(name), name)):
        if not name.isdigit():
            raise InputError(f"{pictures[name]}: expected a number for a name, as in CelebAMask-HQ")
        yield Entry(name, pictures[name], lambda name=name: _celebamask_face(folder, pictures[name], int(name)))


def _celebamask_face(folder: Path, picture: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The whole aligned portrait (1024 x 1024) and its part masks (512 x 512), brought to SIDE."""
    photo = _open(picture).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    masks = folder / "CelebAMask-HQ-mask-anno" / str(number // 2000)
    ids = np.zeros((SIDE, SIDE), dtype=np.uint8)
    found = False
    for i, part in enumerate(CELEBAMASK_PARTS, start=1):
        path = masks / f"{number:05d}_{part}.png"
        if path.exists():
            mask = _open(path).convert("L").resize((SIDE, SIDE), Image.Resampling.NEAREST)
            ids[np.asarray(mask) > 127] = i
            found = True
    if not found:
        raise InputError(f"{picture}: no masks {masks.name}/{number:05d}_*.png in CelebAMask-HQ-mask-anno")
    return np.array(photo), np.array(HELEN_OF_CELEBAMASK, dtype=np.uint8)[ids]


def _helen(folder: Path, split: str | None) -> Iterator[Entry]:
    pictures = _pictures(folder / "images")
    if split is not None:
        listing = folder / f"{split}.txt"
        if not listing.exists():
            raise InputError(f"{listing}: no such list; expected exemplars, tuning or testing")
        lines = listing.read_text(encoding="utf-8").splitlines()
        wanted = {line.replace(",", " ").split()[-1] for line in lines if line.strip()}
        missing = sorted(wanted - set(pictures))
        if missing:
            raise InputError(f"{folder / 'images' / missing[0]}.jpg: named in {listing.name} but not there")
        pictures = {name: path for name, path in pictures.items() if name in wanted}
    for name, path in pictures.items():
        yield Entry(name, path, lambda name=name, path=path: _helen_face(path, folder / "labels" / name))


def _helen_face(picture: Path, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The face's square, as the test sets frame it: the skin's box, a tenth longer below, and a margin around it."""
    photo = _open(picture).convert("RGB")
    soft = [_open(folder / f"{folder.name}_lbl{i:02d}.png").convert("L") for i in range(len(LABELS))]
    if any(map_.size != photo.size for map_ in soft):
        raise InputError(f"{picture}: a label map of another size; expected {photo.height}x{photo.width}")
    rows, columns = np.nonzero(np.asarray(soft[1]) > 0.1 * 255)
    if not len(rows):
        raise InputError(f"{folder / folder.name}_lbl01.png: no skin; a face was expected")
    top, left, right = rows.min(), columns.min(), columns.max() + 1
    bottom = rows.max() + 1 + 0.1 * (rows.max() + 1 - top)
    half = max(bottom - top, right - left) / 2 * SIDE / (SIDE - 2 * MARGIN)
    middle, centre = (top + bottom) / 2, (left + right) / 2
    edge = int(np.ceil(half))
    box = tuple(v + edge for v in (centre - half, middle - half, centre + half, middle + half))

    def cut(image: Image.Image) -> np.ndarray:
        """Repeat the border outwards where the square leaves the photograph, then bring it to SIDE."""
        pixels = np.asarray(image)
        wide = np.pad(pixels, [(edge, edge)] * 2 + [(0, 0)] * (pixels.ndim - 2), mode="edge")
        return np.array(Image.fromarray(wide).resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box))

    return cut(photo), np.stack([cut(map_) for map_ in soft]).argmax(0).astype(np.uint8)


def _identities(folder: Path, names: Sequence[str]) -> torch.Tensor | None:
    path = folder / IDENTITIES
    if not path.exists():
        return None
    try:
        with path.open(encoding="utf-8", newline="") as file:
            known = {row["name"]: int(row["identity"]) for row in csv.DictReader(file)}
        return torch.tensor([known[name] for name in names])
    except (KeyError, TypeError, ValueError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: no identity for every picture ({error!r}); expected columns name,identity") from None


LAYOUTS: dict[str, Callable[..., Iterator[Entry]]] = {
    "folder": _folder,
    "synthetic": _synthetic,
    "labelmap": _labelmap,
    "celebamask-hq": _celebamask_hq,
    "helen": _helen,
}
