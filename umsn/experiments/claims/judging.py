"""The rule by which a claim is judged: from effects, each a mean with its 95% interval, above 0 where it agrees.

A claim is

- *reproduced* when the intervals of all its effects lie above 0, and nothing is less than the paper claims;
- *partly* when they do and something is less (a smaller effect, fewer rivals, synthetic faces), or some of them do;
- *contradicted* when none does, and at least one lies below 0;
- *inconclusive* when all of them contain 0;
- *not yet* where no record can decide it.

An effect is smaller than the paper's when its whole interval lies below every number that the paper has for it. What
the paper does likewise, a single training for instance, is not less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

State = Literal["reproduced", "partly", "inconclusive", "contradicted", "not yet"]
STATES: tuple[State, ...] = ("reproduced", "partly", "inconclusive", "contradicted", "not yet")

Unit = Literal["dB", "SSIM", "F", "C", "points", "distance", "%"]  #: of an effect

#: What the interval of an exact number draws anew.
NOTHING = ""


class Effect(NamedTuple):
    """What a record says of one measure, in the direction of the claim."""

    name: str
    mean: float
    low: float
    high: float
    unit: Unit = "dB"
    resampled: str = "faces"  #: what the interval draws anew (`umsn.evaluation.resampling`), or `NOTHING`
    paper: tuple[float, ...] = ()  #: the same effect in the paper's numbers, one a data set or image

    @property
    def sign(self) -> int:
        """1 where the interval lies above 0, -1 where it lies below, else 0, as where there is none."""
        return int(self.low > 0) - int(self.high < 0)

    @property
    def smaller(self) -> bool:
        """Whether the whole interval lies below all that the paper has."""
        return bool(self.paper) and self.high < min(self.paper)


class Less(NamedTuple):
    """What in a test is less than the paper's claim.

    Kinds: "smaller" (the effects' names), "some" (how many of how many effects agree), "rivals" (how many of how many
    of the paper's), "synthetic" faces, "stand-in" (for which judge).
    """

    kind: Literal["smaller", "some", "rivals", "synthetic", "stand-in"]
    what: tuple[Any, ...] = ()


class Finding(NamedTuple):
    """What the records say of one claim."""

    state: State
    effects: tuple[Effect, ...] = ()
    less: tuple[Less, ...] = ()
    rests: Mapping[str, Any] = {}  #: what was measured: faces, synthetic, kernels, seeds, images, share ..
    records: tuple[str, ...] = ()


NOT_YET = Finding("not yet")


def judge(
    effects: Sequence[Effect],
    records: Sequence[str],
    *,
    less: Sequence[Less] = (),
    rests: Mapping[str, Any] | None = None,
) -> Finding:
    """The rule. ``less``: what else is less than the paper's than synthetic faces, smaller and missing effects."""
    signs, rests = [effect.sign for effect in effects], dict(rests or {})
    found = [*less, *([Less("synthetic")] if rests.get("synthetic") else [])]
    if smaller := tuple(effect.name for effect in effects if effect.smaller):
        found.append(Less("smaller", smaller))
    if 0 < signs.count(1) < len(signs):
        found.append(Less("some", (signs.count(1), len(signs))))
    return Finding(_state(signs, bool(found)), tuple(effects), tuple(found), rests, tuple(records))


def _state(signs: Sequence[int], less: bool) -> State:
    if not signs:
        return "not yet"
    if 1 in signs:
        return "partly" if less else "reproduced"
    return "contradicted" if -1 in signs else "inconclusive"
