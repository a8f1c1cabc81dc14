"""The table of the paper's claims in words, made of the numbers that `umsn.experiments.claims` judged them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from umsn.evaluation.intervals import signed
from umsn.experiments.claims.evidence import WORST
from umsn.experiments.claims.judging import NOTHING, Effect, Less
from umsn.pages.figures.results import link

#: Decimals of an effect, and what stands behind it, by unit; the names of other effects say what they are.
DECIMALS = {"dB": 2, "points": 1, "%": 2}
BEHIND = {"dB": " dB", "points": " points", "%": "%"}

#: What intervals draw anew, in words.
DRAWN = {
    "faces": "faces",
    "faces, t": "faces (Student's t)",
    "faces and kernels": "faces and kernels",
    "seeds, t": "seeds (Student's t)",
    WORST: "faces, the worst cases of two of them",
}

HEADS = ("the paper's claim", "grade", "what was measured")


@dataclass(frozen=True)
class Claims:
    """The table of claims for the page; ``frame`` has the columns of `umsn.experiments.claims.judged`."""

    frame: pd.DataFrame

    def _repr_html_(self) -> str:
        heads = "".join(f'<th scope="col">{name}</th>' for name in HEADS)
        rows = "\n".join(_row(row) for row in self.frame.itertuples())
        caption = "<caption>The paper's claims, judged from the records of this book</caption>"
        return f'<table class="claims">\n{caption}<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>'


def in_words(effect: Effect) -> str:
    """An effect here with its interval, and the paper's: "PSNR over B-Net: here +0.07 dB (…), paper +2.63 and …"."""
    digits, behind = DECIMALS.get(effect.unit, 3), BEHIND.get(effect.unit, "")
    if effect.resampled == NOTHING:
        return f"{effect.name}: here {effect.mean:.{digits}f}{behind}"
    mean, low, high, *paper = (signed(value, digits) for value in (*effect[1:4], *effect.paper))
    theirs = f"; paper {' and '.join(dict.fromkeys(paper))}" if paper else ""
    return f"{effect.name}: here {mean}{behind} ({low} to {high}){theirs}"


def less_in_words(less: Sequence[Less], effects: Sequence[Effect]) -> str:
    """What in a test is less than the paper's."""
    return "; ".join(_less(kind, what, effects) for kind, what in less)


def _less(kind: str, what: tuple[Any, ...], effects: Sequence[Effect]) -> str:
    if kind == "smaller":
        if len(what) == len(effects):
            return "every effect is smaller" if len(effects) > 1 else "a smaller effect"
        return f"smaller: {', '.join(what)}"
    words = {
        "some": "{} of {} effects are above 0",
        "rivals": "{} of the paper's {} rivals, in our own code",
        "synthetic": "synthetic faces",
        "stand-in": "our descriptor in place of {}",
    }
    return words[kind].format(*what)


def rests_in_words(rests: Mapping[str, Any], effects: Sequence[Effect]) -> str:
    """What was measured, how long it had been trained, and what the intervals draw anew."""
    rivals = rests.get("rivals", {}).items()
    kind = "synthetic faces" if rests.get("synthetic") else "real images"
    found = [
        f"{rests['faces']} {kind}" if rests.get("faces") else "",
        _plural(rests.get("kernels"), "kernel"),
        f"{rests['parameters']:,} parameters, by counting" if "parameters" in rests else "",
        f"{rests['images']:,} images seen, {100 * rests['share']:.2g}% of the paper's" if "share" in rests else "",
        _plural(rests.get("seeds"), "seed"),
        *(f"{name} gains {signed(gain)} dB over the blurred images of {faces} faces" for name, (gain, faces) in rivals),
    ]
    drawn = dict.fromkeys(DRAWN.get(effect.resampled, effect.resampled) for effect in effects if effect.resampled)
    if drawn:
        found.append(f"intervals over {', '.join(drawn)}")
    return "; ".join(filter(None, found))


def _plural(count: int | None, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}" if count else ""


def _row(row: Any) -> str:
    said = f'<a href="{row.chapter}.html">{escape(row.says)}</a><br><small>{escape(row.where)}</small>'
    effects = "".join(f"<li>{escape(in_words(effect))}</li>" for effect in row.effects)
    lines = {
        "Less than the paper's": less_in_words(row.less, row.effects),
        "Would decide it": row.needs if row.state == "not yet" else "",
        "Rests on": rests_in_words(row.rests, row.effects),
    }
    told = [f"<b>{head}:</b> {escape(words)}" for head, words in lines.items() if words]
    told += [f"<b>From</b> {', '.join(link(name) for name in row.records)}"] if row.records else []
    told = [words if words.endswith("?") else f"{words}." for words in told]
    evidence = f"<ul>{effects}</ul>" * bool(effects) + "".join(f"<p>{words}</p>" for words in told)
    return f'<tr><th scope="row">{said}</th><td>{row.state}</td><td>{evidence}</td></tr>'
