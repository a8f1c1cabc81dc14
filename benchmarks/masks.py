"""Score S-Nets on labelled faces, sharp and blurred (Table II), and keep the record.

    python benchmarks/masks.py --faces FOLDER --layout labelmap --window 28,16,128,128 --kernels 1 \\
        --json results/measured/masks-real.json [--parser NAME=CHECKPOINT ...]

The S-Net of the package is always scored; --parser adds one that `umsn train` left (parse-clean.safetensors, say).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from umsn import datasets, evaluation, source, weights
from umsn.evaluation.command import parse_window
from umsn.files import write_json
from umsn.parsing import SNet
from umsn.records import Timer, provenance


def parser_of(path: Path) -> SNet:
    """The S-Net of a parsing stage's checkpoint."""
    tensors, facts = weights.load(path)
    snet = SNet(widths=tuple(facts["recipe"]["parsing_widths"]))
    weights.into(snet, tensors, prefix="task.snet.", source=path)
    return snet.eval()


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--faces", type=Path, required=True)
    words.add_argument("--layout", default="labelmap")
    words.add_argument("--window", type=parse_window)
    words.add_argument("--kernels", type=int, default=1)
    words.add_argument("--json", type=Path, required=True)
    words.add_argument("--parser", action="append", default=[], metavar="NAME=CHECKPOINT")
    chosen = words.parse_args()
    named = dict(pair.split("=", 1) for pair in chosen.parser)
    parsers = {"S-Net of the package": weights.shipped().snet}
    parsers |= {name: parser_of(Path(path)) for name, path in named.items()}
    faces = datasets.load(chosen.faces, layout=chosen.layout)
    with Timer() as timer:
        rows = evaluation.evaluate_masks(parsers, faces, per_size=chosen.kernels, seed=0, window=chosen.window)
    pooled = evaluation.pooled_f_scores(rows)
    facts = {name: {k: v for k, v in weights.load(path)[1].items() if k != "history"} for name, path in named.items()}
    about = provenance(
        source=f"{len(faces)} faces ({chosen.layout})", data=source.fingerprint(faces), kernels_per_size=chosen.kernels,
        sigma=0.01, parsers=facts, seconds=round(timer.seconds, 1), peak_mib=timer.peak_mib,
    )  # fmt: skip
    write_json(chosen.json, {"provenance": about, "f_scores": pooled.round(4).to_dict("records")})
    print(pooled.round(3).to_string())


if __name__ == "__main__":
    main()
