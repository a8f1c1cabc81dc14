"""Records: what made a number, on what, how fast; and the two kinds of numbers that are kept, never in one file.

``results/reported/`` holds the paper's tables, ``results/measured/`` our own records, each with its provenance.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy
import pandas as pd
import torch

from umsn import places
from umsn.files import InputError, read_json

try:
    import resource
except ImportError:  # Windows has no getrusage
    resource = None

_PACKAGE = Path(__file__).resolve().parent

#: Where records are, in the repository.
MEASURED = "results/measured"


def record(asked: Mapping[str, Any], found: Mapping[str, Any], timer: Timer, **facts: Any) -> dict[str, Any]:
    """What an experiment found, behind what made it: {"provenance": .., **found}, as JSON holds it.

    ``asked`` are the experiment's name ("measure") and options, by which `umsn verify` asks again; ``facts`` join the
    provenance.
    """
    about = provenance(asked=dict(asked), **facts, seconds=round(timer.seconds, 1), peak_mib=timer.peak_mib)
    return {"provenance": about, **found}


def rows_of(table: pd.DataFrame, digits: int = 4) -> list[dict[str, Any]]:
    """A table as records keep it: a dict a row, rounded."""
    return as_stated(table).round(digits).to_dict("records")


def as_stated(table: pd.DataFrame) -> pd.DataFrame:
    """A summary as records state it: what resamples faces, as the first records all did, does not say so."""
    over_faces = "resampled" in table and (table["resampled"] == "faces").all()
    return table.drop(columns="resampled") if over_faces else table


def folder_of(given: str | os.PathLike[str] | None = None) -> Path:
    """The folder of records that was given, or the repository's own."""
    return places.path_of(MEASURED) if given is None else Path(given)


def measured(name: str, folder: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """The record of that name, of `folder_of`. Raises InputError when it is missing or no JSON."""
    return read_json(folder_of(folder) / f"{name}.json")


def reported(name: str) -> pd.DataFrame:
    """What the paper prints, ``results/reported/<name>.csv`` (table1 .. table8, pubfig); values are text, as printed.

    Raises InputError when there is no such file.
    """
    path = places.path_of("results/reported") / f"{name}.csv"
    if not path.is_file():
        raise InputError(f"{path.name}: no such file in results/reported; table1 .. table8 or pubfig was expected")
    return pd.read_csv(path, dtype={"value": str})


def provenance(**extra: Any) -> dict[str, Any]:
    """The circumstances of a measurement, as JSON-able values, joined by ``extra``.

    Keys: command, date (UTC, ISO 8601), code (commit and whether it was edited, or the installed version), platform,
    versions. No folder, user or host name is among them: paths in the command are cut to their last part.
    """
    return {
        "command": command(sys.argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "code": _code(),
        "platform": machine(),
        "versions": _versions(),
        **extra,
    }


def command(arguments: list[str]) -> str:
    """A command line without the machine's folders: only the last part of an absolute, home or parent path is kept."""
    program = Path(arguments[0]) if arguments else Path("python")
    name = f"-m {program.parent.name}" if program.name == "__main__.py" else program.name
    return " ".join([name, *(_without_folder(argument) for argument in arguments[1:])])


def _without_folder(argument: str) -> str:
    option, equals, value = argument.rpartition("=")
    leaves_here = os.path.isabs(value) or value.startswith(("~", "..", "file:")) or "\\" in value
    return option + equals + (value.replace("\\", "/").rstrip("/").rpartition("/")[2] if leaves_here else value)


def _git(*arguments: str) -> str | None:
    try:
        ran = subprocess.run(["git", "-C", str(_PACKAGE), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ran.stdout.strip() if ran.returncode == 0 else None


def _code() -> dict[str, Any]:
    """The commit, where the package is the checkout's own ``umsn/``, and whether that folder differs from it."""
    top, commit = _git("rev-parse", "--show-toplevel"), _git("rev-parse", "--verify", "--quiet", "HEAD")
    if top and commit and Path(top).resolve() == _PACKAGE.parent:
        return {"commit": commit, "edited": bool(_git("status", "--porcelain", "--", "."))}
    return {"version": _versions()["umsn"]}


def _versions() -> dict[str, str]:
    try:
        ours = version("umsn")
    except PackageNotFoundError:
        ours = "not installed"
    found = {"python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__}
    return {**found, "umsn": ours}


def machine() -> dict[str, Any]:
    """System, processor, cores and threads it may use, memory, GPU."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    if gpu is None and torch.backends.mps.is_available():
        gpu = "Apple GPU (MPS)"
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": _memory(),
        "gpu": gpu,
    }


def _cpu() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


class Timer:
    """Wall-clock seconds of a block, and the most memory the process has held until its end.

    >>> with Timer() as timer:
    ...     total = sum(range(1000))
    >>> timer.seconds >= 0
    True
    """

    seconds: float  #: wall-clock seconds of the block; work queued on a GPU is waited for
    peak_mib: float | None  #: largest resident memory of the process so far, MiB; None where the system does not tell

    def __enter__(self) -> Self:
        _wait()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _wait()
        self.seconds = time.perf_counter() - self._start
        self.peak_mib = _peak()


def _wait() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _peak() -> float | None:
    if resource is None:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
