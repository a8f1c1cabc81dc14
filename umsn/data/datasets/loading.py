"""The data sets people have on disk, read into one `FaceSet` (Sec. IV: Helen, CelebA; and folders of one's own).

A layout says where a photograph's labels are and how they are written:

``folder``         images, no labels
``synthetic``      images/ and labels/, label maps with Helen's ids 0..10; what `save` writes
``labelmap``       images/ and labels/, label maps with CelebAMask-HQ's ids 0..18
``celebamask-hq``  the published archive: CelebA-HQ-img/ and CelebAMask-HQ-mask-anno/, brought to 160 x 160
``helen``          SmithCVPR2013_dataset_resized/: images/ and eleven soft maps a photograph, faces cut to 160 x 160
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from umsn.data.datasets.archives import celebamask_hq, helen
from umsn.data.datasets.folders import SUFFIXES, Entry, labelmap, plain, synthetic
from umsn.faces import FaceSet, Window
from umsn.files import InputError, check_folder, check_place, read_text, whole
from umsn.marks import is_marked, marked

IDENTITIES = "identities.csv"

#: Colours of the label maps that `save` writes, one for each of Helen's labels.
PALETTE = (
    (0, 0, 0), (230, 190, 160), (130, 80, 40), (170, 110, 60), (50, 110, 200), (90, 160, 240),
    (240, 150, 90), (220, 60, 80), (250, 240, 240), (180, 30, 60), (90, 60, 120),
)  # fmt: skip

LAYOUTS: dict[str, Callable[..., Iterator[Entry]]] = {
    "folder": plain,
    "synthetic": synthetic,
    "labelmap": labelmap,
    "celebamask-hq": celebamask_hq,
    "helen": helen,
}


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
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder; faces in the layout {layout} were expected")
    entries = list(LAYOUTS[layout](folder, split) if layout == "helen" else LAYOUTS[layout](folder))[:limit]
    if not entries:
        raise InputError(f"{folder}: no images ({', '.join(SUFFIXES)}) in the layout {layout}")
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
    `load(folder / "images", layout="folder")`. Raises InputError as `check_ours` does.
    """
    folder = Path(folder)
    check_ours(folder, faces.names)
    for i, name in enumerate(faces.names):
        with whole(folder / "images" / f"{name}.png") as beside:
            beside.write_bytes(_png(Image.fromarray(faces.photos[i].movedim(0, -1).contiguous().numpy())))
        if faces.labels is not None:
            palette = Image.fromarray(faces.labels[i].numpy())
            palette.putpalette([value for colour in PALETTE for value in colour])
            with whole(folder / "labels" / f"{name}.png") as beside:
                beside.write_bytes(_png(palette))
    if faces.identities is not None:
        with whole(folder / IDENTITIES) as beside, beside.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(
                [("name", "identity"), *zip(faces.names, faces.identities.tolist(), strict=True)]
            )


def _number(text: str) -> int:
    """A whole number of at most 18 digits. Raises ValueError for all else."""
    if len(text) > 19:
        raise ValueError(f"{text[:19]}... is no identity")
    return int(text)


def check_ours(folder: str | os.PathLike[str], names: Sequence[str]) -> None:
    """Raise InputError where `save` would have to replace a file that it did not write, or cannot write at all."""
    check_folder(folder)
    known = {IDENTITIES: lambda content: content.lstrip(b"\xef\xbb\xbf").startswith(b"name,identity")}
    known |= {f"{part}/{name}.png": is_marked for name in names for part in ("images", "labels")}
    for name, ours in known.items():
        if os.path.lexists(Path(folder) / name):
            check_place(Path(folder) / name, ours=ours)


def data_hash(faces: FaceSet) -> str:
    """Twelve hexadecimal digits that change when any photograph or label does, whatever the files were called."""
    digest = hashlib.sha256(faces.photos.cpu().contiguous().numpy())
    if faces.labels is not None:
        digest.update(faces.labels.cpu().contiguous().numpy())
    return digest.hexdigest()[:12]


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return marked(buffer.getvalue())


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


def _identities(folder: Path, names: Sequence[str]) -> torch.Tensor | None:
    path = folder / IDENTITIES
    if not os.path.lexists(path):
        return None
    text = read_text(path, "a table with the columns name,identity was expected")
    try:
        known = {row["name"]: _number(row["identity"]) for row in csv.DictReader(io.StringIO(text, newline=""))}
        return torch.tensor([known[name] for name in names])
    except (KeyError, TypeError, ValueError, AttributeError, csv.Error) as error:
        raise InputError(f"{path}: no identity for every image ({error!r}); expected columns name,identity") from None
