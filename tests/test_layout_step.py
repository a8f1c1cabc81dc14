"""Training in the layout is training the plain networks: flat parameters, Adam, the step, the check, whole runs."""

import copy
import os
import re
import shutil
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn
from training import SHORT, run_in, short, striped

from umsn.files import InputError, read_json
from umsn.networks import weights
from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.deblurring import FirstStage, FNet, build
from umsn.networks.parsing import FrozenParser, SNet
from umsn.training import steps
from umsn.training.batches import Batch, Source
from umsn.training.history import How, ProgressLine
from umsn.training.layout.check import DifferenceError, check
from umsn.training.layout.convolutions import places
from umsn.training.layout.flat import Flat
from umsn.training.layout.networks import laid_out
from umsn.training.layout.step import LaidStep, keep_compiled
from umsn.training.loop import fit
from umsn.training.stages import UP_TO_UMSN, Parsing, Stream, Whole, train
from umsn.training.steps import PlainStep, stepping

FACES = striped()
FLOAT = torch.float32


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_network() -> SNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SNet(widths=(4, 12))


def adam(network: nn.Module, decay: float = 0) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), 1e-3, weight_decay=decay, decoupled_weight_decay=True)


def flat_of(
    network: nn.Module,
    seen: torch.dtype = FLOAT,
    form: torch.memory_format = torch.channels_last,
    decay: float = 0,
) -> Flat:
    return Flat(list(places(laid_out(network))), adam(network, decay), seen, form)


@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
def test_weights_keep_their_names_and_bits_as_views_of_one_vector(form):
    network = small_network()
    before = copy.deepcopy(network.state_dict())
    flat = flat_of(network, form=form)
    after = network.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)
    flat.weights.add_(1)
    assert all(torch.equal(network.state_dict()[name], before[name] + 1) for name in before)
    flat.release()
    flat.weights.add_(1)
    assert all(torch.equal(network.state_dict()[name], before[name] + 1) for name in before)


@pytest.mark.parametrize("decay", [0, 0.5])
def test_steps_of_adam_are_torch_s_and_leave_the_padding_zero(decay):
    network, same = small_network(), small_network()
    flat, optimiser = flat_of(network, decay=decay), adam(same, decay)
    padding = flat.padding()
    assert 0 < padding.sum() < flat.length
    for step in range(5):
        gradients = [torch.randn(p.shape, generator=seeded(step)) for p in same.parameters()]
        own = flat.gathered(gradients_in_order(flat, network, gradients))
        flat.at(step, 1e-3 * (step + 1))
        flat.update([flat.view(own, parameter) for parameter in flat.own])
        optimiser.param_groups[0]["lr"] = 1e-3 * (step + 1)
        for parameter, gradient in zip(same.parameters(), gradients, strict=True):
            parameter.grad = gradient
        optimiser.step()
    for ours, plain in zip(network.parameters(), same.parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-6, atol=1e-8)
        for name, value in optimiser.state[plain].items():
            torch.testing.assert_close(flat.optimiser.state[ours][name], value, rtol=1e-6, atol=1e-8)
    assert all(vector[padding].abs().sum() == 0 for vector in (flat.weights, flat.first, flat.second))


def gradients_in_order(flat, network, gradients) -> list[torch.Tensor]:
    by_parameter = dict(zip(network.parameters(), gradients, strict=True))
    return [by_parameter[plain] for _, plain, _ in flat.places]


def test_networks_of_few_bits_see_a_copy_of_the_weights():
    network = small_network()
    flat = flat_of(network, torch.bfloat16)
    assert all(own.dtype == torch.bfloat16 for own in flat.own) and flat.weights.dtype == FLOAT
    flat.weights.mul_(2)
    flat.refresh()
    assert torch.equal(flat.seen, flat.weights.bfloat16())


def test_what_is_tried_is_forgotten():
    flat = flat_of(small_network())
    before = [v.clone() for v in (flat.weights, flat.first, flat.second, flat.steps)]
    with flat.kept():
        flat.at(0, 1e-2)
        flat.update([torch.ones_like(own) for own in flat.own])
        assert not torch.equal(flat.weights, before[0])
    after = flat.weights, flat.first, flat.second, flat.steps
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


class Exactly(Whole):
    """Stage umsn in 64 bits: what is rounding there stays rounding under Adam, which divides by its size."""

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        return super().forward(Batch(*(t.double() for t in batch)))


def exact_task(variant: str = "umsn") -> Exactly:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parser = FrozenParser(SNet(widths=(4, 8)).double())
        return Exactly(build(variant, width=16).double(), None, parser, None, short()).double()


def test_steps_of_umsn_are_those_of_the_plain_networks():
    """Three steps in 64 bits: losses, weights and moments."""
    source = Source.of(FACES, short(), seed=0)
    found = []
    for made in (PlainStep, LaidStep):
        task = exact_task()
        optimiser = torch.optim.Adam(task.parameters())
        step = made(task, optimiser, source, 2, FLOAT)
        terms = [step(source.draw(2, seeded(i)), i, 1e-3 * (i + 1)) for i in range(3)]
        found.append((terms, task.state_dict(), [optimiser.state[p]["exp_avg_sq"] for p in task.parameters()]))
    torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[1][2], found[0][2], rtol=1e-4, atol=1e-12)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """All stages up to UMSN, four steps each, plain and in the layout."""
    runs = {name: replace(run_in(tmp_path_factory.mktemp(name)), layout=name) for name in ("plain", "gpu")}
    said = []
    return runs, {name: train(run, FACES, say=said.append) for name, run in runs.items()}, said


def test_a_run_in_the_layout_is_the_plain_one_to_rounding(both):
    """Losses of every stage; weights follow rounding where a bias has no effect, since Adam takes full steps."""
    runs, histories, said = both
    assert list(histories["gpu"]) == list(UP_TO_UMSN)
    for stage in UP_TO_UMSN:
        plain, ours = (histories[name][stage] for name in ("plain", "gpu"))
        assert [row["step"] for row in ours] == [row["step"] for row in plain]
        for number, (row, expected) in enumerate(zip(ours, plain, strict=True)):
            names = row.keys() - {"step", "seconds"}
            far = 1e-3 if (stage, number) == (UP_TO_UMSN[0], 0) else 0.1  # all others follow what came before them
            assert {n: row[n] for n in names} == pytest.approx({n: expected[n] for n in names}, rel=far, abs=far / 20)
        first, second = (weights.load(runs[name].checkpoint(stage))[0] for name in ("plain", "gpu"))
        assert {n: t.shape for n, t in first.items()} == {n: t.shape for n, t in second.items()}
    assert sum("layout gpu, differs from plain: " in line for line in said) == len(UP_TO_UMSN)


def test_a_record_says_how_steps_were_computed(both):
    for name, run in both[0].items():
        said = read_json(run.checkpoint("umsn").with_suffix(".json"))["layout"]
        assert said["layout"] == name and said["ms an image"] > 0 and ("why" in said) == (name == "gpu")


def test_the_progress_line_says_how_steps_are_computed_and_how_fast():
    said = []
    line = ProgressLine("umsn", SHORT, 0, How("gpu", "differs from plain: Adam 0", 1512), said.append)
    line.began -= 1  # a second ago
    line(SHORT.iterations, 0.25)
    assert said[0] == "umsn: layout gpu, differs from plain: Adam 0"
    pattern = r"umsn: 4/4, loss 0.2500, .* steps/s, layout gpu, 1512 kernels a step, .* ms an image, 0.0 min left"
    assert re.fullmatch(pattern, said[1])
    assert line.how.facts()["ms an image"] == pytest.approx(1e3 / (SHORT.iterations * SHORT.batch), rel=0.2)


def test_a_run_that_is_cut_goes_on_to_the_same_bits_and_either_layout_goes_on_from_the_other(both, tmp_path):
    whole = both[0]["gpu"]
    cut = replace(whole, folder=tmp_path)
    for stage in UP_TO_UMSN[:-1]:
        shutil.copyfile(whole.checkpoint(stage), cut.checkpoint(stage))
    steps = 0
    while steps < 4:  # each call does a step, or none where its time is over before it begins
        train(cut, FACES, stages=["umsn"], minutes=1e-4, say=None)
        steps = weights.load(cut.checkpoint("umsn"))[1]["step"] if cut.checkpoint("umsn").exists() else 0
    first, second = (weights.load(run.checkpoint("umsn"))[0] for run in (whole, cut))
    assert all(torch.equal(first[name], second[name]) for name in first)
    cut.checkpoint("umsn").unlink()
    train(cut, FACES, stages=["umsn"], minutes=1e-4, say=None)
    train(replace(cut, layout="plain"), FACES, stages=["umsn"], say=None)
    assert weights.load(cut.checkpoint("umsn"))[1]["step"] == 4


def laid_step(**changes: object) -> tuple[LaidStep, nn.Module]:
    source, task = Source.of(FACES, short(), seed=0), Parsing(small_network(), blurry=True)
    return LaidStep(task, torch.optim.Adam(task.parameters()), source, 2, FLOAT, **changes), task


def test_the_check_finds_no_difference_and_leaves_no_trace():
    step, task = laid_step()
    before = copy.deepcopy(task.state_dict())
    found = check(step, task)
    assert found["loss"] < 1e-5 and found["gradients"] < 0.05 and found["Adam"] < 1e-3 and found["padding"] == 0
    assert all(torch.equal(before[name], tensor) for name, tensor in task.state_dict().items())


def test_a_step_as_a_compiler_sees_it_is_the_plain_one():
    """The whole loss in one graph, by a backend that needs no compiler."""
    source = Source.of(FACES, short(), seed=0)
    parser, network = FrozenParser(SNet(widths=(4,))), FirstStage(FNet(channels=(8, 4)))
    task = Stream(network, 2, parser, lambda image: image.diff(dim=-1), 0.5)
    whole = partial(torch.compile, backend="aot_eager", fullgraph=True)
    step = LaidStep(task, torch.optim.Adam(task.parameters()), source, 2, FLOAT, whole)
    assert check(step, task)["loss"] < 1e-5
    assert step.names == ("loss", "l1", "perceptual")


def wrong_loss(terms):
    return lambda batch: {name: 1.01 * term for name, term in terms(batch).items()}


def wrong_gradient(terms):
    """The right loss, through a detour that loses a part of its gradient."""
    return lambda batch: {"loss": (loss := terms(batch)["loss"]).detach() + 0.5 * (loss - loss.detach())}


@pytest.mark.parametrize(("compiler", "what"), [(wrong_loss, "loss"), (wrong_gradient, "gradients")])
def test_a_compiler_that_is_wrong_is_refused(compiler, what):
    step, task = laid_step(compiler=compiler)
    with pytest.raises(DifferenceError, match=rf"^{what} of a step differ .* allowed$"):
        check(step, task)


def test_a_wrong_adam_and_padding_that_moves_are_refused(monkeypatch):
    step, task = laid_step()
    monkeypatch.setattr(step.flat, "at", lambda number, rate: step.flat.factors.fill_(0.9e-3))
    with pytest.raises(DifferenceError, match=r"^Adam"):
        check(step, task)
    step, task = laid_step()
    update = step.flat.update
    padding = step.flat.padding()
    monkeypatch.setattr(step.flat, "update", lambda g: (update(g), step.flat.weights.masked_fill_(padding, 1)))
    with pytest.raises(DifferenceError, match=r"^padding"):
        check(step, task)


def test_what_cannot_be_had_is_said_or_refused(monkeypatch, tmp_path):
    """A network without a layout runs plain; so does, under "auto", what fails; "gpu" is refused in one line."""
    source, task = Source.of(FACES, short(), seed=0), Parsing(small_network(), blurry=True)
    monkeypatch.setattr(
        steps, "check", lambda *_: (_ for _ in ()).throw(DifferenceError("loss of a step differ\nmore"))
    )
    optimiser = torch.optim.Adam(task.parameters())
    with pytest.raises(InputError, match="layout gpu: loss of a step differ; "):
        stepping(task, optimiser, source, 2, FLOAT, layout="gpu")
    assert not optimiser.state
    monkeypatch.setitem(sys.modules, "umsn.training.layout.fused", None)
    with pytest.raises(InputError, match=r"layout gpu-triton: Triton is not installed; .* plain` was expected"):
        stepping(task, optimiser, source, 2, FLOAT, layout="gpu-triton")
    _, how = stepping(task, optimiser, source, 2, FLOAT, layout="auto")
    assert (how.layout, how.why) == ("plain", "")  # there is no GPU
    task.extra = nn.Linear(1, 1)
    said = []
    path = tmp_path / "other.safetensors"
    fit(task, source, SHORT, path, seed=0, layout="gpu", say=said.append)
    assert said[0] == "other: layout plain, Linear has no layout"
    assert read_json(path.with_suffix(".json"))["layout"]["why"] == "Linear has no layout"


def test_compiled_code_is_kept_where_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "elsewhere")
    keep_compiled(tmp_path)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "elsewhere"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    keep_compiled(tmp_path)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path)
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_compiled_and_recorded_step_is_the_plain_one():
    source = Source.of(FACES, short(), seed=0, device="cuda")
    parser = FrozenParser(small_network().cuda())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        task = Whole(build("umsn", width=16), ConfidenceNetwork(), parser, None, short()).cuda()
    step = LaidStep(task, torch.optim.Adam(task.parameters(), fused=True), source, 2, FLOAT)
    assert check(step, task)["Adam"] < 1e-3
