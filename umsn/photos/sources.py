"""Which photographs are meant, and where each one's result goes: beside, never over, what umsn did not write."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from umsn.files import InputError, read_bytes
from umsn.marks import HEAD, TEXT, is_marked
from umsn.pictures import NAMED, is_readable, unread

#: By which images are found in a folder that their content does not tell.
SUFFIXES = frozenset(
    (
        ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".jp2", ".avif",
        ".ppm", ".pgm", ".pbm", ".pcx", *NAMED,
    )
)  # fmt: skip

LONGEST_NAME = 255  #: bytes


class Place(NamedTuple):
    """A photograph, and the file that its result goes into."""

    source: Path
    result: Path


def photos_in(sources: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The files named, and the images in the folders named: in order of name, not deeper.

    A folder's images are those that look like one by their content or their suffix, those too that are not read here;
    not what is hidden or a result of ours. What cannot be listed or holds none stays, for its reading says why.
    """
    found: list[Path] = []
    for source in map(Path, sources):
        pictures = []
        if os.path.isdir(source):
            with suppress(OSError):
                pictures = sorted(path for path in source.iterdir() if _is_photograph(path))
        found += pictures or [source]
    return found


def _is_photograph(path: Path) -> bool:
    if path.name.startswith(".") or os.path.isdir(path):
        return False
    looks, head = path.suffix.lower() in SUFFIXES, b""
    if os.path.isfile(path):
        with suppress(OSError), path.open("rb") as file:
            head = file.read(512)
    known = is_readable(head) or unread(head[:32]) is not None
    return (looks or known) and not is_result(path, head)


def is_result(path: Path, head: bytes | None = None) -> bool:
    """Whether a file is a result of ours that nobody changed since; ``head`` is how it begins, where that is known."""
    if head is not None and TEXT not in head[HEAD : HEAD + 64]:
        return False
    try:
        return is_marked(read_bytes(path, "a result of ours"))
    except InputError:
        return False


def results(sources: Iterable[str | os.PathLike[str]], folder: str | os.PathLike[str]) -> list[Place]:
    """Each photograph and its result: FOLDER/<stem>.png, or <stem>-2.png, ... where that is taken.

    Taken are photographs, other results of this call, whatever the case of their letters, and every file or folder that
    is there and not a result of ours.
    """
    sources = [Path(source) for source in sources]
    taken, inodes = {_key(source) for source in sources}, set()
    for source in sources:
        with suppress(OSError, ValueError):
            inodes.add((os.stat(source).st_dev, os.stat(source).st_ino))
    pairs = []
    for source in sources:
        number, result = 1, _named(folder, source.stem, "")
        while _key(result) in taken or _is_foreign(result, inodes):
            number += 1
            result = _named(folder, source.stem, f"-{number}")
        taken.add(_key(result))
        pairs.append(Place(source, result))
    return pairs


def _named(folder: str | os.PathLike[str], stem: str, end: str) -> Path:
    """FOLDER/<stem><end>.png, the stem cut where the name would be too long."""
    while len(os.fsencode(f"{stem}{end}.png")) > LONGEST_NAME:
        stem = stem[:-1]
    return Path(folder) / f"{stem}{end}.png"


def _key(path: Path) -> tuple[str, str]:
    """What two paths share that may be one file, on a disk that does not tell A from a."""
    real = Path(os.path.realpath(path))
    return str(real.parent), unicodedata.normalize("NFC", real.name).casefold()


def _is_foreign(path: Path, inodes: set[tuple[int, int]]) -> bool:
    """Whether something is there that we did not write, or one of the photographs under another name."""
    if not os.path.lexists(path):
        return False
    with suppress(OSError):
        if (os.stat(path).st_dev, os.stat(path).st_ino) in inodes:
            return True
    return not is_result(path)
