import subprocess
import sys

import pytest

from umsn import memory


def test_something_is_free_and_not_more_than_there_can_be():
    assert 2**20 < memory.free_memory() < 2**46


@pytest.mark.skipif(memory.resource is None, reason="limits of this kind are POSIX's")
def test_a_limit_of_the_process_counts(home):
    code = "from umsn.memory import *; resource.setrlimit(resource.RLIMIT_AS, (2**30,) * 2); print(free_memory())"
    ran = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 2**30


def test_errors_of_memory_are_known():
    assert memory.ran_out(MemoryError())
    assert memory.ran_out(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not memory.ran_out(RuntimeError("shapes do not fit"))
