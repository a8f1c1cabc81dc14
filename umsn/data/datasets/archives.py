"""Faces in the archives that their authors publish, brought to one size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from umsn.data.datasets.folders import Entry, colours, opened, pictures
from umsn.faces import HELEN_OF_CELEBAMASK, LABELS, SIDE, Window
from umsn.files import InputError, read_text

#: Side of a face brought to one size: the 128 pixels of Sec. IV and 16 more around them, so that a blur has no border.
MARGIN = 16
WIDE = SIDE + 2 * MARGIN
INNER = Window(MARGIN, MARGIN, WIDE - 2 * MARGIN, WIDE - 2 * MARGIN)  #: what the networks see of such a face

#: The parts of CelebAMask-HQ in the order of their ids 1..18; where two overlap, the later one counts.
CELEBAMASK_PARTS = (
    "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth", "u_lip", "l_lip", "hair",
    "hat", "ear_r", "neck_l", "neck", "cloth",
)  # fmt: skip


def celebamask_hq(folder: Path) -> Iterator[Entry]:
    portraits = pictures(folder / "CelebA-HQ-img")
    for name in sorted(portraits, key=lambda name: (len(name), name)):
        if not name.isdigit():
            raise InputError(f"{portraits[name]}: expected a number for a name, as in CelebAMask-HQ")
        yield Entry(name, portraits[name], lambda name=name: _celebamask_face(folder, portraits[name], int(name)))


def _celebamask_face(folder: Path, picture: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The whole aligned portrait (1024 x 1024) and its part masks (512 x 512), brought to WIDE."""
    photo = colours(picture).resize((WIDE, WIDE), Image.Resampling.BOX)
    masks = folder / "CelebAMask-HQ-mask-anno" / str(number // 2000)
    ids = np.zeros((WIDE, WIDE), dtype=np.uint8)
    found = False
    for i, part in enumerate(CELEBAMASK_PARTS, start=1):
        path = masks / f"{number:05d}_{part}.png"
        if path.exists():
            mask = opened(path, lossless=True).convert("L").resize((WIDE, WIDE), Image.Resampling.NEAREST)
            ids[np.asarray(mask) > 127] = i
            found = True
    if not found:
        raise InputError(f"{picture}: no masks {masks.name}/{number:05d}_*.png in CelebAMask-HQ-mask-anno")
    return np.array(photo), np.array(HELEN_OF_CELEBAMASK, dtype=np.uint8)[ids]


def helen(folder: Path, split: str | None) -> Iterator[Entry]:
    portraits = pictures(folder / "images")
    if split is not None:
        listing = folder / f"{split}.txt"
        lines = read_text(listing, "a list called exemplars, tuning or testing was expected").splitlines()
        wanted = {line.replace(",", " ").split()[-1] for line in lines if line.strip()}
        missing = sorted(wanted - set(portraits))
        if missing:
            raise InputError(f"{folder / 'images' / missing[0]}.jpg: named in {listing.name} but not there")
        portraits = {name: path for name, path in portraits.items() if name in wanted}
    for name, path in portraits.items():
        yield Entry(name, path, lambda name=name, path=path: _helen_face(path, folder / "labels" / name))


def _helen_face(picture: Path, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The face's square, as the test sets frame it: the skin's box, a tenth longer below, and a margin around it."""
    photo = colours(picture)
    soft = [opened(folder / f"{folder.name}_lbl{i:02d}.png").convert("L") for i in range(len(LABELS))]
    if any(map_.size != photo.size for map_ in soft):
        raise InputError(f"{picture}: a label map of another size; expected {photo.height}x{photo.width}")
    rows, columns = np.nonzero(np.asarray(soft[1]) > 0.1 * 255)
    if not len(rows):
        raise InputError(f"{folder / folder.name}_lbl01.png: no skin; a face was expected")
    top, left, right = rows.min(), columns.min(), columns.max() + 1
    bottom = rows.max() + 1 + 0.1 * (rows.max() + 1 - top)
    half = max(bottom - top, right - left) / 2 * WIDE / (WIDE - 2 * MARGIN)
    middle, centre = (top + bottom) / 2, (left + right) / 2
    edge = int(np.ceil(half))
    box = tuple(v + edge for v in (centre - half, middle - half, centre + half, middle + half))

    def cut(image: Image.Image) -> np.ndarray:
        """Repeat the border outwards where the square leaves the photograph, then bring it to WIDE."""
        pixels = np.asarray(image)
        wide = np.pad(pixels, [(edge, edge)] * 2 + [(0, 0)] * (pixels.ndim - 2), mode="edge")
        return np.array(Image.fromarray(wide).resize((WIDE, WIDE), Image.Resampling.BILINEAR, box=box))

    return cut(photo), np.stack([cut(map_) for map_ in soft]).argmax(0).astype(np.uint8)
