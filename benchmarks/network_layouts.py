"""Is the layout for a GPU faster here? A step of a stage, by layout, taken by turns in one run.

`python benchmarks/network_layouts.py --json layouts.json`: seconds a step of UMSN's stage, batch, masks and Adam
included, with the plain networks, with channels last in memory, and in the layout, and the operators that a step has
torch start; on a GPU (`--device cuda`) also in the layout with our own Triton kernels, and the kernels of a step. Every
step in the layout is compared with the plain networks first. `--compile` adds torch.compile on a CPU, which takes
minutes to begin with. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import torch
from speed import AGAIN, by_turns
from torch.utils._python_dispatch import TorchDispatchMode

from umsn.data import synthetic
from umsn.files import write_json
from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.deblurring import VARIANTS, build
from umsn.networks.parsing import FrozenParser, SNet
from umsn.recipes import recipe
from umsn.records import provenance
from umsn.training.batches import Source
from umsn.training.layout.check import check
from umsn.training.layout.step import LaidStep, inductor
from umsn.training.passes import counted, fast_type
from umsn.training.stages import Whole
from umsn.training.steps import PlainStep, Step

RATE = 1e-4


class Operators(TorchDispatchMode):
    """How many operators torch starts; those that only look at a tensor in another way do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        returns = [found.alias_info for found in operation._schema.returns]
        self.count += not any(alias is not None and not alias.is_write for alias in returns)
        return operation(*args, **(kwargs or {}))


def operators(action: Callable[[], object]) -> int:
    """The operators that an action starts."""
    with Operators() as counter:
        action()
    return counter.count


def steps(source: Source, variant: str, batch: int, compiled: bool) -> tuple[dict[str, Step], dict[str, object]]:
    """The ways to take a step, and how far those in the layout differ from the plain one, or why one is left out."""
    device, differ = source.kernels.device, {}
    on_gpu, precision = device.type == "cuda", fast_type(device)
    last = torch.channels_last
    ways = {"plain": partial(PlainStep), "plain, channels last": partial(PlainStep), "layout": partial(LaidStep)}
    if on_gpu:
        ways["layout, Triton"] = partial(LaidStep, triton=True)
    else:
        ways["layout, channels last"] = partial(LaidStep, memory_format=last)
    if compiled and not on_gpu:
        ways["layout, compiled"] = partial(LaidStep, compiler=inductor, memory_format=last)
    found = {}
    for name, way in ways.items():
        torch.manual_seed(0)
        parser = FrozenParser(SNet(widths=source.recipe.parsing_widths).to(device))
        confidence = ConfidenceNetwork() if variant == "umsn" else None
        task = Whole(build(variant, width=source.recipe.width), confidence, parser, None, source.recipe).to(device)
        if name == "plain, channels last":
            task.to(memory_format=last)
            parser.snet.to(memory_format=last)
        optimiser = torch.optim.Adam(task.parameters(), fused=on_gpu)
        try:
            step = way(task, optimiser, source, batch, precision)
            if isinstance(step, LaidStep):
                differ[name] = check(step, task)
        except RuntimeError as error:  # the others are measured all the same
            differ[name] = str(error)
            print(f"{name}: left out: {error}")
            continue
        found[name] = step
    return found, differ


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--json", type=Path, required=True)
    words.add_argument("--variant", default="umsn", choices=VARIANTS)
    words.add_argument("--recipe", default="cpu-2", help="gives widths and crop")
    words.add_argument("--batch", type=int, default=4)
    words.add_argument("--turns", type=int, default=5)
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--device", default="cpu")
    words.add_argument("--compile", action="store_true")
    chosen = words.parse_args()
    torch.set_num_threads(chosen.threads)
    faces = synthetic.faces(4, seed=0, margin=16)
    source = Source.of(faces, recipe(chosen.recipe), seed=0, device=chosen.device)
    ways, differ = steps(source, chosen.variant, chosen.batch, chosen.compile)
    numbers, random = count(), torch.Generator().manual_seed(0)
    actions = {
        n: partial(lambda way: way(source.draw(chosen.batch, random), next(numbers), RATE), w) for n, w in ways.items()
    }
    # a replayed graph starts none, and what is compiled starts what a compiler made
    eager = {} if source.kernels.device.type == "cuda" else {n: a for n, a in actions.items() if "compiled" not in n}
    started = {name: operators(action) for name, action in eager.items()}
    kernels = {name: counted(action, source.kernels.device)[1] for name, action in actions.items()}
    times = by_turns(actions, chosen.turns, least=0)
    rows = [
        {
            "how": name,
            "seconds a step": round(seconds, 4),
            "ms an image": round(1e3 * seconds / chosen.batch, 2),
            "times as fast as plain": round(times["plain"] / seconds, 2),
            "operators a step": started.get(name),
            "kernels a step": kernels[name],
        }
        for name, seconds in times.items()
    ]
    for row in rows:
        print(row)
    asked = {name: getattr(chosen, name) for name in ("variant", "recipe", "batch", "turns", "device")}
    write_json(chosen.json, {"provenance": provenance(**asked, again=AGAIN), "rows": rows, "differ": differ})


if __name__ == "__main__":
    main()
