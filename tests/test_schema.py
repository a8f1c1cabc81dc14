"""What will not do is refused by its name; what will do passes."""

import pytest

from umsn import schema
from umsn.files import InputError


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (schema.whole(1, 9), (1, 9), (0, 10, 1.0, True, "1", None, [1])),
        (schema.whole(1, 9, odd=True), (1, 9), (2, 8)),
        (schema.number(0, 1), (0, 1, 0.5), (-0.1, 1.1, float("nan"), float("inf"), True, "0", None)),
        (schema.real, (0, float("nan")), (True, "0", None)),
        (schema.text, ("", "a"), (1, None, ["a"], "a" * 5000)),
        (schema.flag, (True, False), (0, 1, "true", None)),
        (schema.one_of("a", "b"), ("a", "b"), ("c", None, ["a"])),
        (schema.maybe(schema.text), (None, "a"), (1,)),
        (schema.either(schema.text, schema.flag, str), ("a", True), (1,)),
        (schema.each(schema.flag, 1, 2), ([True], (True, False)), ([], [True] * 3, [1], "a", {}, None)),
        (schema.fields({"a": schema.flag}, others=None), ({"a": True},), ({}, {"a": 1}, {"a": True, "b": 1}, [], None)),
        (schema.fields(others=schema.flag), ({}, {"x": True}), ({"x": 1},)),
    ],
)
def test_checks(check, good, bad):
    for value in good:
        check(value, "name")
    for value in bad:
        with pytest.raises(InputError, match="name"):
            check(value, "name")


def test_the_field_is_named():
    check = schema.fields({"a": schema.each(schema.fields({"b": schema.whole(0, 1)}))})
    with pytest.raises(InputError, match=r"^r\.json\.a\[1\]\.b 2: expected a whole number from 0 to 1$"):
        check({"a": [{"b": 1}, {"b": 2}]}, "r.json")
