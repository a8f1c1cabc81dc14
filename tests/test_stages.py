import math
import shutil
from dataclasses import replace

import pytest
import torch
from training import run_in, short, striped

from umsn.files import InputError
from umsn.networks import weights
from umsn.networks.deblurring import FirstStage, FNet, build
from umsn.networks.parsing import SNet
from umsn.recipes import recipe
from umsn.training.batches import Source
from umsn.training.stages import ALL, UP_TO_UMSN, Parsing, Stream, Whole, export, prepared, train

FACES = striped()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """All stages but the rivals (`test_rivals_training.py`), four steps each."""
    run = run_in(tmp_path_factory.mktemp("run"))
    return run, train(run, FACES, stages=ALL, say=None)


def test_the_stages_are_the_paper_s_in_its_order(trained):
    assert UP_TO_UMSN[:2] == ("parse-clean", "parse-blurry") and UP_TO_UMSN[-1] == "umsn" and len(UP_TO_UMSN) == 7
    _, histories = trained
    assert list(histories) == list(ALL)
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
    assert pipeline.facts["perceptual"] is False and pipeline.facts["start"] is None
    for stage, prefix, network in (("umsn", "network", pipeline.network), ("parse-blurry", "snet", pipeline.snet)):
        tensors, _ = weights.load(run.checkpoint(stage))
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, tensors[f"task.{prefix}.{name}"].half().float()), name


def test_with_a_descriptor_the_perceptual_loss_joins(trained, tmp_path):
    """Streams and UMSN add lambda_1 L_p (Eq. 6), and the file says so."""
    shutil.copytree(trained[0].folder, tmp_path / "run")
    run = replace(run_in(tmp_path / "run", lam1=0.5), features=lambda image: image.diff(dim=-1))
    for stage in ("stream-skin", "umsn"):
        run.checkpoint(stage).unlink()
    for name, history in train(run, FACES, stages=["stream-skin"], say=None).items():
        for row in history:
            assert row["perceptual"] > 0, name
            assert row["loss"] == pytest.approx(row["l1"] + 0.5 * row["perceptual"], rel=1e-4)
    assert "perceptual" in train(run, FACES, stages=["umsn"], say=None)["umsn"][-1]
    export(run, "umsn", tmp_path / "umsn.safetensors", {})
    assert weights.pipeline(tmp_path / "umsn.safetensors").facts["perceptual"] is True


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


def test_training_goes_on_from_exported_weights(trained, tmp_path):
    """S-Net and UMSN begin with them, and the checkpoint says with which."""
    run, _ = trained
    start = tmp_path / "start.safetensors"
    export(run, "umsn", start, {})
    more = replace(run_in(tmp_path / "more"), start=start)
    begun = weights.pipeline(start)
    task = more.task("umsn")
    assert all(torch.equal(t, task.network.state_dict()[n]) for n, t in begun.network.state_dict().items())
    train(more, FACES, stages=["umsn"], say=None)
    assert weights.load(more.checkpoint("umsn"))[1]["start"] == weights.digest(start)
    export(more, "umsn", tmp_path / "more.safetensors", {})
    after = weights.pipeline(tmp_path / "more.safetensors")
    assert all(torch.equal(t, after.snet.state_dict()[n]) for n, t in begun.snet.state_dict().items())
    assert any(not torch.equal(t, after.network.state_dict()[n]) for n, t in begun.network.state_dict().items())
    with pytest.raises(InputError, match=r"another run \(start differ"):
        train(replace(more, start=tmp_path / "more.safetensors"), FACES, stages=["umsn"], say=None)
    with pytest.raises(InputError, match=r"start.safetensors: does not fit UMSN"):
        replace(more, recipe=short(width=32)).task("umsn")


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
        loss = task(batch)["loss"]
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]


def test_faces_of_a_run_are_drawn_once(tmp_path):
    small = replace(recipe("smoke"), faces=2)
    run, faces = prepared(small, 3, tmp_path)
    (picture,) = (run.folder / "faces-2/images").glob("*-01.png")
    before = picture.stat().st_mtime_ns
    _, again = prepared(small, 3, tmp_path)
    assert torch.equal(faces.photos, again.photos)
    assert picture.stat().st_mtime_ns == before


def test_snapshots_are_in_the_order_of_training(tmp_path):
    plan = replace(recipe("smoke"), faces=2, snapshots=(0.34, 1.0))
    run, faces = prepared(plan, 0, tmp_path)
    train(run, faces, say=None)
    tasks = run.snapshots()
    assert list(tasks) == [1, 3]
    first, last = (task.network.to_image.weight for task in tasks.values())
    assert not torch.equal(first, last)


def test_with_minutes_for_each_stage_all_of_them_begin(tmp_path):
    """On a busy machine each is shorter, and the next one begins from what it has reached."""
    run, faces = prepared(replace(recipe("smoke"), faces=2), 0, tmp_path)
    histories = train(run, faces, each=1e-6, say=None)
    assert {name: rows[-1]["step"] for name, rows in histories.items()} == dict.fromkeys(UP_TO_UMSN, 1)
    assert list(run.snapshots()) == [1]
