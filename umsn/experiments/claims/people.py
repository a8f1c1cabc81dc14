"""Tables IV and V: are people recognised, and features near, after restoring?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from umsn.evaluation.methods import TITLES
from umsn.experiments.claims import evidence
from umsn.experiments.claims.judging import NOT_YET, Effect, Finding, Less, Unit, judge
from umsn.experiments.recognition import TOP
from umsn.records import measured, reported

#: What stands in a table of the record and is no other people's method.
OWN = ("clear", "blurred", "umsn")


def recognised(folder: Path) -> Finding:
    """Table V: restored probes against blurred ones, in points of Top-1, 3 and 5."""
    if not evidence.there(folder, "recognition"):
        return NOT_YET
    record, effects = measured("recognition", folder), []
    for row in record["gain"]:
        sides = ({"method": TITLES[method], "metric": row["measure"]} for method in ("umsn", "blurred"))
        effects.append(evidence.stated(row, row["measure"], "points", evidence.printed("table5", *sides)))
    return _judged(record, effects, "OpenFace")


def recognised_over_rivals(folder: Path) -> Finding:
    """Table V: restored probes against those that the paper's rivals restored."""
    return _over_rivals(folder, "table5", "top", "points", "OpenFace")


def nearer_features(folder: Path) -> Finding:
    """Table IV: how much nearer to the sharp face's features UMSN comes than the paper's rivals."""
    return _over_rivals(folder, "table4", "distance", "distance", "VGG-Face")


def _over_rivals(folder: Path, printed: str, table: str, unit: Unit, papers_judge: str) -> Finding:
    if not evidence.there(folder, "recognition"):
        return NOT_YET
    record = measured("recognition", folder)
    effects = list(_pairs(record[table], printed, unit))
    if not effects:
        return NOT_YET
    theirs = set(reported(printed)["method"]) - {TITLES["umsn"], TITLES["blurred"], "Clear images"}
    ours = {row["method"] for row in record[table]} - set(OWN)
    less = [Less("rivals", (len(ours), len(theirs)))] if len(ours) < len(theirs) else []
    return _judged(record, effects, papers_judge, less)


def _pairs(rows: list[dict[str, Any]], printed: str, unit: Unit) -> Iterator[Effect]:
    """UMSN less each rival, or the other way round where less is better; the paper's distances have another scale."""
    mean = {(row["method"], row["measure"]): row for row in rows}
    for (method, measure), row in mean.items():
        if method in OWN:
            continue
        name, own = f"{measure} over {TITLES.get(method, method)}", mean["umsn", measure]
        if measure not in TOP:
            yield evidence.apart(row, own, name, unit, ())
            continue
        sides = ({"method": TITLES.get(m, m), "metric": measure} for m in ("umsn", method))
        yield evidence.apart(own, row, name, unit, evidence.printed(printed, *sides))


def _judged(record: dict[str, Any], effects: list[Effect], papers_judge: str, less: Sequence[Less] = ()) -> Finding:
    made = record["provenance"]
    facts = {"faces": made["asked"]["people"], "kernels": len(made["asked"]["sizes"])}
    less = [*less, Less("stand-in", (papers_judge,))]
    return judge(effects, ["recognition"], less=less, rests=evidence.about(made, **facts))
