"""The training loop: resumable to the bit, shared by processes, and never half-written."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training import SHORT, run_in, short, striped

from umsn import weights
from umsn.files import InputError
from umsn.fitting import fit, learning_rate
from umsn.parsing import SNet
from umsn.recipes import Schedule
from umsn.source import Source
from umsn.stages import UP_TO_UMSN, Parsing, train

FACES = striped()


def same(a: Path, b: Path) -> bool:
    one, other = (weights.load(p)[0] for p in (a, b))
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path):
    runs = [run_in(tmp_path / "a"), run_in(tmp_path / "b"), replace(run_in(tmp_path / "c"), seed=1)]
    for run in runs:
        train(run, FACES, stages=["parse-clean"], say=None)
    a, b, c = (r.checkpoint("parse-clean") for r in runs)
    assert same(a, b) and not same(a, c)


def test_the_global_generator_is_left_alone(tmp_path):
    before = torch.random.get_rng_state()
    train(run_in(tmp_path), FACES, stages=["parse-clean"], say=None)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_run_out_of_time_goes_on_to_the_same_weights(tmp_path):
    whole, parts = run_in(tmp_path / "whole"), run_in(tmp_path / "parts")
    train(whole, FACES, stages=["parse-clean"], say=None)
    calls = 0
    while weights_step(parts) < 4:
        train(parts, FACES, stages=["parse-clean"], minutes=1e-6, say=None)
        calls += 1
    assert calls == 4
    assert same(whole.checkpoint("parse-clean"), parts.checkpoint("parse-clean"))


def weights_step(run) -> int:
    path = run.checkpoint("parse-clean")
    return weights.load(path)[1]["step"] if path.exists() else 0


KILLED = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from training import SHORT, run_in, striped
from dataclasses import replace
from umsn.fitting import fit
from umsn.source import Source
run = run_in(Path(sys.argv[1]))
source = Source.of(striped(), run.recipe, seed=0)
fit(run.task("parse-clean"), source, replace(SHORT, iterations=60), run.checkpoint("parse-clean"),
    seed=0, save_every=0, say=None)
"""


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path):
    """The process is killed at some step, again and again, until it is done."""
    long = replace(SHORT, iterations=60)
    whole = run_in(tmp_path / "whole")
    source = Source.of(FACES, whole.recipe, seed=0)
    fit(whole.task("parse-clean"), source, long, whole.checkpoint("parse-clean"), seed=0, say=None)
    path = run_in(tmp_path / "killed").checkpoint("parse-clean")
    path.parent.mkdir()
    order = [sys.executable, "-c", KILLED, str(path.parent), str(Path(__file__).parent)]
    kills = 0
    while True:
        process = subprocess.Popen(order, env=os.environ)
        begun = path.stat().st_mtime_ns if path.exists() else 0
        while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == begun):
            time.sleep(0.01)
        time.sleep(0.15)
        if process.poll() is not None or kills == 3:
            assert process.wait() == 0
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        weights.load(path)  # whole, whenever the process died
    assert kills >= 1
    assert same(whole.checkpoint("parse-clean"), path)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    run = run_in(tmp_path)
    train(run, FACES, stages=["parse-clean"], say=None)
    with pytest.raises(InputError, match=r"another run \(data differ"):
        train(run, striped(3), stages=["parse-clean"], say=None)
    with pytest.raises(InputError, match=r"seed differ"):
        train(replace(run, seed=1), FACES, stages=["parse-clean"], say=None)
    with pytest.raises(InputError, match=r"recipe.*differ"):
        train(replace(run, recipe=short(lam=0.5)), FACES, stages=["parse-clean"], say=None)
    run.checkpoint("parse-clean").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read"):
        train(run, FACES, stages=["parse-clean"], say=None)


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(tmp_path):
    class Broken(Parsing):
        def forward(self, batch):
            return {"loss": super().forward(batch)["loss"] * float("nan")}

    source = Source.of(FACES, short(), seed=0)
    with pytest.raises(FloatingPointError, match=r"broken: the loss is nan at step 0"):
        fit(Broken(SNet(widths=(4, 8)), blurry=False), source, SHORT, tmp_path / "broken.safetensors", seed=0, say=None)
    assert not list(tmp_path.iterdir())


def test_the_learning_rate_rises_then_falls_or_stays():
    cosine = Schedule(1000, 16, 1e-3, "cosine")
    rates = [learning_rate(cosine, s) for s in range(1000)]
    assert max(rates) == pytest.approx(1e-3) and rates.index(max(rates)) <= 20
    assert rates[0] < 1e-4 and rates[-1] < 1e-5
    assert {learning_rate(Schedule(1000), s) for s in (0, 500, 999)} == {2e-4}


SHARED = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import torch
from dataclasses import replace
from training import SHORT, run_in, striped
from umsn import fitting
from umsn.stages import train
torch.set_num_threads(1)
fitting.fast_type = lambda device: torch.float32
torch.distributed.init_process_group("gloo")
train(run_in(Path(sys.argv[1]), whole=replace(SHORT, iterations=1)), striped(), stages=["umsn"], say=None)
torch.distributed.destroy_process_group()
"""


def test_two_processes_learn_what_one_does(tmp_path, monkeypatch):
    """One step of UMSN with the same global batch: the same losses and the same gradients, to 32-bit rounding.

    Later steps cannot be compared: Adam takes a full step along gradients that are rounding alone, such as those of
    biases before an instance normalisation.
    """
    monkeypatch.setattr("umsn.fitting.fast_type", lambda device: torch.float32)
    one = {"whole": replace(SHORT, iterations=1)}
    alone, shared = run_in(tmp_path / "alone", **one), run_in(tmp_path / "shared", **one)
    train(alone, FACES, stages=UP_TO_UMSN[:-1], say=None)
    shutil.copytree(alone.folder, shared.folder)
    train(alone, FACES, stages=["umsn"], say=None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    order = [sys.executable, "-c", SHARED, str(shared.folder), str(Path(__file__).parent)]
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    processes = [subprocess.Popen(order, env=os.environ | places | {"RANK": str(rank)}) for rank in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    (expected, about), (found, said) = (weights.load(run.checkpoint("umsn")) for run in (alone, shared))
    assert said["history"][0] == pytest.approx(about["history"][0] | {"seconds": said["history"][0]["seconds"]}, 1e-4)
    gradients = [torch.cat([t.flatten() for n, t in m.items() if n.endswith("exp_avg")]) for m in (found, expected)]
    difference = (gradients[0] - gradients[1]).norm() / gradients[1].norm()
    assert difference < 0.02, difference  # a ReLU may flip where its input is rounding alone


def test_a_batch_that_cannot_be_shared_evenly_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 0)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 3)
    with pytest.raises(InputError, match="batch of 2 cannot be shared evenly by 3"):
        train(run_in(tmp_path), FACES, stages=["parse-clean"], say=None)
