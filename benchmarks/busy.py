"""What does a busy neighbour cost a training step? By how long OpenMP's waiting threads spin, in one run:

    python benchmarks/busy.py --json results/measured/busy.json

One forward and backward pass of UMSN (width 32, batch 4, crops of 96 pixels, two threads), idle and beside a process
that keeps one core busy, for several settings of the environment, each in a process of its own, by turns. `umsn` sets
the first of them before torch is imported, unless the environment says something else. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from umsn import SPIN
from umsn.files import write_json
from umsn.records import provenance

#: How to make the record again.
AGAIN = "run the command on an idle machine. Seconds are the machine's own; their order should come out alike"

SETTINGS = {
    f"as umsn sets it, {SPIN} turns": {"GOMP_SPINCOUNT": SPIN},
    "as OpenMP has it": {"GOMP_SPINCOUNT": ""},
    "no spinning": {"GOMP_SPINCOUNT": "0"},
    "100,000 turns": {"GOMP_SPINCOUNT": "100000"},
    "one thread": {"GOMP_SPINCOUNT": SPIN, "OMP_NUM_THREADS": "1"},
}

STEP = """
import os, time
if not os.environ.get("GOMP_SPINCOUNT"):
    os.environ.pop("GOMP_SPINCOUNT", None)
import torch
from umsn.networks.deblurring import build
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
network, times = build("umsn", width=32), []
blurred, masks = torch.rand(4, 3, 96, 96), torch.rand(4, 4, 96, 96)
for _ in range(6):
    start = time.perf_counter()
    network(blurred, masks).restored.mean().backward()
    times.append(time.perf_counter() - start)
print(sorted(times[1:])[2])
"""


def step(setting: dict[str, str]) -> float:
    """The median seconds of a step in a new process."""
    ran = subprocess.run(
        [sys.executable, "-c", STEP], env=os.environ | setting, capture_output=True, text=True, check=True
    )
    return float(ran.stdout)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--json", type=Path, required=True)
    words.add_argument("--turns", type=int, default=3)
    chosen = words.parse_args()
    found: dict[str, dict[str, list[float]]] = {name: {"idle": [], "busy": []} for name in SETTINGS}
    for how in ("idle", "busy"):
        beside = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if how == "busy" else None
        for _ in range(chosen.turns):
            for name, setting in SETTINGS.items():
                found[name][how].append(step(setting))
                print(how, name, round(found[name][how][-1], 2), flush=True)
        if beside is not None:
            beside.kill()
    rows = [
        {
            "setting": name,
            **{f"{how}, seconds (median)": round(statistics.median(times[how]), 2) for how in times},
            **{f"{how}, longest": round(max(times[how]), 2) for how in times},
        }
        for name, times in found.items()
    ]
    write_json(chosen.json, {"provenance": provenance(turns=chosen.turns, again=AGAIN), "rows": rows})


if __name__ == "__main__":
    main()
