"""Tables II, VI, VII, VIII: S-Net, the rows of the ablation, and the confidences."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from umsn import recipes
from umsn.evaluation.methods import TITLES
from umsn.experiments.claims import evidence
from umsn.experiments.claims.judging import NOT_YET, NOTHING, Effect, Finding, judge
from umsn.experiments.masks import OWN
from umsn.experiments.seeds import ROWS
from umsn.faces import CLASSES
from umsn.networks import deblurring
from umsn.records import measured

CLEAN, TUNED = "S-Net, trained on clean images", "S-Net, fine-tuned with blurry images"  #: rows of Table II
BEFORE = "before fine-tuning"  #: S-Net of the package after its first stage, in the record "masks-real"

#: How far two numbers of parameters may differ and still be called the same, in percent.
SAME = 1.0

#: What each row of Table VI has that the one before lacks.
ADDED = {"maps": "maps", "nrl": "nested residuals", "umsn-plain": "streams", "umsn": "confidences"}

FIRST, HALF, LAST = 3_000, 50_000, 100_000  #: iterations of Table VII


def blur_hurts(folder: Path) -> Finding:
    """Table II: S-Net trained on sharp faces alone, on sharp images and on blurred ones."""
    return _masks(folder, (BEFORE, "clean"), (BEFORE, "blurry"), (CLEAN, "clean"), (CLEAN, "blurry"))


def fine_tuning(folder: Path) -> Finding:
    """Table II: S-Net on blurred images, after and before its second stage."""
    return _masks(folder, (OWN, "blurry"), (BEFORE, "blurry"), (TUNED, "blurry"), (CLEAN, "blurry"))


def _masks(folder: Path, more: tuple[str, str], less: tuple[str, str], *paper: tuple[str, str]) -> Finding:
    """F-scores of one (parser, image) less those of another, class by class."""
    name = "masks-real"
    if not evidence.there(folder, name):
        return NOT_YET
    record, effects = measured(name, folder), []
    found = {(row["method"], row["input"], row["class"]): row for row in record["f_scores"]}
    for c in CLASSES:
        sides = ({"method": method, "image": image, "class": c} for method, image in paper)
        effects.append(
            evidence.apart(found[*more, c], found[*less, c], f"F {c}", "F", evidence.printed("table2", *sides))
        )
    made = record["provenance"]
    kernels = 8 * made.get("kernels_per_size", 1)
    return judge(effects, [name], rests=evidence.about(made, faces=record["f_scores"][0]["faces"], kernels=kernels))


def parameters(folder: Path) -> Finding:
    """Sec. IV-C: the networks that are compared have as many parameters as each other, by counting."""
    sizes = {row: deblurring.parameters(deblurring.build(row)) for row in deblurring.VARIANTS}
    off = max(abs(100 * (size / sizes["umsn"] - 1)) for size in sizes.values())
    effect = Effect("largest difference of a row's parameters from UMSN's", off, off, off, "%", NOTHING)
    return Finding("reproduced" if off < SAME else "contradicted", (effect,), rests={"parameters": sizes["umsn"]})


def equal_size(folder: Path) -> Finding:
    """Table VI: the last row against the first, on photographs, each trained once."""
    names = ("evaluate-long-bnet-real", "evaluate-umsn-real")
    if not evidence.there(folder, *names):
        return NOT_YET
    paper = _table6("bnet", "umsn")
    effect = evidence.gain(evidence.rows(folder, names), "bnet", "PSNR over B-Net", paper=paper)
    rests = evidence.about(measured(names[1], folder)["provenance"], seeds=1, **evidence.training(folder))
    return judge([effect], names, rests=rests)


def over_seeds(folder: Path) -> Finding:
    """Table VI: the same over seeds, after a short training."""
    return _seeds(folder, "over B-Net, dB", {"umsn": "PSNR over B-Net"}, {"umsn": "bnet"})


def each_part(folder: Path) -> Finding:
    """Table VI: each row against the one before it, over seeds."""
    said = {row: f"PSNR by {part}" for row, part in ADDED.items()}
    return _seeds(folder, "over the row before, dB", said, {row: before for before, row in pairwise(ROWS)})


def _seeds(folder: Path, table: str, said: Mapping[str, str], over: Mapping[str, str]) -> Finding:
    if not evidence.there(folder, "seeds"):
        return NOT_YET
    record = measured("seeds", folder)
    kept = [row for row in record[table] if row["method"] in said]
    effects = [
        evidence.stated(row, said[row["method"]], paper=_table6(over[row["method"]], row["method"])) for row in kept
    ]
    made = record["provenance"]
    whole = recipes.recipe(made["recipe"]).whole
    facts = {"faces": made["asked"]["test"], "seeds": len(made["seeds"])}
    facts |= evidence.length(whole.iterations * whole.batch)
    return judge(effects, ["seeds"], rests=evidence.about(made, **facts))


def _table6(before: str, row: str) -> tuple[float, ...]:
    """What the paper's row adds to another of its rows, in dB."""
    return evidence.printed("table6", *({"method": TITLES[name], "metric": "PSNR"} for name in (row, before)))


def confidence_grows(folder: Path) -> Finding:
    """Table VII: confidences at the end of the training less those after its first 3%."""
    return _confidences(folder, "grown", {"iteration": LAST}, {"iteration": FIRST}, "table7")


def confidence_falls(folder: Path) -> Finding:
    """Table VIII: confidences under a kernel of 17 pixels less those under one of 27."""
    return _confidences(folder, "lower", {"kernel": 17}, {"kernel": 27}, "table8")


def _confidences(folder: Path, table: str, more: Mapping[str, Any], less: Mapping[str, Any], paper: str) -> Finding:
    if not evidence.there(folder, "confidences"):
        return NOT_YET
    effects = []
    for row in measured("confidences", folder)[table]:
        name = row["measure"].removeprefix("C_")
        theirs = evidence.printed(paper, {**more, "class": name}, {**less, "class": name})
        effects.append(evidence.stated(row, f"C {name}", "C", theirs))
    return _judged_confidences(folder, effects, kernels=None if table == "grown" else 2)


def parts_lag(folder: Path) -> Finding:
    """Appendix B: half way, what the other classes' confidences have over that of the parts."""
    if not evidence.there(folder, "confidences"):
        return NOT_YET
    training = pd.DataFrame(measured("confidences", folder)["training"])
    half = training[training["step"] == sorted(training["step"].unique())[1]].set_index("measure")
    effects = []
    for name in (c for c in CLASSES if c != "parts"):
        theirs = evidence.printed("table7", *({"iteration": HALF, "class": c} for c in (name, "parts")))
        effects.append(evidence.apart(half.loc[f"C_{name}"], half.loc["C_parts"], f"C {name} less parts", "C", theirs))
    return _judged_confidences(folder, effects)


def _judged_confidences(folder: Path, effects: list[Effect], kernels: int | None = None) -> Finding:
    """``kernels``: how many of the record's are compared, None for all."""
    made = measured("confidences", folder)["provenance"]
    whole = recipes.recipe(made["recipe"]).whole
    facts = {"faces": made["asked"]["people"], "kernels": kernels or len(made["asked"]["sizes"])}
    facts |= evidence.length(whole.iterations * whole.batch)
    return judge(effects, ["confidences"], rests=evidence.about(made, **facts))
