"""Files that appear whole or not at all, and the one error a user sees when an input is bad."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class InputError(ValueError):
    """An input that cannot be used: one line with the file (or argument), what is wrong, and what was expected."""


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on any failure.

    Parent folders are made. The temporary name keeps the suffix, so writers that look at it still choose the right
    format.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write ``content`` as readable JSON, whole: an entry a line; plain lists and the rows of a table on one line."""
    with whole(path) as beside:
        beside.write_text(_readable(content) + "\n", encoding="utf-8")


def _readable(value: Any, indent: str = "", *, row: bool = False) -> str:
    """JSON of a value that stands behind ``indent``; a ``row`` of a list, a dict of plain values, stays on one line."""
    inner = indent + " "
    nested = any(isinstance(part, dict | list | tuple) for part in _parts(value))
    if isinstance(value, dict) and value and (nested or not row):
        names = (json.dumps(str(key), ensure_ascii=False) for key in value)
        lines = [f"{name}: {_readable(part, inner)}" for name, part in zip(names, value.values(), strict=True)]
        return "{" + ",".join(f"\n{inner}{line}" for line in lines) + f"\n{indent}}}"
    if nested:
        return "[" + ",".join(f"\n{inner}{_readable(part, inner, row=True)}" for part in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, separators=(",", ": "))


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file. Raises InputError when it is missing or is no JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; a JSON record was expected") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not JSON ({error}); a record written by umsn was expected") from None
