"""The paper's training stages as data, and the one loop that runs them all (Sec. IV-A).

S-Net learns sharp faces, then blurred ones; four first-stage networks learn one class each; UMSN starts from their
F-Nets and learns the whole with L_total. Every batch follows from (seed, stage, step) alone: a run that was interrupted
goes on from its last checkpoint to the very weights that an uninterrupted run reaches.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from umsn import blur, weights
from umsn.confidence import ConfidenceNetwork
from umsn.deblurring import METHODS, FirstStage, FNet, Method, build
from umsn.faces import CLASSES, MIRRORED_LABEL, FaceSet, masks_of, relabel
from umsn.files import InputError
from umsn.losses import class_losses, confidence_loss, perceptual_loss, total_loss
from umsn.parsing import SNet
from umsn.recipes import Recipe, Schedule

Features = Callable[[Tensor], Tensor]


class Batch(NamedTuple):
    """What one step learns from."""

    sharp: Tensor  #: x, (B, 3, c, c) RGB in [0, 1]
    blurred: Tensor  #: y, (B, 3, c, c)
    masks: Tensor  #: m, (B, K, c, c) of the sharp faces


@dataclass(frozen=True)
class Source:
    """Endless blurred faces: labelled photographs and a stock of kernels, mixed anew for every step."""

    faces: FaceSet
    kernels: Tensor  #: (N, k, k)
    recipe: Recipe

    @classmethod
    def of(cls, faces: FaceSet, recipe: Recipe, *, seed: int, device: str | torch.device = "cpu") -> Source:
        """Draw the recipe's kernels, keep all on the device. Raises InputError for small or unlabelled faces."""
        side = min(faces.photos.shape[-2:])
        if side < recipe.crop:
            raise InputError(f"faces of {side} pixels: recipe {recipe.name!r} crops {recipe.crop}")
        if faces.labels is None:
            raise InputError("faces without labels: training needs the eleven classes of every pixel")
        sizes = torch.tensor(blur.SIZES).repeat(-(-recipe.kernels // len(blur.SIZES)))[: recipe.kernels]
        kernels = blur.kernels(sizes, torch.Generator().manual_seed(seed), pad_to=max(blur.SIZES))
        there = replace(faces, photos=faces.photos.to(device), labels=faces.labels.to(device))
        return cls(there, kernels.to(device), recipe)

    def batch(self, size: int, generator: torch.Generator, *, only: int | None = None) -> Batch:
        """``size`` blurred, noisy faces, shifted and perhaps mirrored; ``only`` blurs just that class (Fig. 8)."""
        pick = torch.randint(len(self.faces), (size,), generator=generator)
        shake = torch.randint(len(self.kernels), (size,), generator=generator)
        low, high = self.recipe.sigma
        sigma = low + (high - low) * torch.rand(size, generator=generator)
        photos = self.faces.photos[pick].float() / 255
        labels = self.faces.labels[pick]
        if torch.rand((), generator=generator) < 0.5:
            photos, labels = photos.flip(-1), relabel(labels.flip(-1), MIRRORED_LABEL)
        blurred = blur.blur(photos, self.kernels[shake])
        crop = self.recipe.crop
        row, column = (int(torch.randint(n - crop + 1, (), generator=generator)) for n in photos.shape[-2:])
        photos, blurred, labels = (t[..., row : row + crop, column : column + crop] for t in (photos, blurred, labels))
        masks = masks_of(labels)
        if only is not None:
            blurred = torch.lerp(photos, blurred, masks[:, only : only + 1])
        return Batch(photos, blur.add_noise(blurred, sigma, generator), masks)


class Parsing(nn.Module):
    """S-Net with cross entropy, on sharp faces or on blurred ones (Sec. IV-A.1)."""

    only: int | None = None

    def __init__(self, snet: SNet, *, blurry: bool) -> None:
        super().__init__()
        self.snet, self.blurry = snet, blurry

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.snet(batch.blurred if self.blurry else batch.sharp).float()
        return {"loss": F.cross_entropy(logits, batch.masks.argmax(1))}


class Stream(nn.Module):
    """One first-stage network, which deblurs the one class that is blurred: L1 and perceptual loss (Sec. IV-A.2a)."""

    def __init__(
        self, network: FirstStage, only: int, parse: Callable[[Tensor], Tensor], features: Features | None, lam1: float
    ):
        super().__init__()
        self.network, self.only, self.lam1 = network, only, lam1
        self.parse, self.features = parse, features

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            mask = self.parse(batch.blurred)[:, self.only : self.only + 1]
        restored = self.network(batch.blurred, mask).restored.float()
        l1 = (restored - batch.sharp).abs().mean()
        if self.features is None:
            return {"loss": l1}
        perceptual = perceptual_loss(restored, batch.sharp, self.features)
        return {"loss": total_loss(l1, perceptual, self.lam1), "l1": l1, "perceptual": perceptual}


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

    def loss(self, batch: Batch) -> dict[str, Tensor]:
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


Task = Parsing | Stream | Whole


def learning_rate(schedule: Schedule, step: int) -> float:
    """The rate at a step: constant, or a linear rise over the first 2% and then half a cosine down to zero."""
    if schedule.decay == "constant":
        return schedule.learning_rate
    rise = max(1, schedule.iterations // 50)
    if step < rise:
        return schedule.learning_rate * (step + 1) / rise
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, schedule.iterations - rise)))


def fast_type(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware computes with it, else float32."""
    able = torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if able else torch.float32


class Progress:
    """A line about the work now and then: where it is, how fast, how long to go."""

    def __init__(self, name: str, total: int, start: int, say: Callable[[str], None] | None, every: float = 10) -> None:
        self.name, self.total, self.start, self.say, self.every = name, total, start, say, every
        self.began = self.told = time.monotonic()

    def __call__(self, step: int, loss: float) -> None:
        now = time.monotonic()
        if self.say is None or (now - self.told < self.every and step < self.total):
            return
        self.told = now
        rate = (step - self.start) / max(now - self.began, 1e-9)
        left = (self.total - step) / max(rate, 1e-9)
        self.say(f"{self.name}: {step}/{self.total}, loss {loss:.4f}, {rate:.2f} steps/s, {left / 60:.1f} min left")


def fit(
    task: Task,
    source: Source,
    schedule: Schedule,
    checkpoint: Path,
    *,
    seed: int,
    facts: Mapping[str, Any] | None = None,
    minutes: float | None = None,
    save_every: float = 60,
    snapshots: Iterable[float] = (),
    precision: torch.dtype | None = None,
    say: Callable[[str], None] | None = print,
) -> list[dict[str, float]]:
    """Train for the schedule's iterations, or until ``minutes`` are over; go on from the checkpoint if there is one.

    The checkpoint (safetensors: weights, both moments of Adam, step, history, ``facts``) appears whole, every
    ``save_every`` seconds and at the end; copies are kept at the fractions ``snapshots``. Returns the history: one dict
    for every hundredth of the run, with step, seconds and the mean of each term. Raises InputError when the checkpoint
    is of another run, and FloatingPointError when the loss is no longer a number (the last checkpoint is from before).
    """
    facts = json.loads(json.dumps({**(facts or {}), "schedule": asdict(schedule), "seed": seed}))
    device = source.kernels.device
    task.to(device).train()
    optimiser = torch.optim.Adam([p for p in task.parameters() if p.requires_grad])
    step, spent, history, sums = _resume(task, optimiser, checkpoint, facts)
    precision = precision or fast_type(device)
    marks = {max(1, round(f * schedule.iterations)) for f in snapshots}
    stride = max(1, schedule.iterations // 100)
    progress = Progress(checkpoint.stem, schedule.iterations, step, say)
    began = saved = time.monotonic()

    def keep(path: Path) -> None:
        now = {"step": step, "seconds": round(spent + time.monotonic() - began, 2), "history": history, "sums": sums}
        _save(task, optimiser, path, {**facts, **now})

    while step < schedule.iterations:
        generator = torch.Generator().manual_seed(_seed_of(seed, checkpoint.stem, step))
        batch = source.batch(schedule.batch, generator, only=task.only)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(schedule, step)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            terms = task.loss(batch)
        if not torch.isfinite(terms["loss"]):
            raise FloatingPointError(f"{checkpoint.stem}: the loss is {float(terms['loss'])} at step {step}")
        terms["loss"].backward()
        optimiser.step()
        step += 1
        for name, term in terms.items():
            sums[name] = sums.get(name, 0.0) + float(term.detach())
        if step % stride == 0 or step == schedule.iterations:
            count = (step - 1) % stride + 1
            seconds = spent + time.monotonic() - began
            history.append({"step": step, "seconds": round(seconds, 2)} | {k: v / count for k, v in sums.items()})
            sums = {}
        progress(step, float(terms["loss"].detach()))
        if step in marks:
            keep(checkpoint.with_name(f"{checkpoint.stem}-{step:06d}{checkpoint.suffix}"))
        over = minutes is not None and time.monotonic() - began > 60 * minutes
        if over or step == schedule.iterations or time.monotonic() - saved > save_every:
            keep(checkpoint)
            saved = time.monotonic()
        if over:
            break
    return history


def _seed_of(seed: int, name: str, step: int) -> int:
    """A seed that no other step of no other stage shares."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name} {step}".encode()).digest()[:8]) >> 1


def _save(task: Task, optimiser: torch.optim.Adam, path: Path, facts: Mapping[str, Any]) -> None:
    moments = {
        f"adam.{index}.{name}": value
        for index, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }
    weights.save(path, {f"task.{n}": t for n, t in task.state_dict().items()} | moments, facts)


def _resume(
    task: Task, optimiser: torch.optim.Adam, path: Path, facts: Mapping[str, Any]
) -> tuple[int, float, list[dict[str, float]], dict[str, float]]:
    """Put the checkpoint, if there is one, into task and optimiser; its step, seconds, history and running sums."""
    if not path.exists():
        return 0, 0.0, [], {}
    tensors, found = weights.load(path)
    differ = [key for key in facts if found.get(key) != facts[key]]
    if differ:
        raise InputError(
            f"{path}: a checkpoint of another run ({', '.join(differ)} differ); continue that one or remove it"
        )
    weights.into(task, tensors, prefix="task.", source=path)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
    if state:
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return found["step"], found["seconds"], found["history"], found["sums"]


@dataclass(frozen=True)
class Run:
    """A folder in which the stages leave their checkpoints, and what they share."""

    folder: Path
    recipe: Recipe
    seed: int
    features: Features | None = None  #: of Eq. 5, a plain function; without it L_p is left out

    def checkpoint(self, stage: str) -> Path:
        """Where a stage keeps its weights."""
        return self.folder / f"{stage}.safetensors"

    def task(self, stage: str) -> Task:
        """What a stage trains, begun with what earlier stages learned. Raises InputError when they have not run."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_seed_of(self.seed, stage, -1))
            return STAGES[stage].make(self)

    def trained(self, stage: str, module: nn.Module, prefix: str) -> None:
        """Fill the module from an earlier stage's checkpoint."""
        path = self.checkpoint(stage)
        if not path.exists():
            raise InputError(f"{path}: no such file; run stage {stage!r} first")
        weights.into(module, weights.load(path)[0], prefix=f"task.{prefix}.", source=path)

    def snet(self, after: str | None = None) -> SNet:
        """S-Net as the stage ``after`` left it, or new."""
        snet = SNet(widths=self.recipe.parsing_widths)
        if after is not None:
            self.trained(after, snet, "snet")
        return snet

    def parse(self) -> Callable[[Tensor], Tensor]:
        """The fine-tuned S-Net, frozen: images (B, 3, H, W) -> masks (B, K, H, W)."""
        snet = self.snet("parse-blurry").eval().requires_grad_(False)
        return lambda image: snet.to(image.device).masks(image)


def _stream(run: Run, only: int) -> Stream:
    width, recipe = run.recipe.width, run.recipe
    fnet = FNet(channels=(width // 4,) * 4 + (width // 8,), expansion=recipe.expansion)
    return Stream(FirstStage(fnet, expansion=recipe.expansion), only, run.parse(), run.features, recipe.lam1)


def _whole(run: Run, method: Method, *, confident: bool) -> Whole:
    network = build(method, width=run.recipe.width, expansion=run.recipe.expansion)
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
    "umsn": Stage("whole", partial(_whole, method="umsn", confident=True)),
    "umsn-plain": Stage("whole", partial(_whole, method="umsn", confident=False)),
    **{m: Stage("whole", partial(_whole, method=m, confident=False)) for m in METHODS if m != "umsn"},
}

#: What `train` runs unless told otherwise: up to UMSN itself.
UP_TO_UMSN = tuple(STAGES)[:7]


def train(
    run: Run,
    faces: FaceSet,
    *,
    stages: Sequence[str] = UP_TO_UMSN,
    device: str | torch.device = "cpu",
    minutes: float | None = None,
    say: Callable[[str], None] | None = print,
) -> dict[str, list[dict[str, float]]]:
    """Run the stages one after the other, each from its checkpoint if it has one; their histories by name.

    ``minutes`` bounds the whole; what was not finished goes on at the next call. Raises InputError for a stage that
    does not exist or whose forerunners have not run.
    """
    unknown = [s for s in stages if s not in STAGES]
    if unknown:
        raise InputError(f"stage {unknown[0]!r}: expected one of {', '.join(STAGES)}")
    source = Source.of(faces, run.recipe, seed=run.seed, device=device)
    facts = {"recipe": asdict(run.recipe), "data": fingerprint(faces)}
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    histories = {}
    for name in stages:
        left = None if deadline is None else (deadline - time.monotonic()) / 60
        if left is not None and left <= 0:
            break
        schedule: Schedule = getattr(run.recipe, STAGES[name].schedule)
        snapshots = run.recipe.snapshots if name == "umsn" else ()
        histories[name] = fit(
            run.task(name), source, schedule, run.checkpoint(name),
            seed=run.seed, facts=facts, minutes=left, snapshots=snapshots, say=say,
        )  # fmt: skip
    return histories


def fingerprint(faces: FaceSet) -> str:
    """Twelve hexadecimal digits that change when any photograph or label does."""
    digest = hashlib.sha256(faces.photos.cpu().numpy().tobytes())
    if faces.labels is not None:
        digest.update(faces.labels.cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def export(run: Run, stage: str, path: Path, facts: Mapping[str, Any]) -> None:
    """Write the fine-tuned S-Net and a stage's network as one file of 16-bit weights, for `weights.pipeline`."""
    tensors, found = weights.load(run.checkpoint(stage))
    snet, _ = weights.load(run.checkpoint("parse-blurry"))
    kept = {
        n.replace("task.", "", 1): t
        for n, t in (snet | tensors).items()
        if n.startswith(("task.snet.", "task.network."))
    }
    recipe = run.recipe
    about = {
        "method": stage.split("-")[0], "stage": stage, "width": recipe.width, "expansion": recipe.expansion,
        "parsing_widths": recipe.parsing_widths, "iterations": found["step"], "seconds": found["seconds"],
        "seed": run.seed, "data": found["data"], "recipe": found["recipe"],
    }  # fmt: skip
    weights.save(path, kept, {**about, **facts}, half=True)
