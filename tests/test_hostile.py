"""Nothing lost, nothing foreign: whatever a file holds, a command does its work or says in one line why it cannot.

`make test` tries a part. The whole, some 3,000 cases, with its figures by kind:

    HOSTILE=whole python -m pytest tests/test_hostile.py -s
"""

import collections
import itertools
import os
import shutil
import signal
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace

import hostile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from training import run_in, striped

from umsn import cli
from umsn.data.unseen import unseen_faces
from umsn.experiments.evaluate import measure
from umsn.files import InputError, write_json
from umsn.networks.parsing import SNet
from umsn.training.stages import train

WHOLE = os.environ.get("HOSTILE") == "whole"
SECONDS = 60  #: of one case, after which it is said to hang

pytestmark = pytest.mark.skipif(os.name != "posix", reason="FIFOs, devices and alarms are POSIX's")


class Hang(BaseException):
    """A case took longer than `SECONDS`."""


@pytest.fixture(scope="module")
def tally():
    """How many cases of each kind ended how; printed at the end."""
    counts = collections.defaultdict(collections.Counter)
    yield counts
    if WHOLE:
        ends = ("own error", "worked", "foreign", "hang", "unreadable")
        print(f"\n{'kind':14}{'tried':>7}" + "".join(f"{end:>12}" for end in ends))
        for kind, found in [*counts.items(), ("all", sum(counts.values(), collections.Counter()))]:
            print(f"{kind:14}{sum(found.values()):7}" + "".join(f"{found[end]:12}" for end in ends))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Networks that give back what they get, and faces that are drawn once."""
    monkeypatch.setattr("umsn.data.chosen.unseen_faces", few)
    monkeypatch.setattr("umsn.networks.weights.shipped", lambda *_, **__: Same())


@cache
def few(count, *, seed=0):
    if count > 2:
        raise InputError(f"{count} faces: too many for a test")
    return unseen_faces(count)


class Same:
    """In the place of trained networks."""

    digest, facts, snet = "000000000000", {}, SNet(widths=(4, 8))

    def __call__(self, blurred):
        return SimpleNamespace(restored=blurred)


@contextmanager
def alarm():
    def ring(*_):
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def ended(case, folder, capfd):
    """How a case ended, and what it said."""
    folder.mkdir()
    try:
        work = case(folder)
        capfd.readouterr()
        with alarm():
            code = cli.main(work) if isinstance(work, list) else (work() or True) and 0
    except Hang:
        return "hang", ""
    except SystemExit as error:
        code = error.code
    except InputError as error:
        assert not isinstance(work, list)
        return ("own error" if "\n" not in str(error) else "foreign"), str(error)
    except Exception as error:
        return "foreign", f"{type(error).__name__}: {error}"
    out, err = capfd.readouterr()
    lines = err.splitlines()
    if any(not line.startswith("umsn: ") for line in lines) or (code == 2) != bool(lines) or "\x1b" in out + err:
        return "foreign", f"code {code}: {err[:300]!r}"
    try:
        for result in (folder / "out").rglob("*.png"):
            Image.open(result).load()
    except Exception as error:
        return "unreadable", str(error)
    left = list(folder.rglob(".umsn-*"))
    return ("unreadable", f"left {left}") if left else ("own error" if code else "worked", err)


def tried(kind, cases, tally, tmp_path, capfd, part):
    """Try every case, or every so manieth one outside of the whole run; none may be foreign, hang or be unreadable."""
    bad = []
    for number, (name, case) in enumerate(itertools.islice(cases, 0, None, 1 if WHOLE else part)):
        folder = tmp_path / f"{number}"
        end, said = ended(case, folder, capfd)
        tally[kind][end] += 1
        bad += [f"{kind}, {name}: {end} ({said})"] * (end not in ("own error", "worked"))
        shutil.rmtree(folder, ignore_errors=True)
    assert not bad, "\n".join(bad)


#: Every so manieth case of each kind is tried in `make test`.
PARTS = {"pictures": 23, "odd_pictures": 13, "names": 5, "places": 3, "data_sets": 13, "kernels": 9, "trained": 13}
PARTS |= {"options": 4, "by_hand": 1, "editions": 41, "pairs": 11, "measures": 23, "rivals": 19, "writers": 13}


@pytest.mark.parametrize(("kind", "part"), PARTS.items(), ids=PARTS)
def test_hostile(kind, part, tally, tmp_path, capfd):
    make = getattr(hostile, kind)
    tried(kind, make(30) if kind == "pictures" else make(), tally, tmp_path, capfd, part)


def test_hostile_checkpoints(tally, tmp_path, capfd):
    faces = striped()
    go_on = lambda folder: train(run_in(folder), faces, stages=["parse-clean"], say=None)  # noqa: E731
    go_on(tmp_path / "first")
    cases = hostile.checkpoints(go_on, tmp_path / "first/parse-clean.safetensors")
    tried("checkpoints", cases, tally, tmp_path, capfd, 8)


@pytest.fixture(scope="module")
def record():
    return measure(method="blurred", faces="1", sizes="13", kernels=1)


def test_hostile_records(tally, tmp_path, capfd, record):
    """Any part of a record replaced by anything, or left out."""
    ways, numbers = [way for way in hostile.inside(record) if way], itertools.count()

    @settings(
        max_examples=500 if WHOLE else 12, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.sampled_from(ways), hostile.VALUES | st.just(...))
    def one(way, value):
        def case(folder):
            write_json(folder / "r.json", hostile.changed(record, way, value))
            return ["verify", str(folder / "r.json")]

        folder = tmp_path / f"{next(numbers)}"
        end, said = ended(case, folder, capfd)
        tally["records"][end] += 1
        shutil.rmtree(folder, ignore_errors=True)
        assert end in ("own error", "worked"), f"{way} {value!r:.60}: {end} ({said})"

    one()
