"""How fast is it? Ratios of things timed in one run: `python benchmarks/speed.py --json results/measured/speed.json`.

Kernels, blurs, restored images and training steps, each beside what it is to be compared with. One thread, or those
of --threads. Run it on an idle machine: every number is the median of several turns, taken by turns.
`--compile inference` (and `training`) adds torch.compile, which takes minutes to begin with; `--device cuda` times the
training step there, as it is and replayed as `umsn train` does it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy.signal import convolve
from torch import nn

from umsn.data import blur, synthetic
from umsn.files import write_json
from umsn.networks.blocks import compile_blocks
from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.cost import macs
from umsn.networks.deblurring import build
from umsn.networks.onnx_export import Exported, Walk, export
from umsn.networks.parsing import SNet
from umsn.networks.weights import Pipeline, shipped
from umsn.pages import published
from umsn.recipes import recipe
from umsn.records import Timer, provenance
from umsn.training.batches import Source
from umsn.training.passes import Replay, fast_type, one_pass
from umsn.training.stages import Whole

#: How to make the record again.
AGAIN = "run the command on an idle machine. Times are the machine's own; ratios should come out alike"

Times = dict[str, float]  #: seconds by name


def by_turns(actions: Mapping[str, Callable[[], object]], turns: int, least: float = 0.2) -> Times:
    """The median seconds of each action. They take turns, so that a slow minute of the machine is everybody's."""
    repeats = {}
    for name, action in actions.items():
        action()  # what is prepared once is not timed
        start = time.perf_counter()
        action()
        _settle()
        repeats[name] = max(1, round(least / (time.perf_counter() - start)))
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(turns):
        for name, action in actions.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                action()
            _settle()
            taken[name].append((time.perf_counter() - start) / repeats[name])
    return {name: statistics.median(times) for name, times in taken.items()}


def _settle() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def kernels(turns: int) -> dict[str, float]:
    """Camera-shake kernels a second, drawn 500 at a time, sizes 13 to 27."""
    sizes = torch.tensor(blur.TEST_SIZES).repeat(500 // len(blur.TEST_SIZES) + 1)[:500]
    generator = torch.Generator().manual_seed(0)
    times = by_turns({"kernels": lambda: blur.kernels(sizes, generator)}, turns)
    return {"kernels per second": round(500 / times["kernels"])}


def blurs(turns: int) -> list[dict[str, float]]:
    """Images of 128 x 128 blurred a second: ours in batches of 16, and scipy.signal.convolve for each colour."""
    rows = []
    for size in (13, 21, 29):
        generator = torch.Generator().manual_seed(size)
        drawn = blur.kernels([size] * 16, generator)
        photos = torch.rand(16, 3, 128, 128, generator=generator)
        colours, kernel = photos[0].numpy().astype(np.float64), drawn[0].numpy().astype(np.float64)
        actions = {
            "umsn.data.blur": lambda photos=photos, drawn=drawn: blur.blur(photos, drawn),
            "scipy": lambda colours=colours, kernel=kernel: [convolve(c, kernel, mode="same") for c in colours],
        }
        times = by_turns(actions, turns)
        ours, theirs = 16 / times["umsn.data.blur"], 1 / times["scipy"]
        rows.append(
            {"size": size, "umsn.data.blur": round(ours), "scipy": round(theirs), "ratio": round(ours / theirs, 2)}
        )
    return rows


def inference(turns: int, folder: Path, compiled: bool) -> dict[str, object]:
    """Milliseconds an image of 128 x 128, S-Net and UMSN, by what computes them."""
    networks = shipped()
    own = macs(networks.snet)[""] + macs(networks.network)[""]
    snet, network = published.of_published_cost()
    large = Walk(Pipeline(snet.eval(), network.eval(), {}, "")).eval()
    cost = macs(snet)[""] + macs(network)[""]
    path = folder / "speed.onnx"
    export(networks, path)
    onnx, walk = Exported(path, threads=torch.get_num_threads()), Walk(networks).eval()
    path.unlink()
    picture, four = torch.rand(1, 3, 128, 128), torch.rand(4, 3, 128, 128)
    layer, plane = nn.Conv2d(64, 64, 3, padding=1), torch.rand(1, 64, 128, 128)

    def half() -> None:
        with torch.autocast("cpu", fast_type(torch.device("cpu"))):
            walk(picture)

    actions = {
        "eager": lambda: walk(picture),
        "eager, 4 together": lambda: walk(four),
        "eager, bfloat16": half,
        "ONNX Runtime": lambda: onnx(picture),
        "ONNX Runtime, 4 together": lambda: onnx(four),
        "of published cost, eager": lambda: large(picture),
        "one convolution": lambda: layer(plane),
    }
    if compiled:
        fast = torch.compile(walk)
        actions["compiled"] = lambda: fast(picture)
    with torch.inference_mode():
        times = by_turns(actions, turns)
        apart = float((onnx(picture)[0] - walk(picture)[0]).abs().max())
    rate = 64 * 64 * 9 * 128 * 128 / times.pop("one convolution")
    reference = times["of published cost, eager"]
    rows = []
    for name, seconds in times.items():
        each = seconds / (4 if "together" in name else 1)
        work = cost if "published" in name else own
        rows.append(
            {
                "what": name,
                "GMAC": round(work / 1e9, 2),
                "ms a picture": round(1e3 * each, 1),
                "times as fast as published cost": round(reference / each, 2),
                "part of the convolution rate": round(work / each / rate, 3),
            }
        )
    return {"rows": rows, "convolution rate, GMAC/s": round(rate / 1e9, 1), "ONNX differs by": apart}


def training(turns: int, device: str, compiled: bool) -> list[dict[str, object]]:
    """One step of UMSN's stage by precision, layout and how it runs: seconds, the data's part of them, memory."""
    faces, rows = synthetic.faces(16, seed=0, margin=16), []
    crop, batch = (128, 16) if device != "cpu" else (96, 4)
    chosen = recipe("gpu" if device != "cpu" else "cpu-2")
    source = Source.of(faces, chosen, seed=0, device=device)
    precisions = dict.fromkeys((fast_type(torch.device(device)), torch.float32))
    layouts = (torch.contiguous_format, torch.channels_last)
    ways = ["eager", *(["replayed"] if device != "cpu" else []), *(["compiled"] if compiled else [])]
    for precision, layout, how in product(precisions, layouts, ways):
        snet = SNet(widths=chosen.parsing_widths).to(device).eval().requires_grad_(False)
        task = Whole(build("umsn"), ConfidenceNetwork(), snet.masks, None, chosen).to(device)
        task.to(memory_format=layout)
        optimiser = torch.optim.Adam(task.parameters(), fused=device != "cpu")
        if how == "compiled":
            compile_blocks(task)
            compile_blocks(snet)
        generator = torch.Generator().manual_seed(0)
        learn = partial(one_pass, task, optimiser, precision)
        if device != "cpu" and how != "eager":
            learn = Replay(learn, source.batch(batch, generator))

        def step(learn=learn, optimiser=optimiser, generator=generator) -> None:
            learn(source.batch(batch, generator))
            optimiser.step()

        if device != "cpu":
            torch.cuda.reset_peak_memory_stats()
        with Timer() as timer:
            times = by_turns({"step": step, "data": lambda g=generator: source.batch(batch, g)}, turns, least=1)
        peak = torch.cuda.max_memory_allocated() / 2**20 if device != "cpu" else timer.peak_mib
        work = 3 * batch * (macs(task.network, size=crop)[""])
        rows.append(
            {
                "how": how,
                "layout": str(layout).removeprefix("torch."),
                "batch": batch,
                "crop": crop,
                "precision": str(precision).removeprefix("torch."),
                "ms a step": round(1e3 * times["step"], 1),
                "pictures per second": round(batch / times["step"], 2),
                "part of data": round(times["data"] / times["step"], 4),
                "GMAC/s": round(work / times["step"] / 1e9, 1),
                "peak MiB": round(peak or 0),
            }
        )
    return rows


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--json", type=Path, required=True)
    words.add_argument("--turns", type=int, default=9)
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--device", default="cpu", help="of the training step")
    words.add_argument("--compile", nargs="+", default=[], metavar="PART")
    words.add_argument("--only", nargs="+", default=["kernels", "blur", "inference", "training"])
    chosen = words.parse_args()
    torch.set_num_threads(chosen.threads)
    parts = {
        "kernels": lambda: kernels(chosen.turns),
        "blur": lambda: blurs(chosen.turns),
        "inference": lambda: inference(chosen.turns, chosen.json.parent, "inference" in chosen.compile),
        "training": lambda: training(chosen.turns, chosen.device, "training" in chosen.compile),
    }
    found = {}
    for name in chosen.only:
        print(name, flush=True)
        found[name] = parts[name]()
        print(found[name], flush=True)
    write_json(chosen.json, {"provenance": provenance(turns=chosen.turns, device=chosen.device, again=AGAIN), **found})


if __name__ == "__main__":
    main()
