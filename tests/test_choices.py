"""What a training does otherwise than the paper: averaged weights, AdamW, another error."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from training import run_in, striped

from umsn.evaluation import metrics
from umsn.experiments import choices as experiment
from umsn.files import InputError
from umsn.networks import weights
from umsn.networks.losses import charbonnier, class_losses, psnr_loss
from umsn.recipes import recipe
from umsn.training.choices import THE_PAPERS, Average, Choices
from umsn.training.stages import UP_TO_UMSN, export, train

FACES = striped()
#: The stages that B-Net needs before it.
BEFORE = ["parse-clean", "parse-blurry"]
OWN = Choices(average=0.5, weight_decay=0.1, error="charbonnier")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """B-Net as the paper trains it."""
    run = run_in(tmp_path_factory.mktemp("plain"))
    return run, train(run, FACES, stages=[*BEFORE, "bnet"], say=None)["bnet"]


def chosen(plain, folder, choices):
    """The same training of B-Net, about to begin under these choices."""
    run = replace(plain[0], folder=folder, choices=choices)
    folder.mkdir(exist_ok=True)
    for stage in BEFORE:
        run.checkpoint(stage).hardlink_to(plain[0].checkpoint(stage))
    return run


def network_of(tensors, beginning="task."):
    return {n.removeprefix(beginning): t for n, t in tensors.items() if n.startswith(f"{beginning}network.")}


def test_an_average_forgets_the_first_weights_and_then_follows_its_part():
    task = nn.Linear(1, 1, bias=False)
    average, expected = Average(task, 0.9), float(task.weight.detach())
    for step in range(200):
        with torch.no_grad():
            task.weight.fill_(step)
        average.add(step)
        part = max(0.1, 9 / (10 + step))
        expected = (1 - part) * expected + part * step
        assert float(average.values["weight"]) == pytest.approx(expected, rel=1e-5)
    with average.in_place():
        assert float(task.weight.detach()) == pytest.approx(expected, rel=1e-5)
    assert float(task.weight.detach()) == 199


def test_an_average_changes_no_step_and_is_what_is_exported(plain, tmp_path):
    run = chosen(plain, tmp_path, Choices(average=0.9))
    history = train(run, FACES, stages=["bnet"], say=None)["bnet"]
    assert [row["loss"] for row in history] == [row["loss"] for row in plain[1]]
    tensors, facts = weights.load(run.checkpoint("bnet"))
    last, averaged = network_of(tensors), network_of(tensors, "average.")
    assert last.keys() == averaged.keys() and not all(torch.equal(last[name], averaged[name]) for name in last)
    export(run, "bnet", tmp_path / "out.safetensors", {})
    found = weights.pipeline(tmp_path / "out.safetensors")
    assert found.facts["choices"] == facts["choices"] == {"average": 0.9, "weight_decay": 0.0, "error": "l1"}
    for name, tensor in found.network.state_dict().items():
        assert torch.equal(tensor, averaged[f"network.{name}"].half().float()), name


def test_a_run_that_is_cut_goes_on_to_the_same_average(plain, tmp_path):
    whole, parts = (chosen(plain, tmp_path / name, OWN) for name in ("whole", "parts"))
    train(whole, FACES, stages=["bnet"], say=None)
    while not parts.checkpoint("bnet").exists() or weights.load(parts.checkpoint("bnet"))[1]["step"] < 4:
        train(parts, FACES, stages=["bnet"], minutes=1e-4, say=None)
    one, other = (weights.load(run.checkpoint("bnet"))[0] for run in (whole, parts))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_adamw_shrinks_the_weights_and_the_layout_does_the_same(plain, tmp_path):
    runs = {name: chosen(plain, tmp_path / name, Choices(weight_decay=1.0)) for name in ("plain", "gpu")}
    sums = {"paper": _size(plain[0])}
    for name, run in runs.items():
        train(replace(run, layout=name), FACES, stages=["bnet"], say=None)
        sums[name] = _size(run)
    assert sums["plain"] < 0.999 * sums["paper"]
    assert sums["gpu"] == pytest.approx(sums["plain"], rel=1e-4)


def _size(run):
    return sum(float(t.double().square().sum()) for t in network_of(weights.load(run.checkpoint("bnet"))[0]).values())


def test_the_other_error_is_the_paper_s_but_near_zero():
    d = torch.linspace(-1, 1, 2001, dtype=torch.float64, requires_grad=True)
    error = charbonnier(d)
    more = (error - d.abs()).detach()
    assert (more >= 0).all() and float(more.max()) == pytest.approx(1e-3)
    (slope,) = torch.autograd.grad(error.sum(), d)
    assert float(slope[1000]) == pytest.approx(0, abs=1e-9) and float(slope[-1]) == pytest.approx(1, abs=1e-5)
    sharp, masks = torch.rand(2, 3, 8, 8), torch.rand(2, 4, 8, 8)
    assert torch.equal(class_losses(0 * sharp, sharp, masks), class_losses(0 * sharp, sharp, masks, torch.Tensor.abs))


def test_a_history_names_the_error(plain, tmp_path):
    run = chosen(plain, tmp_path, Choices(error="charbonnier"))
    (row, *_) = train(run, FACES, stages=["bnet"], say=None)["bnet"]
    assert row["charbonnier"] == row["loss"] and "l1" not in row and "l1" in plain[1][0]


def test_minus_psnr_may_be_the_loss(plain, tmp_path):
    random = torch.Generator().manual_seed(0)
    restored, sharp = torch.rand(2, 2, 3, 8, 8, generator=random)
    masks = torch.rand(2, 4, 8, 8, generator=random).softmax(1)
    loss = psnr_loss(class_losses(restored, sharp, masks, torch.Tensor.square).sum(1))
    assert float(loss) == pytest.approx(-float(metrics.psnr(restored, sharp).mean()), abs=1e-4)
    run = chosen(plain, tmp_path, Choices(error="psnr"))
    (row, *_) = train(run, FACES, stages=["bnet"], say=None)["bnet"]
    assert row["minus psnr"] == row["loss"] < 0 and "l1" not in row


def test_another_choice_is_another_training(plain, tmp_path):
    run = replace(plain[0], choices=OWN)
    with pytest.raises(InputError, match=r"another run \(choices differ"):
        train(run, FACES, stages=["bnet"], say=None)
    own = chosen(plain, tmp_path, OWN)
    train(own, FACES, stages=["bnet"], minutes=1e-4, say=None)
    with pytest.raises(InputError, match=r"another run \(choices differ"):
        train(replace(own, choices=THE_PAPERS), FACES, stages=["bnet"], say=None)


def test_a_checkpoint_without_its_average_is_refused(plain, tmp_path):
    run = chosen(plain, tmp_path, OWN)
    train(run, FACES, stages=["bnet"], minutes=1e-4, say=None)
    tensors, facts = weights.load(run.checkpoint("bnet"))
    broken = {name: tensor for name, tensor in copy.copy(tensors).items() if not name.startswith("average.")}
    weights.save(run.checkpoint("bnet"), broken, facts)
    with pytest.raises(InputError, match="no average of"):
        train(run, FACES, stages=["bnet"], say=None)


@pytest.mark.parametrize(
    ("choices", "stages", "told"),
    [
        (OWN, ["nah"], "stage 'nah' has a loss of its own"),
        (OWN, UP_TO_UMSN[:-1], "change no stage of parse-clean"),
        (Choices(error="psnr"), ["umsn"], "PSNR is one number; error l1 or charbonnier was expected"),
    ],
)
def test_choices_that_change_nothing_are_refused(plain, choices, stages, told):
    with pytest.raises(InputError, match=told):
        train(replace(plain[0], choices=choices), FACES, stages=stages, say=None)


@pytest.mark.parametrize("given", [{"average": 1}, {"average": -0.1}, {"weight_decay": 2}, {"error": "l3"}])
def test_choices_out_of_bounds_are_refused(given):
    with pytest.raises(InputError, match="expected"):
        Choices(**given)


def test_choices_are_compared_on_as_many_images_over_seeds(tmp_path, monkeypatch):
    compared = experiment.schedules(recipe("seeds").whole)
    assert len({plan.iterations * plan.batch for plan, _ in compared.values()}) == 1
    some = {name: experiment.schedules(recipe("smoke").whole)[name] for name in (experiment.USUAL, "AdamW, 0.1")}
    monkeypatch.setattr(experiment, "schedules", lambda usual: some)
    asked = {"recipe": "smoke", "seeds": (0, 1), "test": 1, "keep": tmp_path}
    made = experiment.measure(**asked)
    (gain,) = made["over the usual, dB"]
    means = {(row["choice"], row["seed"]): row["psnr"] for row in made["means"]}
    apart = [means["AdamW, 0.1", seed] - means[experiment.USUAL, seed] for seed in (0, 1)]
    assert gain["choice"] == "AdamW, 0.1" and gain["seeds"] == 2
    assert gain["mean"] == pytest.approx(sum(apart) / 2, abs=1e-4) and gain["low"] < gain["mean"] < gain["high"]
    assert experiment.measure(**asked)["means"] == made["means"]  # taken up, not trained again
