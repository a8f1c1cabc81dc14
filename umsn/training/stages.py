"""The paper's training stages as data: what each one trains, from what, and with which loss (Sec. IV-A).

S-Net learns sharp faces, then blurred ones; four first-stage networks learn one class each; UMSN starts from their
F-Nets and learns the whole with L_total. `umsn.training.loop` is the loop that runs them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from umsn import places, processes
from umsn.data.datasets import MARGIN, WIDE, data_hash
from umsn.evaluation import metrics
from umsn.faces import CLASSES, FaceSet
from umsn.files import InputError
from umsn.networks import weights
from umsn.networks.blocks import compile_blocks
from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.deblurring import VARIANTS, FirstStage, FNet, Variant, build
from umsn.networks.losses import class_losses, confidence_loss, perceptual_loss, total_loss
from umsn.networks.parsing import FrozenParser, SNet
from umsn.recipes import Recipe, Schedule
from umsn.training.batches import Batch, Source, drawn_faces
from umsn.training.checkpoint import alone
from umsn.training.history import Clock
from umsn.training.layout.step import keep_compiled
from umsn.training.loop import fit, seed_of
from umsn.training.plan import Plan, work_of
from umsn.training.steps import Layout

Features = Callable[[Tensor], Tensor]

#: Pictures that a stage is validated on, and how many are restored together.
VALIDATED, VALIDATED_TOGETHER = 32, 4


class Parsing(nn.Module):
    """S-Net with cross entropy, on sharp faces or on blurred ones (Sec. IV-A.1)."""

    only: int | None = None

    def __init__(self, snet: SNet, *, blurry: bool) -> None:
        super().__init__()
        self.snet, self.blurry = snet, blurry

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.snet(batch.blurred if self.blurry else batch.sharp).float()
        return {"loss": F.cross_entropy(logits, batch.masks.argmax(1))}

    def measure(self, batch: Batch) -> dict[str, float]:
        """The F-score of each class, over all pixels of the batch."""
        predicted = self.snet(batch.blurred if self.blurry else batch.sharp).argmax(1)
        both, first, second = metrics.overlaps(predicted, batch.masks.argmax(1)).sum(0).double().unbind(-1)
        return {f"F {name}": float(2 * both[i] / (first[i] + second[i]).clamp_min(1)) for i, name in enumerate(CLASSES)}


class Stream(nn.Module):
    """One first-stage network, which deblurs the one class that is blurred: L1 and perceptual loss (Sec. IV-A.2a)."""

    def __init__(
        self, network: FirstStage, only: int, parse: Callable[[Tensor], Tensor], features: Features | None, lam1: float
    ):
        super().__init__()
        self.network, self.only, self.lam1 = network, only, lam1
        self.parse, self.features = parse, features

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            mask = self.parse(batch.blurred)[:, self.only : self.only + 1]
        restored = self.network(batch.blurred, mask).restored.float()
        l1 = (restored - batch.sharp).abs().mean()
        if self.features is None:
            return {"loss": l1}
        perceptual = perceptual_loss(restored, batch.sharp, self.features)
        return {"loss": total_loss(l1, perceptual, self.lam1), "l1": l1, "perceptual": perceptual}

    def measure(self, batch: Batch) -> dict[str, float]:
        """PSNR before and after."""
        mask = self.parse(batch.blurred)[:, self.only : self.only + 1]
        return _psnr(batch, self.network(batch.blurred, mask).restored)


class Whole(nn.Module):
    """A row of Table VI: with L_total (Eq. 6) or, without a confidence network, with Eq. 3 in the place of Eq. 4."""

    only: int | None = None

    def __init__(
        self,
        network: nn.Module,
        confidence: ConfidenceNetwork | None,
        parse: Callable[[Tensor], Tensor],
        features: Features | None,
        recipe: Recipe,
    ) -> None:
        super().__init__()
        self.network, self.confidence = network, confidence
        self.parse, self.features, self.recipe = parse, features, recipe

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            masks = self.parse(batch.blurred)
        restored = self.network(batch.blurred, masks).restored.float()
        by_class = class_losses(restored, batch.sharp, batch.masks)  # (B, K)
        terms = {"l1": by_class.sum(1).mean()}
        terms |= {f"L_{name}": by_class[:, i].mean() for i, name in enumerate(CLASSES)}
        loss = terms["l1"]
        if self.confidence is not None:
            confidence = self.confidence(restored, batch.sharp, batch.masks)  # (B, K)
            terms |= {f"C_{name}": confidence[:, i].mean() for i, name in enumerate(CLASSES)}
            loss = confidence_loss(by_class, confidence, self.recipe.lam)
        if self.features is not None:
            terms["perceptual"] = perceptual_loss(restored, batch.sharp, self.features)
            loss = total_loss(loss, terms["perceptual"], self.recipe.lam1)
        return {"loss": loss, **terms}

    def measure(self, batch: Batch) -> dict[str, float]:
        """PSNR before and after, and the confidence in each class."""
        restored = self.network(batch.blurred, self.parse(batch.blurred)).restored.float()
        found = _psnr(batch, restored)
        if self.confidence is not None:
            confidence = self.confidence(restored, batch.sharp, batch.masks).float().mean(0)
            found |= {f"C_{name}": value for name, value in zip(CLASSES, confidence.tolist(), strict=True)}
        return found


def _psnr(batch: Batch, restored: Tensor) -> dict[str, float]:
    pictures = {"psnr": restored.float().clamp(0, 1), "psnr blurred": batch.blurred}
    return {name: float(metrics.psnr(picture, batch.sharp).mean()) for name, picture in pictures.items()}


Task = Parsing | Stream | Whole


@dataclass(frozen=True)
class Run:
    """A folder in which the stages leave their checkpoints, and what they share."""

    folder: Path
    recipe: Recipe
    seed: int
    features: Features | None = None  #: of Eq. 5, a plain function; without it L_p is left out
    start: Path | None = None  #: exported weights to go on from, where this folder has no earlier stage's
    compiled: bool = False  #: whether torch compiles the ResBlocks first: slow to begin, then faster
    layout: Layout = "auto"  #: of the networks while they are trained, as for `steps.stepping`

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
        """What a stage had learned by the iterations at which its checkpoint was kept (Table VII), in their order."""
        found = {}
        for path in sorted(self.folder.glob(f"{stage}-[0-9]*.safetensors")):
            task = self.task(stage).eval().requires_grad_(False)
            weights.into(task, weights.load(path)[0], prefix="task.", source=path)
            found[int(path.stem.rpartition("-")[2])] = task
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
    return Whole(network, ConfidenceNetwork() if confident else None, run.parse(), run.features, run.recipe)


class Stage(NamedTuple):
    """One training of the paper."""

    schedule: str  #: the recipe's field that says how long
    make: Callable[[Run], Task]


#: In the order of Sec. IV-A, then the other rows of Table VI. "umsn-plain" is UMSN without L_c.
STAGES: dict[str, Stage] = {
    "parse-clean": Stage("parse_clean", lambda run: Parsing(run.snet(), blurry=False)),
    "parse-blurry": Stage("parse_blurry", lambda run: Parsing(run.snet("parse-clean"), blurry=True)),
    **{f"stream-{name}": Stage("stream", partial(_stream, only=i)) for i, name in enumerate(CLASSES)},
    "umsn": Stage("whole", partial(_whole, variant="umsn", confident=True)),
    "umsn-plain": Stage("whole", partial(_whole, variant="umsn", confident=False)),
    **{m: Stage("whole", partial(_whole, variant=m, confident=False)) for m in VARIANTS if m != "umsn"},
}

#: What `train` runs unless told otherwise: up to UMSN itself.
UP_TO_UMSN = tuple(STAGES)[:7]


def train(
    run: Run,
    faces: FaceSet,
    *,
    stages: Sequence[str] = UP_TO_UMSN,
    validation: FaceSet | None = None,
    device: str | torch.device = "cpu",
    minutes: float | None = None,
    fit_into: float | None = None,
    precision: torch.dtype | None = None,
    say: Callable[[str], None] | None = print,
) -> dict[str, list[dict[str, float]]]:
    """Run the stages one after the other, each from its checkpoint if it has one; their histories by name.

    run: the recipe, the seed, and the folder of the checkpoints
    faces: what is learned from
    stages: names of `STAGES`, in the order in which they run
    validation: faces that are not learned from, measured twenty times in each stage, blurred by kernels of another
        seed, in pieces of the recipe's crop
    device: where it is trained
    minutes: bound the whole; what was not finished goes on at the next call
    fit_into: minutes for which stages that have not begun are shortened, from their measured speed (`plan.Plan`)
    precision: of the convolutions, as for `fit`
    say: is told how far it is; None is silent

    Raises InputError for a stage that does not exist or whose forerunners have not run.
    """
    unknown = [s for s in stages if s not in STAGES]
    if unknown:
        raise InputError(f"stage {unknown[0]!r}: expected one of {', '.join(STAGES)}")
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
        schedule: Schedule = getattr(run.recipe, STAGES[name].schedule)
        if plan is not None and name in plan.stages:
            schedule = replace(schedule, iterations=plan.stages[name]["iterations"])
        snapshots = run.recipe.snapshots if name == "umsn" else ()
        with alone(run.checkpoint(name)):
            histories[name] = fit(
                run.task(name),
                source,
                schedule,
                run.checkpoint(name),
                seed=run.seed,
                facts=facts,
                minutes=clock.minutes_left,
                snapshots=snapshots,
                precision=precision,
                compiled=run.compiled,
                layout=run.layout,
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
    schedules = {name: getattr(run.recipe, STAGES[name].schedule) for name in stages}
    untrained = _Untrained(**{field.name: getattr(run, field.name) for field in fields(run)} | {"start": None})
    work = {name: s.batch * work_of(untrained.task(name), source) for name, s in schedules.items()}
    return Plan(run.folder / "plan.json", minutes, {name: s.iterations for name, s in schedules.items()}, work)


def _validate(task: Task, source: Source) -> dict[str, float]:
    """What the task measures on `VALIDATED` pictures, always the same ones."""
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
    recipe = run.recipe
    about = {
        "method": stage.split("-")[0],
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
        "perceptual": found.get("perceptual", False),
    }
    weights.save(path, kept, {**about, **facts}, half=True)
