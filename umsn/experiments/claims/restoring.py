"""Tables I and III, PubFig, the limits: is a restored image nearer to the sharp one, and than whose?"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from umsn.evaluation.methods import TITLES
from umsn.experiments.claims import evidence
from umsn.experiments.claims.judging import NOT_YET, Effect, Finding, Less, judge
from umsn.faces import CLASSES
from umsn.records import measured, reported

#: UMSN and other people's methods on the same images, every kernel's mass in the middle, where these methods put it.
CENTRED = ("evaluate-rivals-centred-real", "evaluate-centred-real")
#: Rivals on a part of the same images.
MORE = ("evaluate-all-centred-real",)

#: Shen et al. are the rival of Table I, Song et al. that of PubFig; trained for minutes, as here, they decide nothing.
SHEN, SONG = "shen", "song"


def nearer(folder: Path) -> Finding:
    """Restored against blurred, as a whole and class by class; the paper prints nothing to compare with."""
    name = "evaluate-protocol-real"
    if not evidence.there(folder, name):
        return NOT_YET
    some = evidence.rows(folder, [name])
    effects = [evidence.gain(some, "blurred", "PSNR")]
    effects += [evidence.gain(some, "blurred", f"PSNR {c}", f"psnr_{c}") for c in CLASSES]
    made = measured(name, folder)["provenance"]
    return judge(effects, [name], rests=evidence.about(made, **evidence.training(folder)))


def rivals(folder: Path) -> Finding:
    """Table III: PSNR and SSIM of UMSN against those of the paper's rivals that run here, and what these gain."""
    if not evidence.there(folder, *CENTRED):
        return NOT_YET
    names = [*CENTRED, *(name for name in MORE if evidence.there(folder, name))]
    some = evidence.rows(folder, names)
    theirs = [name for name in reported("table3")["method"].unique() if name != TITLES["umsn"]]
    others = [name for name in some["method"].unique() if TITLES.get(name) in theirs]
    effects = [effect for name in others for effect in _over(some, name)]
    own = {TITLES[name]: _mean_gain(some, name) for name in others}
    rests = evidence.about(measured(CENTRED[0], folder)["provenance"], rivals=own, **evidence.training(folder))
    less = [Less("rivals", (len(others), len(theirs)))] if len(others) < len(theirs) else []
    return judge(effects, names, less=less, rests=rests)


def classes(folder: Path) -> Finding:
    """Table I: UMSN against Shen et al., class by class."""
    if not evidence.there(folder, *CENTRED):
        return NOT_YET
    some = evidence.rows(folder, CENTRED)
    if SHEN not in set(some["method"]):
        return NOT_YET
    effects = []
    for name in CLASSES:
        paper = ({"method": title, "class": name, "metric": "PSNR"} for title in (TITLES["umsn"], "Shen et al."))
        effects.append(evidence.gain(some, SHEN, name, f"psnr_{name}", paper=evidence.printed("table1", *paper)))
    rests = evidence.about(measured(CENTRED[0], folder)["provenance"], **evidence.training(folder))
    return judge(effects, CENTRED, rests=rests)


def pubfig(folder: Path) -> Finding:
    """The two numbers of Sec. IV-B: UMSN against Song et al. on their images."""
    name = "evaluate-pubfig"
    if not evidence.there(folder, name):
        return NOT_YET
    some = evidence.rows(folder, [name])
    if SONG not in set(some["method"]):
        return NOT_YET
    effects = _over(some, SONG, "pubfig", "Song et al. (IJCV 2019)")
    made = measured(name, folder)["provenance"]
    return judge(effects, [name], rests=evidence.about(made, **evidence.training(folder)))


def conditions(folder: Path) -> Finding:
    """Fig. 17, 18: how much of the gain is lost behind a hand, with sunglasses and in low light."""
    if not evidence.there(folder, "conditions"):
        return NOT_YET
    record = measured("conditions", folder)
    effects = [evidence.stated(row, f"lost, {row['method']}") for row in record["lost"]]
    facts = {"faces": record["lost"][0]["faces"], "kernels": 1, **evidence.training(folder)}
    return judge(effects, ["conditions"], rests=evidence.about(record["provenance"], **facts))


def _over(some: pd.DataFrame, rival: str, table: str = "table3", title: str = "") -> list[Effect]:
    """PSNR and SSIM over a rival, with the paper's."""
    title, effects = title or TITLES[rival], []
    for metric, measure, unit in (("PSNR", "psnr", "dB"), ("SSIM", "ssim_volumetric", "SSIM")):
        paper = evidence.printed(table, *({"method": m, "metric": metric} for m in (TITLES["umsn"], title)))
        effects.append(evidence.gain(some, rival, f"{metric} over {title}", measure, unit, paper))
    return effects


def _mean_gain(some: pd.DataFrame, method: str) -> tuple[float, int]:
    """PSNR of a method less that of the blurred images, in dB, and the faces: means over the same images."""
    both = evidence.shared(some, "blurred", method)
    mean = both.groupby("method")["psnr"].mean()
    return float(mean[method] - mean["blurred"]), both["face"].nunique()
