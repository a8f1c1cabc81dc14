"""Weights and checkpoints with other facts and other tensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors.torch import save as to_bytes

from hostile.cases import FACE, Case, image, spoilt
from umsn.networks import weights
from umsn.networks.deblurring import build
from umsn.networks.parsing import SNet

FACTS = {"method": "umsn", "width": 16, "expansion": 1, "parsing_widths": [4, 8]}
STRANGE = (
    None,
    True,
    -1,
    0,
    0.5,
    3,
    1e300,
    10**6,
    10**18,
    "",
    "x",
    "²",
    "16",
    [],
    [[]],
    [0],
    [-4, 8],
    [10**9],
    [1.5],
    {},
    {"a": 1},
    "\0",
    "\ud800",
    [None] * 50,
)


def networks() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    found = {f"snet.{n}": t for n, t in SNet(widths=(4, 8)).state_dict().items()}
    return found | {f"network.{n}": t for n, t in build("umsn", width=16).state_dict().items()}


def trained() -> Iterator[Case]:
    """Weights whose facts or tensors will not do, or which are spoilt."""
    tensors = networks()
    last = "network.to_image.weight" if "network.to_image.weight" in tensors else list(tensors)[-1]

    def use(folder: Path, content: bytes, *words: str) -> list[str]:
        (folder / "w.safetensors").write_bytes(content)
        image(folder / "a.png", FACE)
        return [
            "deblur",
            str(folder / "a.png"),
            "-o",
            str(folder / "out"),
            "--whole",
            "--weights",
            str(folder / "w.safetensors"),
            *words,
        ]

    def saved(facts: object, changed: dict[str, torch.Tensor] | None = None) -> bytes:
        kept = {name: tensor.contiguous() for name, tensor in (tensors | (changed or {})).items()}
        return to_bytes(kept, metadata={"facts": facts if isinstance(facts, str) else json.dumps(facts)})

    yield "whole", lambda folder: use(folder, saved(FACTS))
    for field in FACTS:
        yield f"no {field}", lambda folder, f=field: use(folder, saved({k: v for k, v in FACTS.items() if k != f}))
        for value in STRANGE:
            yield f"{field} {value!r:.20}", lambda folder, f=field, v=value: use(folder, saved(FACTS | {f: v}))
    for facts in (
        "",
        "[",
        "[]",
        "null",
        "[" * 100_000,
        "{" + '"a":' * 3,
        '{"width":' + "9" * 5000 + "}",
        '{"a":1,"a":2}',
        "NaN",
    ):
        yield f"facts {facts[:12]}", lambda folder, f=facts: use(folder, saved(f))
    for value in (float("nan"), float("inf"), 1e30, -1e38):
        for name in (last, next(iter(tensors))):
            changed = {name: torch.full_like(tensors[name], value)}
            yield f"{name} {value}", lambda folder, c=changed: use(folder, saved(FACTS, c))
    for kind in (torch.complex64, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.bool):
        changed = {last: tensors[last].to(kind)}
        yield f"{last} {kind}", lambda folder, c=changed: use(folder, saved(FACTS, c))
    for shape in ((0,), (1,), (3, 3), (2**20,)):
        yield f"{last} {shape}", lambda folder, s=shape: use(folder, saved(FACTS, {last: torch.zeros(s)}))
    whole = saved(FACTS)
    for seed in range(40):
        yield f"spoilt {seed}", lambda folder, s=seed: use(folder, spoilt(whole, s))
        head = spoilt(whole[:3000], seed) + whole[3000:]
        yield f"spoilt head {seed}", lambda folder, h=head: use(folder, h)


def checkpoints(train: Callable[[Path], object], path: Path) -> Iterator[Case]:
    """A checkpoint of a training, with other facts or moments of Adam; ``train`` goes on from one in a folder."""
    whole = path.read_bytes()
    tensors, facts = weights.load(path)

    def go_on(folder: Path, content: bytes) -> Callable[[], object]:
        (folder / path.name).write_bytes(content)
        return lambda: train(folder)

    def saved(told: dict, kept: dict[str, torch.Tensor] | None = None) -> bytes:
        kept = {name: tensor.contiguous() for name, tensor in (kept or tensors).items()}
        return to_bytes(kept, metadata={"facts": json.dumps(told)})

    yield "whole", lambda folder: go_on(folder, whole)
    for field in ("step", "seconds", "history", "sums"):
        yield f"no {field}", lambda folder, f=field: go_on(folder, saved({k: v for k, v in facts.items() if k != f}))
        for value in STRANGE:
            yield f"{field} {value!r:.20}", lambda folder, f=field, v=value: go_on(folder, saved(facts | {f: v}))
    moment = next(name for name in tensors if name.endswith("exp_avg"))
    for name in (
        "adam.x.exp_avg",
        "adam.999.exp_avg",
        "adam.-1.exp_avg",
        "adam.0",
        "adam.",
        "adam.0.x",
        "adam.0.exp_avg.y",
        "adam.².step",
        "task.x",
    ):
        kept = tensors | {name: tensors[moment].clone()}
        yield f"and {name}", lambda folder, k=kept: go_on(folder, saved(facts, k))
    for value in (torch.zeros(3), torch.zeros_like(tensors[moment]).int(), torch.full_like(tensors[moment], torch.nan)):
        kept = tensors | {moment: value}
        yield f"{moment} {value.dtype}", lambda folder, k=kept: go_on(folder, saved(facts, k))
    kept = {name: tensor for name, tensor in tensors.items() if name != moment}
    yield f"without {moment}", lambda folder: go_on(folder, saved(facts, kept))
    for seed in range(20):
        yield f"spoilt {seed}", lambda folder, s=seed: go_on(folder, spoilt(whole, s))
