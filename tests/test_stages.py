import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training import SHORT, run_in, short, striped

from umsn import weights
from umsn.blur import blur
from umsn.deblurring import FirstStage, FNet, build
from umsn.files import InputError
from umsn.parsing import SNet
from umsn.recipes import Schedule
from umsn.stages import STAGES, UP_TO_UMSN, Parsing, Source, Stream, Whole, export, fit, learning_rate, train

FACES = striped()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """All stages, four steps each."""
    run = run_in(tmp_path_factory.mktemp("run"))
    return run, train(run, FACES, stages=tuple(STAGES), say=None)


def test_the_stages_are_the_paper_s_in_its_order(trained):
    assert UP_TO_UMSN[:2] == ("parse-clean", "parse-blurry") and UP_TO_UMSN[-1] == "umsn" and len(UP_TO_UMSN) == 7
    _, histories = trained
    assert list(histories) == list(STAGES)
    assert all(h[-1]["step"] == 4 and math.isfinite(h[-1]["loss"]) for h in histories.values())
    assert {f"C_{c}" for c in ("background", "skin", "parts", "hair")} < histories["umsn"][-1].keys()


def test_umsn_begins_with_the_f_nets_of_the_first_stage(trained):
    run, _ = trained
    first = weights.load(run.checkpoint("stream-hair"))[0]
    task = run.task("umsn")
    torch.testing.assert_close(
        task.network.streams[3].rest[0].body[1][-1].weight, first["task.network.fnet.rest.0.body.1.2.weight"]
    )


def test_finished_stages_are_not_trained_again(trained):
    run, histories = trained
    before = run.checkpoint("umsn").stat().st_mtime_ns
    assert train(run, FACES, say=None)["umsn"] == histories["umsn"]
    assert run.checkpoint("umsn").stat().st_mtime_ns == before


def test_snapshots_are_kept(trained):
    run, _ = trained
    _, facts = weights.load(run.folder / "umsn-000002.safetensors")
    assert facts["step"] == 2


def test_an_export_is_what_was_trained_in_half_precision(trained, tmp_path):
    run, _ = trained
    export(run, "umsn", tmp_path / "umsn.safetensors", {"note": "a test"})
    pipeline = weights.pipeline(tmp_path / "umsn.safetensors")
    assert pipeline.facts["iterations"] == 4 and pipeline.facts["note"] == "a test"
    for stage, prefix, network in (("umsn", "network", pipeline.network), ("parse-blurry", "snet", pipeline.snet)):
        tensors, _ = weights.load(run.checkpoint(stage))
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, tensors[f"task.{prefix}.{name}"].half().float()), name


def test_a_stage_without_its_forerunner_says_which(tmp_path):
    with pytest.raises(InputError, match="run stage 'parse-blurry' first"):
        train(run_in(tmp_path), FACES, stages=["bnet"], say=None)
    with pytest.raises(InputError, match=r"'unsm'.*expected one of parse-clean"):
        train(run_in(tmp_path), FACES, stages=["unsm"], say=None)


def test_faces_that_cannot_be_trained_on_are_refused(tmp_path):
    with pytest.raises(InputError, match="without labels"):
        train(run_in(tmp_path), replace(FACES, labels=None), say=None)
    with pytest.raises(InputError, match="crops 64"):
        train(run_in(tmp_path, crop=64), FACES, say=None)


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
from umsn.stages import Source, fit
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
        def loss(self, batch):
            return {"loss": super().loss(batch)["loss"] * float("nan")}

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


def test_a_batch_blurs_one_class_only_when_told_to():
    source = Source.of(FACES, short(sigma=(0.0, 0.0)), seed=0)
    batch = source.batch(3, torch.Generator().manual_seed(1), only=2)
    changed = (batch.blurred != batch.sharp).any(1)
    assert changed.any() and not (changed & (batch.masks[:, 2] == 0)).any()
    both = source.batch(3, torch.Generator().manual_seed(1))
    assert torch.equal(both.sharp, batch.sharp) and (both.blurred != both.sharp).any(1).float().mean() > 0.9


def test_a_batch_is_blurred_before_it_is_cropped():
    """Every training picture is a window of its photograph blurred whole, so no border shows inside."""
    source = Source.of(striped(1, side=64), short(sigma=(0.0, 0.0), crop=64, kernels=1), seed=0)
    batch = source.batch(1, torch.Generator().manual_seed(1))
    torch.testing.assert_close(batch.blurred, blur(batch.sharp, source.kernels[:1]).clamp(0, 1))


TASKS = {
    "parsing": lambda masks: Parsing(SNet(widths=(4, 8)), blurry=False),
    "stream": lambda masks: Stream(FirstStage(FNet(channels=(8, 8, 8))), 2, masks, None, 0),
    "umsn": lambda masks: Whole(build("umsn", width=16), None, masks, None, short()),
}


@pytest.mark.parametrize("name", TASKS)
def test_one_batch_can_be_learned_by_heart(name):
    """The loss on one fixed batch falls by well over half."""
    source = Source.of(striped(2), short(), seed=0)
    batch = source.batch(2, torch.Generator().manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        task = TASKS[name](lambda image: batch.masks)
    optimiser = torch.optim.Adam(task.parameters(), 3e-3)
    losses = []
    for _ in range(120):
        optimiser.zero_grad()
        loss = task.loss(batch)["loss"]
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]
