"""The paper's training stages as data: what each one trains, from what, and with which loss (Sec. IV-A).

S-Net learns sharp faces, then blurred ones; four first-stage networks learn one class each; UMSN starts from their
F-Nets and learns the whole with L_total. Rivals of Table III are trained as UMSN is. `umsn.training.tasks` has what is
trained, `umsn.training.loop` is the loop that runs it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from umsn import places, processes
from umsn.data.datasets import MARGIN, WIDE, data_hash
from umsn.faces import CLASSES, FaceSet
from umsn.files import InputError
from umsn.networks import weights
from umsn.networks.blocks import compile_blocks
from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.deblurring import VARIANTS, FirstStage, FNet, Variant, build
from umsn.networks.parsing import FrozenParser, SNet
from umsn.networks.rivals import LEARNED
from umsn.recipes import PAPER, Recipe, Schedule
from umsn.training.batches import Source, drawn_faces
from umsn.training.checkpoint import AVERAGE, alone
from umsn.training.choices import THE_PAPERS, Choices
from umsn.training.history import Clock
from umsn.training.layout.step import keep_compiled
from umsn.training.loop import fit, seed_of
from umsn.training.plan import Plan, work_of
from umsn.training.steps import Layout
from umsn.training.tasks import Features, Parsing, Rival, Stream, Task, Whole

#: Images that a stage is validated on, and how many are restored together.
VALIDATED, VALIDATED_TOGETHER = 32, 4


@dataclass(frozen=True)
class Run:
    """A folder in which the stages leave their checkpoints, and what they share."""

    folder: Path
    recipe: Recipe
    seed: int
    features: Features | None = None  #: of Eq. 5, a plain function; without it L_p is left out
    start: Path | None = None  #: exported weights to go on from, where this folder has no earlier stage's
    compiled: bool = False  #: whether torch compiles the ResBlocks first: slow to begin, then faster
    backbone: Path | None = None  #: what a rival's backbone begins with, trained elsewhere (`check_backbone`)
    layout: Layout = "auto"  #: of the networks while they are trained, as for `steps.stepping`
    choices: Choices = THE_PAPERS  #: for the stages after the streams: what is done otherwise than in the paper

    def checkpoint(self, stage: str) -> Path:
        """Where a stage keeps its weights."""
        return self.folder / f"{stage}.safetensors"

    def task(self, stage: str) -> Task:
        """What a stage trains, begun with what earlier stages learned. Raises InputError when they have not run."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(self.seed, stage, -1))
            return STAGES[stage].make(self)

    def trained(self, stage: str, module: nn.Module, prefix: str) -> None:
        """Fill the module from an earlier stage's checkpoint, or from the weights to start from."""
        path = self.checkpoint(stage)
        if not path.exists() and self.start is not None:
            weights.into(module, weights.load(self.start)[0], prefix=f"{prefix}.", source=self.start)
            return
        if not path.exists():
            raise InputError(f"{path}: no such file; run stage {stage!r} first")
        weights.into(module, weights.load(path)[0], prefix=f"task.{prefix}.", source=path)

    def snet(self, after: str | None = None) -> SNet:
        """S-Net as the stage ``after`` left it, or new."""
        snet = SNet(widths=self.recipe.parsing_widths)
        if after is not None:
            self.trained(after, snet, "snet")
        return snet

    def snapshots(self, stage: str = "umsn") -> dict[int, Task]:
        """What a stage had learned by the iterations at which its checkpoint was kept (Table VII), in their order.

        The last is how far it has come, wherever that is.
        """
        found = {}
        for path in (*sorted(self.folder.glob(f"{stage}-[0-9]*.safetensors")), self.checkpoint(stage)):
            tensors, facts = weights.load(path)
            if facts["step"] not in found:
                task = self.task(stage).eval().requires_grad_(False)
                weights.into(task, tensors, prefix="task.", source=path)
                found[facts["step"]] = task
        return found

    def parse(self) -> FrozenParser:
        """The fine-tuned S-Net, frozen: images (B, 3, H, W) -> masks (B, K, H, W)."""
        snet = self.snet("parse-blurry")
        if self.compiled:
            compile_blocks(snet)
        return FrozenParser(snet)


def prepared(recipe: Recipe, seed: int, runs: str | os.PathLike[str] | None = None) -> tuple[Run, FaceSet]:
    """The run of a recipe, in RUNS/<recipe>-<seed>, and the synthetic faces it is trained on: drawn once, kept there.

    RUNS is ``runs`` at the top of the repository or, without one, here. Faces have pixels around them where the
    recipe's crop is as large as a face (Sec. IV-A.2 crops 128 x 128).
    """
    folder = Path(runs or places.home() / "runs") / f"{recipe.name}-{seed}"
    margin = MARGIN if recipe.crop + 2 * MARGIN > WIDE - 2 * MARGIN else 0
    faces = drawn_faces(recipe.faces, folder / f"faces-{recipe.faces}", seed=seed, margin=margin)
    return Run(folder, recipe, seed), faces


def _stream(run: Run, only: int) -> Stream:
    width, recipe = run.recipe.width, run.recipe
    fnet = FNet(channels=(width // 4,) * 4 + (width // 8,), expansion=recipe.expansion)
    return Stream(FirstStage(fnet, expansion=recipe.expansion), only, run.parse(), run.features, recipe.lam1)


def _whole(run: Run, variant: Variant, *, confident: bool) -> Whole:
    network = build(variant, width=run.recipe.width, expansion=run.recipe.expansion)
    if run.start is not None:
        weights.into(network, weights.load(run.start)[0], prefix="network.", source=run.start)
    else:
        for name, fnet in zip(CLASSES, network.streams, strict=False):
            run.trained(f"stream-{name}", fnet, "network.fnet")
    confidence = ConfidenceNetwork() if confident else None
    return Whole(network, confidence, run.parse(), run.features, run.recipe, run.choices.error)


def _rival(run: Run, name: str) -> Rival:
    """New, but for a backbone that a user has, and where the weights to start from are its own."""
    width, found = run.recipe.width, LEARNED[name]
    network = found.network(width)
    if run.backbone is not None and found.begin is not None:
        found.begin(network, run.backbone)
    if run.start is not None:
        tensors, facts = weights.load(run.start)
        if facts.get("method") == name:
            weights.into(network, tensors, prefix="network.", source=run.start)
    features = run.features if found.perceptual else None
    return Rival(network, found.objective(width), run.parse(), features, run.recipe.lam1)


class Stage(NamedTuple):
    """One training."""

    schedule: str  #: the recipe's field that says how long
    make: Callable[[Run], Task]
    method: str | None = None  #: what `weights` calls the network that is exported
    batches: str | None = None  #: the stage whose batches it sees; by default it has its own
    pace: float = 1  #: its learning rate, as a part of the schedule's

    def plan(self, recipe: Recipe) -> Schedule:
        """How long and how fast it is trained under a recipe."""
        plan: Schedule = getattr(recipe, self.schedule)
        return replace(plan, learning_rate=self.pace * plan.learning_rate)


def _row(method: Variant, *, confident: bool = False) -> Stage:
    """A row of Table VI."""
    return Stage("whole", partial(_whole, variant=method, confident=confident), method)


def _as_umsn(name: str) -> Stage:
    """A rival of Table III: UMSN's batches, and a rate that is to UMSN's as their published ones are."""
    pace = LEARNED[name].learning_rate / PAPER.whole.learning_rate
    return Stage("whole", partial(_rival, name=name), name, "umsn", pace)


#: In the order of Sec. IV-A, then the other rows of Table VI, then rivals of Table III. "umsn-plain" is UMSN without
#: L_c.
STAGES: dict[str, Stage] = {
    "parse-clean": Stage("parse_clean", lambda run: Parsing(run.snet(), blurry=False)),
    "parse-blurry": Stage("parse_blurry", lambda run: Parsing(run.snet("parse-clean"), blurry=True)),
    **{f"stream-{name}": Stage("stream", partial(_stream, only=i)) for i, name in enumerate(CLASSES)},
    "umsn": _row("umsn", confident=True),
    "umsn-plain": _row("umsn"),
    **{method: _row(method) for method in VARIANTS if method != "umsn"},
    **{name: _as_umsn(name) for name in LEARNED},
}

#: What `train` runs unless told otherwise: up to UMSN itself.
UP_TO_UMSN = tuple(STAGES)[:7]

#: All that the paper trains itself: with the other rows of Table VI, without rivals.
ALL = tuple(name for name in STAGES if name not in LEARNED)

#: Rivals whose backbone may begin with what somebody else trained.
BEGUN = tuple(name for name, found in LEARNED.items() if found.begin is not None)


def check_backbone(run: Run, stages: Sequence[str]) -> None:
    """Raises InputError where the run's backbone fits no stage of these, before anything is trained."""
    if run.backbone is None:
        return
    wanted = [name for name in stages if name in BEGUN]
    if not wanted:
        raise InputError(f"backbone {run.backbone}: no stage begins with one; expected stage {' or '.join(BEGUN)}")
    for name in wanted:
        LEARNED[name].begin(LEARNED[name].network(run.recipe.width), run.backbone)


def check_choices(run: Run, stages: Sequence[str]) -> None:
    """Raises InputError where the run's choices change none of these stages, or one that has a loss of its own."""
    if run.choices == THE_PAPERS:
        return
    if not (wanted := [name for name in stages if STAGES[name].schedule == "whole"]):
        told = "average, weight decay and error"
        raise InputError(f"{told} change no stage of {', '.join(stages)}; a row of Table VI or a rival was expected")
    if run.choices.error != "l1" and (own := [name for name in wanted if name in LEARNED]):
        raise InputError(f"stage {own[0]!r} has a loss of its own; error l1 was expected")
    if run.choices.error == "psnr" and "umsn" in wanted:
        raise InputError(
            "stage 'umsn' weighs errors of classes, and PSNR is one number; error l1 or charbonnier was expected"
        )


def train(
    run: Run,
    faces: FaceSet,
    *,
    stages: Sequence[str] = UP_TO_UMSN,
    validation: FaceSet | None = None,
    device: str | torch.device = "cpu",
    minutes: float | None = None,
    each: float | None = None,
    fit_into: float | None = None,
    precision: torch.dtype | None = None,
    say: Callable[[str], None] | None = print,
) -> dict[str, list[dict[str, float]]]:
    """Run the stages one after the other, each from its checkpoint if it has one; their histories by name.

    run: the recipe, the seed, and the folder of the checkpoints
    faces: what the networks are trained on
    stages: names of `STAGES`, in the order in which they run
    validation: faces that no stage is trained on, measured twenty times in each stage, blurred by kernels of another
        seed, in pieces of the recipe's crop
    device: where it is trained
    minutes: bound the whole; what was not finished goes on at the next call
    each: minutes that bound every stage; the next one begins from what it has reached
    fit_into: minutes for which stages that have not begun are shortened, from their measured speed (`plan.Plan`)
    precision: of the convolutions, as for `fit`
    say: is told how far it is; None is silent

    Raises InputError for a stage that does not exist or whose forerunners have not run, and for a backbone or choices
    that do not fit.
    """
    unknown = [s for s in stages if s not in STAGES]
    if unknown:
        raise InputError(f"stage {unknown[0]!r}: expected one of {', '.join(STAGES)}")
    check_backbone(run, stages)
    check_choices(run, stages)
    source = Source.of(faces, run.recipe, seed=run.seed, device=device)
    facts = {"recipe": asdict(run.recipe), "data": data_hash(faces), "perceptual": run.features is not None}
    if run.start is not None:
        facts["start"] = weights.digest(run.start)
    unseen = None
    if validation is not None:
        facts["validation"] = data_hash(validation)
        unseen = Source.of(validation, replace(run.recipe, kernels=VALIDATED), seed=run.seed + 1, device=device)
    clock, histories = Clock(minutes), {}
    if source.kernels.device.type == "cuda":
        keep_compiled(run.folder / "compiled")
    plan = None if fit_into is None else _plan(run, source, stages, fit_into)
    for name in stages:
        if minutes is not None and processes.anywhere(clock.over, device):
            break
        schedule = STAGES[name].plan(run.recipe)
        if plan is not None and name in plan.stages:
            schedule = replace(schedule, iterations=plan.stages[name]["iterations"])
        snapshots = run.recipe.snapshots if name == "umsn" else ()
        own = {"backbone": weights.digest(run.backbone)} if run.backbone is not None and name in BEGUN else {}
        with alone(run.checkpoint(name)):
            histories[name] = fit(
                run.task(name),
                source,
                schedule,
                run.checkpoint(name),
                seed=run.seed,
                batches=STAGES[name].batches,
                facts=facts | own,
                minutes=min((m for m in (clock.minutes_left, each) if m is not None), default=None),
                snapshots=snapshots,
                precision=precision,
                compiled=run.compiled,
                layout=run.layout,
                choices=run.choices if STAGES[name].schedule == "whole" else THE_PAPERS,
                plan=None if plan is None or name in plan.stages else partial(plan.begin, name),
                validate=None if unseen is None else partial(_validate, source=unseen),
                say=say,
            )
    return histories


class _Untrained(Run):
    """A run whose stages can be made before those that they begin from: to see what they will cost."""

    def trained(self, stage: str, module: nn.Module, prefix: str) -> None:
        pass


def _plan(run: Run, source: Source, stages: Sequence[str], minutes: float) -> Plan:
    """The plan of a run. Raises InputError among several processes, whose speeds differ."""
    if processes.count() > 1:
        raise InputError("a plan is made by one process; without it several can train together")
    schedules = {name: STAGES[name].plan(run.recipe) for name in stages}
    untrained = _Untrained(**{field.name: getattr(run, field.name) for field in fields(run)} | {"start": None})
    work = {name: s.batch * work_of(untrained.task(name), source) for name, s in schedules.items()}
    return Plan(run.folder / "plan.json", minutes, {name: s.iterations for name, s in schedules.items()}, work)


def _validate(task: Task, source: Source) -> dict[str, float]:
    """What the task measures on `VALIDATED` images, always the same ones."""
    found: dict[str, float] = {}
    generator = torch.Generator().manual_seed(0)
    for _ in range(0, VALIDATED, VALIDATED_TOGETHER):
        batch = source.batch(VALIDATED_TOGETHER, generator, only=task.only)
        for name, value in task.measure(batch).items():
            found[name] = found.get(name, 0.0) + value * VALIDATED_TOGETHER / VALIDATED
    return found


def export(run: Run, stage: str, path: Path, facts: Mapping[str, Any]) -> None:
    """Write the fine-tuned S-Net and a stage's network as one file of 16-bit weights, for `weights.pipeline`."""
    tensors, found = weights.load(run.checkpoint(stage))
    snet = SNet(widths=run.recipe.parsing_widths)
    run.trained("parse-blurry", snet, "snet")
    kept = {f"snet.{n}": t for n, t in snet.state_dict().items()}
    kept |= {n.removeprefix("task."): t for n, t in tensors.items() if n.startswith("task.network.")}
    averaged = {n.removeprefix(AVERAGE): t for n, t in tensors.items() if n.startswith(f"{AVERAGE}network.")}
    kept |= averaged  # what was measured on the way
    recipe, method = run.recipe, STAGES[stage].method
    perceptual = found.get("perceptual", False) and (method not in LEARNED or LEARNED[method].perceptual)
    about = {
        "method": method,
        "stage": stage,
        "width": recipe.width,
        "expansion": recipe.expansion,
        "parsing_widths": recipe.parsing_widths,
        "iterations": found["step"],
        "seconds": found["seconds"],
        "seed": run.seed,
        "data": found["data"],
        "recipe": found["recipe"],
        "start": found.get("start"),
        "perceptual": perceptual,
        "backbone": found.get("backbone"),
        "choices": found.get("choices"),
    }
    weights.save(path, kept, {**about, **facts}, half=True)
