"""Which of the paper's claims hold here: each is judged from the records, by one rule that the page of results tells.

An effect is a mean with a 95% interval. A claim is *reproduced* when the intervals of all its effects lie above 0 and
nothing in its test is less than the paper's; *partly* when they do and something is, or when only some of them do;
*not* when none does; *not yet* where nothing is recorded that could decide it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from umsn import evaluation, recipes
from umsn.evaluation.intervals import signed
from umsn.evaluation.methods import TITLES
from umsn.experiments.evaluate import from_record
from umsn.faces import CLASSES
from umsn.records import folder_of, measured, reported

Effect = tuple[float, float, float]  #: mean, low, high
STATES = ("reproduced", "partly", "not", "not yet")


class Finding(NamedTuple):
    """What the records say of one claim."""

    state: str  #: of `STATES`
    why: str
    records: tuple[str, ...] = ()


def judge(effects: Mapping[str, Effect], less: str, records: Sequence[str], unit: str = "dB") -> Finding:
    """The rule. ``less`` says what in the test is less than the paper's; an empty text where nothing is."""
    above = [name for name, (_, low, _) in effects.items() if low > 0]
    state = "not" if not above else "reproduced" if len(above) == len(effects) and not less else "partly"
    digits = {"dB": 2, "points": 1}.get(unit, 3)
    words = []
    for name, effect in effects.items():
        mean, low, high = (signed(value, digits) for value in effect)
        words.append(f"{name} {mean}{unit and f' {unit}'} ({low} to {high})")
    return Finding(state, "; ".join([*words, *([less] if less else [])]), tuple(records))


def nearer(folder: Path) -> Finding:
    """Table III: restored against blurred."""
    names = ("evaluate-protocol-real",)
    rows = _rows(folder, names)
    reached = rows[rows["method"] == "umsn"]["psnr"].mean()
    paper = reported("table3").query("method == 'UMSN' and dataset == 'CelebA' and metric == 'PSNR'")["value"].item()
    less = f"UMSN reaches {reached:.2f} dB, the paper's {paper} on CelebA; other photographs, and a shorter training"
    return judge({"PSNR": _gain(rows, "blurred", "umsn")}, less, names)


def classes(folder: Path) -> Finding:
    """Table I: restored against blurred, class by class."""
    names = ("evaluate-protocol-real",)
    rows = _rows(folder, names)
    gains = {name: _gain(rows, "blurred", "umsn", f"psnr_{name}") for name in CLASSES}
    return judge(gains, "against the blurred picture only: Shen et al. does not run here", names)


def rivals(folder: Path) -> Finding:
    """Table III: UMSN against other people's methods, on the same pictures, kernels centred as these methods do."""
    names = ("evaluate-rivals-centred-real", "evaluate-centred-real")
    if not (folder / f"{names[0]}.json").exists():
        return Finding("not yet", "no record of another method")
    rows = _rows(folder, names)
    others = [name for name in rows["method"].unique() if name not in ("umsn", "blurred")]
    effects = {f"PSNR over {TITLES[name]}": _gain(rows, name, "umsn") for name in others}
    own = " and ".join(signed(_gain(rows, "blurred", name)[0]) for name in others)
    less = f"{len(others)} of the paper's ten, in our own code, which gain {own} dB themselves; kernels centred by mass"
    return judge(effects, less, names)


def fine_tuning(folder: Path) -> Finding:
    """Table II: S-Net on blurry pictures, before and after; the intervals' worst cases are subtracted."""
    name = "masks-real"
    found = pd.DataFrame(measured(name, folder)["f_scores"]).query("input == 'blurry'")
    before, after = (
        found[found["method"] == m].set_index("class") for m in ("before fine-tuning", "S-Net of the package")
    )
    gap = after[["mean", "low", "high"]] - before[["mean", "high", "low"]].to_numpy()
    effects = {c: tuple(gap.loc[c]) for c in CLASSES}
    return judge(effects, "the second stage is more training as well as blur", [name], "in F")


def equal_size(folder: Path) -> Finding:
    """Table VI: the last row against the first."""
    names = ("evaluate-gpu-bnet-real", "evaluate-umsn-real", "training")
    gain = _gain(_rows(folder, names[:2]), "bnet", "umsn")
    return judge({"PSNR over B-Net": gain}, f"one seed; {_share(folder)}", names)


def over_seeds(folder: Path) -> Finding:
    """Table VI: the same over seeds, after a short training."""
    return _by_seed(folder, "over B-Net, dB", {"umsn": "PSNR over B-Net"})


def each_part(folder: Path) -> Finding:
    """Table VI: each row against the one before it, over seeds."""
    parts = {"maps": "maps", "nrl": "nested residuals", "umsn-plain": "streams", "umsn": "confidences"}
    found = _by_seed(folder, "over the row before, dB", parts)
    return found if found.state == "not yet" else found._replace(why=f"PSNR over the row before: {found.why}")


def _by_seed(folder: Path, table: str, said: Mapping[str, str]) -> Finding:
    if not (folder / "seeds.json").exists():
        return Finding("not yet", "no record of several seeds")
    record = measured("seeds", folder)
    effects = {said[row["method"]]: _effect(row) for row in record[table] if row["method"] in said}
    made = record["provenance"]
    schedule = recipes.recipe(made["recipe"]).whole
    less = f"{len(made['seeds'])} seeds; {_part(schedule.iterations, schedule.batch)}"
    return judge(effects, less, ["seeds"])


def confidence_grows(folder: Path) -> Finding:
    """Table VII: confidences at the end of the training less those after its first 3%."""
    return _sure(folder, "grown", "at the end less at 3% of the training", "drawn faces")


def confidence_falls(folder: Path) -> Finding:
    """Table VIII: confidences under a kernel of 17 pixels less those under one of 27."""
    return _sure(folder, "lower", "17 pixels less 27", "drawn faces, one kernel of each size")


def _sure(folder: Path, table: str, said: str, less: str) -> Finding:
    if not (folder / "confidences.json").exists():
        return Finding("not yet", "no record; the page compares two drawn faces while it is made")
    record = measured("confidences", folder)
    effects = {row["measure"].removeprefix("C_"): _effect(row) for row in record[table]}
    whole = recipes.recipe(record["provenance"]["recipe"]).whole
    found = judge(effects, f"{less}; {_part(whole.iterations, whole.batch)}", ["confidences"], "")
    return found._replace(why=f"C, {said}: {found.why}")


def nearer_features(folder: Path) -> Finding:
    """Table IV: how much nearer a restored face is to the sharp one than the blurred, in the stand-in."""
    return _recognised(folder, "nearer")


def recognised(folder: Path) -> Finding:
    """Table V: restored probes against blurred ones, in points of Top-1, 3 and 5."""
    return _recognised(folder, "gain", "points")


def _recognised(folder: Path, table: str, unit: str = "") -> Finding:
    if not (folder / "recognition.json").exists():
        return Finding("not yet", "no record; the page uses a stand-in and drawn people while it is made")
    record = measured("recognition", folder)
    effects = {row["measure"]: _effect(row) for row in record[table]}
    less = f"a stand-in, our descriptor, judges drawn people, {len(record['provenance']['asked']['sizes'])} kernels"
    return judge(effects, less, ["recognition"], unit)


def conditions(folder: Path) -> Finding:
    """Fig. 17, 18: how much less is gained behind a hand, with sunglasses and in low light."""
    if not (folder / "conditions.json").exists():
        return Finding("not yet", "no record; the page measures drawn faces while it is made")
    lost = measured("conditions", folder)["lost"]
    effects = {row["method"]: _effect(row) for row in lost}
    found = judge(effects, "drawn faces; PSNR, not the eye, is the judge", ["conditions"])
    return found._replace(why=f"what is lost of the gain: {found.why}")


def _equal(folder: Path) -> Mapping[str, Any]:
    """UMSN's stage of the training that made the package's weights; B-Net was trained as long."""
    stages = measured("training", folder)["stages"]
    return next(stage for name, stage in stages.items() if name.startswith("umsn, "))


def _share(folder: Path) -> str:
    """How much shorter than the paper's that training is."""
    return _part(*(_equal(folder)[name] for name in ("iterations", "batch")))


def _part(iterations: int, batch: int) -> str:
    paper = recipes.PAPER.whole
    share = iterations * batch / (paper.iterations * paper.batch)
    return f"{iterations:,} steps, {share:.1%} of the pictures that the paper's UMSN saw"


def _rows(folder: Path, names: Sequence[str]) -> pd.DataFrame:
    found = [from_record(measured(name, folder)) for name in names]
    return pd.concat(found, ignore_index=True)


def _gain(rows: pd.DataFrame, over: str, method: str, measure: str = "psnr") -> Effect:
    gains = evaluation.gains(rows, over=over)
    found = evaluation.summarise(gains[gains["method"] == method], measures=[measure]).iloc[0]
    return float(found["mean"]), float(found["low"]), float(found["high"])


def _effect(row: Mapping[str, float]) -> Effect:
    return row["mean"], row["low"], row["high"]


#: The paper's claims in its order: what it says, the chapter, what decides.
CLAIMS: tuple[tuple[str, str, Callable[[Path], Finding]], ...] = (
    ("UMSN brings a face nearer to the truth (Table III)", "08_results", nearer),
    ("It does so in each class (Table I)", "08_results", classes),
    ("It does better than other methods (Table III)", "08_results", rivals),
    ("S-Net gains from blurred faces (Table II)", "03_parsing", fine_tuning),
    ("UMSN does better than B-Net of the same size (Table VI)", "09_ablation", equal_size),
    ("The same, whatever the seed (Table VI)", "09_ablation", over_seeds),
    ("Maps, nested residuals, streams and confidences each help (Table VI)", "09_ablation", each_part),
    ("Confidences grow as the network learns (Table VII)", "06_confidence", confidence_grows),
    ("Confidences are lower for a larger kernel (Table VIII)", "06_confidence", confidence_falls),
    ("Features come nearer to the sharp face's (Table IV)", "10_recognition", nearer_features),
    ("More people are recognised (Table V)", "10_recognition", recognised),
    ("Occlusion and low light defeat it (Fig. 17, 18)", "11_limits", conditions),
)  # fmt: skip


def judged(folder: str | PathLike[str] | None = None) -> pd.DataFrame:
    """All `CLAIMS`, judged from the records of a folder: columns claim, chapter, state, why, records."""
    rows = [(said, chapter, *decide(folder_of(folder))) for said, chapter, decide in CLAIMS]
    return pd.DataFrame(rows, columns=["claim", "chapter", "state", "why", "records"])
