"""Where a chapter finds the repository's records and leaves its figures, in the repository and without it.

A notebook runs from `notebooks/`, from the top of the repository, or alone in any folder after ``pip install``. What it
reads (``results/``, the look of the figures) is then the copy that was installed; what it makes goes to `figures`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from umsn.files import InputError

#: The variable of the environment that says where a notebook's figures go: beside its output, or in its edition.
FIGURES = "UMSN_FIGURES"

#: The file by which the top of the repository is known.
MARK = "figures/paper.mplstyle"


def home() -> Path:
    """The top of the repository, seen from ``notebooks/`` (``..``) or from itself (``.``); elsewhere this folder."""
    return next((place for place in (Path(".."), Path(".")) if (place / MARK).is_file()), Path("."))


def figures() -> Path:
    """The folder that figures are kept in: what `FIGURES` says, else ``runs/figures``, which is nobody's record."""
    return Path(os.environ.get(FIGURES) or home() / "runs" / "figures")


def path_of(name: str) -> Path:
    """A file or folder of the repository by its path, such as "results/measured/speed.json", here or as installed.

    Raises InputError when it is in neither.
    """
    for top in _tops():
        if (top / name).exists():
            return top / name
    raise InputError(f"{name}: not here and not installed with umsn; it comes with the repository")


def _tops() -> Iterator[Path]:
    yield home()
    if (Path(__file__).parents[1] / MARK).is_file():  # the package is a checkout's own
        yield Path(__file__).parents[1]
    yield from _installed()


def _installed() -> Iterator[Path]:
    try:
        names = files("umsn") or []
    except PackageNotFoundError:
        names = []
    yield from (Path(name.locate()).resolve().parents[1] for name in names if name.match(MARK))
