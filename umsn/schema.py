"""What a value read from a file must be, said once: types and bounds, and an error that names the field."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from umsn.files import InputError

Check = Callable[[Any, str], None]  #: a value and its name; raises InputError for a value that will not do


def _refused(value: Any, name: str, expected: str) -> InputError:
    told = f"a list of {len(value)}" if isinstance(value, list) else repr(value)[:40]
    return InputError(f"{name} {'a mapping' if isinstance(value, Mapping) else told}: expected {expected}")


def whole(low: int, high: int, *, odd: bool = False) -> Check:
    """A whole number from ``low`` to ``high``, both included."""

    def check(value: Any, name: str) -> None:
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        if not fits or (odd and value % 2 == 0):
            raise _refused(value, name, f"a{'n odd' if odd else ' whole'} number from {low} to {high}")

    return check


def number(low: float = -math.inf, high: float = math.inf) -> Check:
    """A finite number from ``low`` to ``high``, both included."""

    def check(value: Any, name: str) -> None:
        is_one = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_one or not math.isfinite(value) or not low <= value <= high:
            upper = f" to {high:g}" if high < math.inf else " on"
            bounds = "" if low == -math.inf else f" from {low:g}{upper}"
            raise _refused(value, name, f"a finite number{bounds}")

    return check


def real(value: Any, name: str) -> None:
    """A number, perhaps not a finite one: a loss may be."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _refused(value, name, "a number")


def text(value: Any, name: str) -> None:
    """A text of at most 4,096 characters."""
    if not isinstance(value, str) or len(value) > 4096:
        raise _refused(value, name, "a text")


def flag(value: Any, name: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise _refused(value, name, "true or false")


def anything(value: Any, name: str) -> None:
    """Whatever it is."""


def one_of(*known: str) -> Check:
    """One of some words."""

    def check(value: Any, name: str) -> None:
        if not isinstance(value, str) or value not in known:
            raise _refused(value, name, " or ".join([", ".join(known[:-1]), known[-1]] if known[1:] else known))

    return check


def maybe(other: Check) -> Check:
    """That, or null."""
    return lambda value, name: None if value is None else other(value, name)


def either(first: Check, second: Check, kind: type) -> Check:
    """The first for a value of a kind, the second for all others."""
    return lambda value, name: (first if isinstance(value, kind) else second)(value, name)


def each(part: Check, low: int = 0, high: int = 10**9, *, once: bool = False) -> Check:
    """A list of ``low`` to ``high`` of them, each ``once``."""

    def check(value: Any, name: str) -> None:
        if not isinstance(value, Sequence) or isinstance(value, str) or not low <= len(value) <= high:
            raise _refused(value, name, f"a list of {low} or more" if high == 10**9 else f"a list of {low} to {high}")
        for i, one in enumerate(value):
            part(one, f"{name}[{i}]")
            if once and one in value[:i]:
                raise InputError(f"{name}[{i}] {one!r}: is there already; expected each once")

    return check


def fields(
    needed: Mapping[str, Check] | None = None, known: Mapping[str, Check] | None = None, others: Check | None = anything
) -> Check:
    """A mapping with the fields ``needed``, perhaps the ``known`` ones, and ``others``, if any."""
    needed, known = needed or {}, {**(needed or {}), **(known or {})}

    def check(value: Any, name: str) -> None:
        if not isinstance(value, Mapping):
            raise _refused(value, name, "a mapping of names to values")
        if missing := [field for field in needed if field not in value]:
            raise InputError(f"{name}: no {missing[0]!r}; expected {', '.join(needed)}")
        for field, one in value.items():
            part = known.get(field, others)
            if part is None:
                raise InputError(f"{name}: {field!r} is not known; expected {', '.join(known)}")
            part(one, f"{name}.{field}" if name else str(field))

    return check
