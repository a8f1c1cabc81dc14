"""Files: read where they are regular and fit into memory, written whole or not at all; and the one error of users."""

from __future__ import annotations

import errno
import itertools
import json
import os
import platform
import stat
import tempfile
import time
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from umsn.memory import free_memory

#: What no terminal should be sent: control characters, bytes that are no text, signs that turn the direction, lines.
UNSHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")

#: Bytes that a parsed JSON file takes in memory for each of its own.
PARSED = 8

#: Lists and mappings within each other that a JSON file may have.
DEEPEST = 40

#: Seconds that a FIFO may be without a reader when a result goes into it.
PATIENCE = 10

_COUNT = itertools.count()


def shown(text: object) -> str:
    """Text in one line that any terminal can show: what is none (`UNSHOWN`) is escaped."""
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in UNSHOWN else c for c in str(text))


class InputError(ValueError):
    """An input that cannot be used: one line with the file (or argument), what is wrong, and what was expected."""

    def __init__(self, message: object) -> None:
        super().__init__(shown(message))


def read_bytes(path: str | os.PathLike[str], expected: str, *, times: int = 1, most: int = 2**62) -> bytes:
    """The content of a regular file of 1 to ``most`` bytes, of which ``times`` its size fits into free memory.

    Raises InputError, ending in ``expected``, for all else: nothing, folders, FIFOs, devices, what may not be read.
    """
    size = check_regular(path, expected)
    if size > most:
        raise InputError(f"{path}: {size / 2**20:,.0f} MiB, more than {most / 2**20:,.0f}; {expected}")
    if size * times > free_memory():
        raise InputError(f"{path}: {size / 2**20:,.0f} MiB do not fit into the free memory; {expected}")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); {expected}") from None
    if not content:
        raise InputError(f"{path}: cannot be read (an empty file); {expected}")
    return content


def read_text(path: str | os.PathLike[str], expected: str) -> str:
    """The same as text in UTF-8, without the mark that some programs put before it."""
    try:
        return read_bytes(path, expected, times=PARSED).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no text in UTF-8 ({error.reason}); {expected}") from None


def check_regular(path: str | os.PathLike[str], expected: str) -> int:
    """The size of a regular file. Raises InputError, ending in ``expected``, for all else."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {expected}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); {expected}") from None
    except ValueError as error:  # a name that holds a zero byte
        raise InputError(f"{path}: {error}; {expected}") from None
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise InputError(f"{path}: {kind}; {expected}")
    return found.st_size


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file. Raises InputError when it is missing or is no JSON, as `parsed` has it."""
    content = read_bytes(path, "a JSON record was expected", times=PARSED)
    try:
        return parsed(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(f"{path}: not JSON ({why}); a record written by umsn was expected") from None


def parsed(text: str, *, finite: bool = True) -> Any:
    """What JSON says, numbers of it ``finite``.

    Raises ValueError for keys given twice and for numbers beyond 64 bits, RecursionError for depth.
    """
    real = _finite if finite else float
    found = json.loads(text, object_pairs_hook=_once, parse_int=_whole_number, parse_float=real, parse_constant=real)
    layer = [found]
    for _ in range(DEEPEST):
        layer = [inner for part in layer for inner in _parts(part)]
        if not layer:
            return found
    raise RecursionError


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
        raise ValueError(f"the name {twice!r} twice")
    return found


def _whole_number(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"the number {text[:20]}... of more than 64 bits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise ValueError(f"the number {text[:20]}, which is not finite")
    return value


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on any failure.

    Parent folders are made. The temporary name keeps the suffix, so writers that look at it still choose the right
    format. A link stays and its target is written; into a FIFO, a device or the standard output goes the content.
    """
    path = Path(path)
    if is_stream(path):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder, f"whole{path.suffix}")
            _pour(Path(folder, f"whole{path.suffix}").read_bytes(), path)
        return
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    beside = path.with_name(_temporary(path.suffix))
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _temporary(suffix: str = "") -> str:
    """A short name that says whose process of which machine is at work."""
    return f".umsn-{_host()}-{os.getpid()}-{next(_COUNT)}{suffix if len(suffix) < 16 else ''}"


@cache
def _host() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


@cache
def sweep(folder: Path) -> None:
    """Remove, once, what processes of this machine that are dead left half-written in a folder."""
    for left in folder.glob(f".umsn-{_host()}-*"):
        number = left.name.split("-")[2]
        with suppress(OSError):
            if number.isdecimal() and not _alive(int(number)):
                left.unlink()


def _alive(process: int) -> bool:
    if os.name != "posix":  # elsewhere asking would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether a path is there and neither file nor folder; or this program's own standard output or error."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)) or _own(found) is not None


def _own(found: os.stat_result) -> int | None:
    """The number of the standard output or error, where this is one of them."""
    for number in (1, 2):
        with suppress(OSError):
            if os.path.samestat(found, os.fstat(number)):
                return number
    return None


def _pour(content: bytes, path: Path) -> None:
    """Write into what is no regular file. Raises InputError for a FIFO that nobody reads."""
    own, until = _own(os.stat(path)), time.monotonic() + PATIENCE
    while own is None:
        try:
            own = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
            os.set_blocking(own, True)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > until:
                raise InputError(f"{path}: cannot be written ({error.strerror}); a reader was expected") from None
            time.sleep(0.05)
    try:
        while content:
            content = content[os.write(own, content) :]
    finally:
        if own > 2:
            os.close(own)


def check_place(path: str | os.PathLike[str], *, ours: Callable[[bytes], bool] | None = None) -> None:
    """Raise InputError unless a file can be written at ``path`` (its folder may have to be made); nothing is left.

    A file that is there already must be empty or, by its content, one of ``ours``: no other is replaced.
    """
    place = Path(path)
    if is_stream(place):
        return
    try:
        if place.is_dir() or not place.name:
            raise InputError(f"{path}: a folder; the name of a file was expected")
        with suppress(FileNotFoundError):
            if os.stat(place).st_size and ours is not None and not ours(read_bytes(place, "a file of ours")):
                raise InputError(f"{path}: is there already and was not written by this command; choose another name")
        folder = next(folder for folder in place.absolute().parents if os.path.lexists(folder))
        trial = folder / _temporary()
        os.close(os.open(trial, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        trial.unlink()
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(f"{path}: {error}") from None


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise InputError unless files can be written into ``path`` (which may have to be made); nothing is left there."""
    if os.path.lexists(path) and not os.path.isdir(path):
        raise InputError(f"{path}: not a folder; one for the results was expected")
    try:
        check_place(Path(path) / "file")
    except InputError as error:
        raise InputError(str(error).replace(f"{shown(Path(path))}{os.sep}file", shown(path))) from None


def is_record(content: bytes) -> bool:
    """Whether a file's content is a record of umsn: JSON with its provenance."""
    try:
        return "provenance" in json.loads(content)
    except (ValueError, TypeError, RecursionError):
        return False


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write ``content`` as readable JSON, whole: an entry a line; plain lists and the rows of a table on one line."""
    with whole(path) as beside:
        beside.write_bytes((_readable(content) + "\n").encode("utf-8", "backslashreplace"))


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
