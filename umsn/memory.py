"""What a process may take of the machine: the memory that is left, asked before anything large, and the cores."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None

#: Where the system does not tell.
UNKNOWN = 4 * 2**30


def free_memory() -> int:
    """Bytes that this process may still take: the least of what the system, its group and its own limit leave."""
    return max(0, min(_system(), _group(), _limit()))


def cores() -> int:
    """How many of the processor's cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ran_out(error: BaseException) -> bool:
    """Whether an error is one of memory: Python's own, or torch's, which is a RuntimeError on a CPU."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error)


def _system() -> int:
    with suppress(OSError, TypeError, ValueError):
        told = Path("/proc/meminfo").read_text(encoding="ascii")
        return int(re.search(r"MemAvailable:\s+(\d+)", told)[1]) * 1024
    with suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return UNKNOWN


def _group() -> int:
    """What a container's limit leaves (version 2 of Linux's control groups)."""
    with suppress(OSError, ValueError):
        most, now = (Path(f"/sys/fs/cgroup/memory.{name}").read_text("ascii") for name in ("max", "current"))
        reclaimed = re.search(r"^inactive_file (\d+)", Path("/sys/fs/cgroup/memory.stat").read_text("ascii"), re.M)
        return int(most) - int(now) + int(reclaimed[1] if reclaimed else 0)
    return 2**62


def _limit() -> int:
    """What is left of the address space that the process may have (`ulimit -v`)."""
    if resource is None or (most := resource.getrlimit(resource.RLIMIT_AS)[0]) == resource.RLIM_INFINITY:
        return 2**62
    with suppress(OSError, ValueError, IndexError):
        return most - int(Path("/proc/self/statm").read_text("ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return most
