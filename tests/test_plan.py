"""The plan of a training: what fits into the minutes, by a clock that the test turns."""

from dataclasses import replace

import pytest
import torch
from training import run_in, striped

from umsn.files import InputError, read_json, write_json
from umsn.networks import weights
from umsn.networks.parsing import SNet
from umsn.training import plan as planning
from umsn.training.batches import Source
from umsn.training.plan import RESERVE, Plan, fitted, planned, seconds_a_step, work_of
from umsn.training.stages import STAGES, Parsing, train
from umsn.training.steps import PlainStep, tried

WANTED = {"parse-clean": 2000, "stream-hair": 500, "umsn": 10_000}


class Clock:
    """Seconds that pass when the test says so."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_every_stage_gets_the_same_part_of_its_steps():
    seconds = {"parse-clean": 0.01, "stream-hair": 0.04, "umsn": 0.1}
    steps = fitted(WANTED, seconds, 104)  # of 1040 seconds
    assert steps == {"parse-clean": 200, "stream-hair": 50, "umsn": 1000}
    assert sum(steps[name] * seconds[name] for name in steps) <= 104
    assert fitted(WANTED, seconds, 1e9) == WANTED
    assert set(fitted(WANTED, seconds, -5).values()) == {1}


def spent(clock: Clock, plan: Plan, rates: dict[str, float], names: list[str]) -> None:
    """What training does with a plan, in no time."""
    for name in names:
        clock.seconds += plan.begin(name, rates[name]) * rates[name]


@pytest.mark.parametrize("surprise", [0.5, 1, 2])
def test_a_plan_keeps_to_its_minutes_though_later_stages_are_slower_than_guessed(tmp_path, surprise):
    clock, rates = Clock(), {"parse-clean": 0.01, "stream-hair": 0.04, "umsn": 0.1 * surprise}
    plan = Plan(tmp_path / "plan.json", 5, WANTED, {"parse-clean": 1, "stream-hair": 4, "umsn": 10}, clock)
    spent(clock, plan, rates, list(WANTED))
    assert 0.98 * (1 - RESERVE) * 300 < clock.seconds <= (1 - RESERVE) * 300
    parts = [plan.stages[name]["iterations"] / WANTED[name] for name in WANTED]
    assert parts[0] == pytest.approx(parts[1], rel=0.02)
    assert parts[2] == pytest.approx(parts[0] / surprise, rel=0.02)


def test_the_next_call_goes_on_with_the_plan_of_the_first(tmp_path):
    clock, path, rates = Clock(), tmp_path / "plan.json", dict.fromkeys(WANTED, 0.1)
    first = Plan(path, 5, WANTED, rates, clock)
    spent(clock, first, rates, ["parse-clean"])
    kept = read_json(path)["stages"]
    second = Plan(path, 10, WANTED, rates, clock)
    assert second.stages == kept == planned(path)
    began = clock.seconds
    spent(clock, second, rates, ["stream-hair", "umsn"])
    assert second.stages["parse-clean"] == kept["parse-clean"]
    assert clock.seconds - began == pytest.approx(600 * (1 - RESERVE), rel=0.01)


@pytest.mark.parametrize("content", [{"provenance": {}}, {"provenance": {}, "stages": {"umsn": {"iterations": 0}}}])
def test_a_file_that_is_no_plan_is_refused(tmp_path, content):
    path = tmp_path / "plan.json"
    write_json(path, content)
    with pytest.raises(InputError, match=r"plan\.json"):
        planned(path)
    path.write_text("mine")
    with pytest.raises(InputError, match="not written by this command"):
        planned(path)


def test_the_seconds_of_a_step_leave_out_the_first_ones():
    clock, numbers = Clock(), []

    def step(number: int) -> None:
        numbers.append(number)
        clock.seconds += 50 if number < planning.WARM else 0.25

    assert seconds_a_step(step, torch.device("cpu"), clock) == 0.25
    assert numbers == list(range(planning.WARM + 8))


def test_arithmetic_grows_with_the_network():
    source = Source.of(striped(), run_in("unused").recipe, seed=0)
    small, large = (work_of(Parsing(SNet(widths=widths), blurry=False), source) for widths in ((4, 4), (8, 8)))
    assert 3 < large / small < 5


def test_steps_that_are_tried_leave_weights_and_moments_alone():
    source = Source.of(striped(), run_in("unused").recipe, seed=0)
    task = Parsing(SNet(widths=(4, 8)), blurry=False)
    optimiser = torch.optim.Adam(task.parameters())
    step = PlainStep(task, optimiser, source, 2, torch.float32)
    drawn = source.draw(2, torch.Generator().manual_seed(0))
    for _ in range(2):  # with no moments yet, then with some
        before = {name: t.clone() for name, t in task.state_dict().items()}
        moments = {p: {n: t.clone() for n, t in parts.items()} for p, parts in optimiser.state.items()}
        with tried(task, optimiser):
            step(drawn, 0, 1e-2)
        assert all(torch.equal(before[name], t) for name, t in task.state_dict().items())
        assert optimiser.state.keys() == moments.keys()
        assert all(torch.equal(t, moments[p][n]) for p, parts in optimiser.state.items() for n, t in parts.items())
        step(drawn, 0, 1e-2)


class Hurried:
    """A clock by which a stage may begin, and is over after one step."""

    over, minutes_left = False, 1e-9

    def __init__(self, minutes: float | None) -> None:
        pass


@pytest.mark.parametrize("layout", ["plain", "gpu"])
def test_a_planned_training_is_the_one_of_that_length(tmp_path, monkeypatch, layout):
    """Timing leaves no trace, the plan is kept, an interrupted call goes on with it."""
    monkeypatch.setattr("umsn.training.loop.seconds_a_step", lambda step, device: (step(0), 30.0)[1])
    run = replace(run_in(tmp_path / "planned"), layout=layout)
    monkeypatch.setattr("umsn.training.stages.Clock", Hurried)
    monkeypatch.setattr("umsn.training.stages.work_of", lambda task, source: 1.0)
    names, budget = ["parse-clean", "parse-blurry"], 2.1 * 2 * 30 / 60 / (1 - RESERVE)  # half of their steps
    train(run, striped(), stages=names[:1], fit_into=budget / 2, minutes=1, say=None)
    assert weights.load(run.checkpoint("parse-clean"))[1]["step"] == 1
    train(run, striped(), stages=names[:1], fit_into=budget, minutes=1, say=None)
    assert weights.load(run.checkpoint("parse-clean"))[1]["step"] == 2
    assert planned(run.folder / "plan.json")["parse-clean"] == {"iterations": 2, "seconds a step": 30.0}
    schedule = replace(run.recipe.parse_clean, iterations=2)
    plain = replace(run_in(tmp_path / "short", parse_clean=schedule), layout=layout)
    monkeypatch.undo()
    train(plain, striped(), stages=names[:1], say=None)
    first, second = (weights.load(one.checkpoint("parse-clean"))[0] for one in (run, plain))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_all_stages_can_be_planned_before_any_has_run(tmp_path, monkeypatch):
    monkeypatch.setattr("umsn.training.loop.seconds_a_step", lambda step, device: 1e9)
    histories = train(run_in(tmp_path), striped(), stages=list(STAGES), fit_into=1e-3, minutes=1e-9, say=None)
    assert histories == {}
