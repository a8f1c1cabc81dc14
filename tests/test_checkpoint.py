"""Beside a checkpoint lies its history, always; and one training at a time works on it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from training import run_in, striped

from umsn.files import InputError
from umsn.training.checkpoint import alone
from umsn.training.stages import train

FACES = striped()

HOLDER = """
import sys
from pathlib import Path
from umsn.training.checkpoint import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def trained(folder):
    return train(run_in(folder), FACES, stages=["parse-clean"], say=None)


@pytest.mark.parametrize("spoil", ["missing", "older", "cut"])
def test_a_history_that_was_not_written_is_written_when_training_goes_on(tmp_path, spoil):
    history, path = trained(tmp_path)["parse-clean"], tmp_path / "parse-clean.json"
    told = json.loads(path.read_text())
    if spoil == "missing":
        path.unlink()
    else:
        path.write_text(json.dumps(told | {"step": 1}) if spoil == "older" else path.read_text()[:40])
    assert trained(tmp_path)["parse-clean"] == history
    assert json.loads(path.read_text()) | {"provenance": 0} == told | {"provenance": 0}


def test_a_foreign_file_in_its_place_is_kept(tmp_path):
    (tmp_path / "parse-clean.json").write_text("mine")
    with pytest.raises(InputError, match=r"parse-clean\.json: is there already"):
        trained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["parse-clean.json"]


@pytest.mark.skipif(os.name != "posix", reason="this lock is POSIX's")
def test_a_second_training_is_refused_until_the_first_is_dead(tmp_path):
    path = tmp_path / "parse-clean.safetensors"
    order = [sys.executable, "-c", HOLDER, str(path)]
    home = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
        order, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | home
    ) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another training is at work"):
            trained(tmp_path)
        first.kill()
    trained(tmp_path)
    assert sorted(left.name for left in tmp_path.iterdir()) == ["parse-clean.json", "parse-clean.safetensors"]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="this lock is POSIX's")
def test_processes_of_torchrun_are_refused_together_and_train_together(tmp_path):
    """While this process holds the lock each says so in one line and ends; then they share a training and its lock."""
    order = ["-m", "umsn", "train", "--recipe", "smoke", "--faces", "2", "--validate", "0", "--stage", "parse-clean"]
    path = tmp_path / "parse-clean.safetensors"
    with alone(path):
        assert shared([*order, "-o", str(tmp_path)]) == [(2, f"umsn: {path}: another training is at work on it")] * 2
    assert [code for code, _ in shared([*order, "-o", str(tmp_path)])] == [0, 0]
    assert path.exists() and json.loads(path.with_suffix(".json").read_text())["step"] == 3
    assert not list(tmp_path.glob(".*"))


def shared(order):
    """Run two processes as torchrun starts them; the exit code of each, and what it said before a semicolon."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    places["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    begun = [
        subprocess.Popen(
            [sys.executable, *order], env=os.environ | places | {"RANK": str(rank)}, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    return [(process.wait(), said.partition(";")[0]) for process in begun for said in [process.communicate()[1]]]


def test_the_lock_is_gone_afterwards(tmp_path):
    with pytest.raises(KeyError), alone(tmp_path / "a.safetensors"):
        raise KeyError
    assert not list(tmp_path.iterdir())
