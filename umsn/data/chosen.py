"""Which faces somebody asks for, in one word: a number of synthetic faces, or a folder of one's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from umsn.data import datasets
from umsn.data.datasets import INNER, LAYOUTS
from umsn.data.unseen import unseen_faces
from umsn.faces import FaceSet, Window
from umsn.files import InputError

#: More than these would take months to draw.
MOST = 1_000_000


class Drawn(NamedTuple):
    """So many synthetic faces."""

    count: int

    def __str__(self) -> str:
        return str(self.count)


class Folder(NamedTuple):
    """A folder of faces in a layout of `umsn.data.datasets`, or of pairs that somebody else blurred."""

    path: Path
    layout: str
    limit: int | None = None  #: the first so many faces only

    def __str__(self) -> str:
        return self.path.name


Chosen = Drawn | Folder


def chosen(
    words: str | os.PathLike[str], *, layout: str = "synthetic", limit: int | None = None, what: str = "faces"
) -> Chosen:
    """Read "20" as twenty synthetic faces and all else as a folder, which must be there; nothing is read yet.

    Raises InputError, calling it ``what``, for nothing at all, numbers beyond 1 .. `MOST`, no such folder, a
    layout that is not known (one of `LAYOUTS`, or pairs) and a limit below 1.
    """
    text = os.fspath(words)
    if not text.strip():
        raise InputError(f"{what} {text!r}: expected a folder, or a number of at least 1")
    if limit is not None and limit < 1:
        raise InputError(f"limit {limit}: expected at least 1")
    if is_count(text):
        count = int(text) if len(text) <= len(str(MOST)) else MOST + 1
        if not 1 <= count <= MOST:
            raise InputError(f"{what} {text[:20]}: expected a folder, or a number from 1 to {MOST:,}")
        return Drawn(count)
    if layout not in LAYOUTS and layout != "pairs":
        raise InputError(f"layout {layout!r}: expected one of {', '.join(LAYOUTS)} or pairs")
    if not os.path.isdir(text):
        raise InputError(f"{text}: no such folder; one for {what} in the layout {layout}, or a number, was expected")
    return Folder(Path(text), layout, limit)


def is_count(text: object) -> bool:
    """Whether text (or what a record says was asked for) is a number of synthetic faces."""
    return str(text).isascii() and str(text).isdecimal()


def faces_to_test(what: Chosen, *, seed: int = 0, window: Window | None = None) -> tuple[FaceSet, Window | None]:
    """Sharp faces and the window to measure: of a folder, as given; synthetic ones have a margin.

    Raises InputError as `datasets.load` does.
    """
    if isinstance(what, Folder):
        return datasets.load(what.path, layout=what.layout, limit=what.limit), window
    return unseen_faces(what.count, seed=seed), window or INNER
