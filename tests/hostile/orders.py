"""Command lines and records that nobody would write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hypothesis import strategies as st

from hostile.cases import Case
from hostile.trained import STRANGE


def options() -> Iterator[Case]:
    """Command lines: every number out of its bounds, every name that is none."""
    numbers = (
        "",
        "0",
        "-1",
        "1.5",
        "x",
        "²",
        "٣",
        "9" * 20,
        "9" * 5000,
        "1e3",
        "nan",
        "inf",
        " 1",
        "+1",
        "0x1",
        "1_0",
        "--",
        "\ud800",
    )
    orders = {
        "kernels {} -o OUT": numbers,
        "kernels 1 --size={} -o OUT": (*numbers, "4", "513", "99999"),
        "kernels 1 --seed={} -o OUT": (*numbers, str(2**31), str(2**63), str(2**64)),
        "draw {} -o OUT": (*numbers[:1], *numbers[3:]),
        "draw 1 --size={} -o OUT": (*numbers, "31", "100000"),
        "draw 1 --seed={} -o OUT": (str(2**63), "-1", "x"),
        "evaluate --method=blurred --faces={}": ("", "0", "-1", "²", "9" * 20, "9" * 5000, "1.5", "\ud800", "a\0b"),
        "evaluate --method={}": ("", ",", "x", "umsn,", "blurred,blurred,x"),
        "evaluate --sizes={}": ("", "0", "-3", "2", "13:", ":", "1:3", "13,13", "9" * 20, "13:9999999:2", "257", "²"),
        "evaluate --kernels={}": numbers[:12],
        "evaluate --noise={}": ("", "-1", "15", "nan", "inf", "x", "1e400"),
        "evaluate --seed={}": ("-1", str(2**64), "x"),
        "evaluate --limit={}": ("-1", "0", "x"),
        "evaluate --window={}": ("", "1", "0,0,5,5", "-1,0,20,20", "9" * 30, "a,b,c,d"),
        "evaluate --centre={}": ("", "x"),
        "evaluate --layout={} --faces OUT": ("", "x"),
        "evaluate --device={}": (
            "mps",
            "gpu",
            "CPU",
            "xla",
            "hpu",
            "meta",
            "cuda:",
            "cuda:-1",
            "cuda:99",
            "cuda:" + "9" * 50,
            "",
            "cpu:1",
        ),
        "deblur OUT/a.png --device={}": ("mps", "meta", "", "vulkan"),
        "deblur OUT/a.png --box={}": ("", "1,2", "0,0,0,0", "-5,-5,a,b", "9" * 30),
        "deblur OUT/a.png --batch={}": (*numbers[:8], "10" * 11),
        "deblur {}": ("", "-", "--", "\0", "OUT/\ud800"),
        "deblur --weights={} a.png": ("", "nowhere", "\0"),
        "train -o OUT --recipe={}": ("", "x"),
        "train -o OUT --stage={}": ("", "x"),
        "train -o OUT --minutes={}": ("0", "-1", "nan", "inf", "x"),
        "train -o OUT --faces={}": ("", "0", "²", "9" * 20),
        "train -o OUT --validate={}": ("", "²", "-1", "9" * 30),
        "train -o OUT --seed={}": (str(2**63), str(2**64), "-1"),
        "train -o OUT --device={}": ("mps", "meta"),
        "train -o OUT --precision={}": ("", "float64"),
        "evaluate --json={}": ("", ".", "/", "\0", "/dev/null/x", "/proc/x.json", "r" * 300),
        "measure {}": ("", "x", "evaluate --json"),
        "measure conditions --json OUT/r.json --people={}": ("0", "-1", "x", "9" * 12),
        "measure readings --json OUT/r.json --sizes={}": ("12", "0", "x", "9" * 12),
        "verify {}": ("", "nowhere", "\0", "\ud800", "x" * 300),
        "verify OUT/r.json --limit={}": ("0", "-1", "x"),
        "{}": ("", "x", "--version=1", "\ud800"),
    }
    for order, values in orders.items():
        for value in values:

            def case(folder: Path, order: str = order, value: str = value) -> list[str]:
                return [word.replace("OUT", str(folder / "out")).replace("{}", value) for word in order.split()]

            yield f"{order.replace('{}', repr(value)[:24])}", case


#: What JSON can hold, and what tests meet there more often than by chance.
VALUES = st.recursive(
    st.sampled_from([v for v in STRANGE if v != "\ud800"])
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["../../x", "1:3", "umsn", "blurred", "nan", "10000000000", "9" * 5000, "13:27:2"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def inside(tree: object, way: tuple = ()) -> Iterator[tuple]:
    """Every way into a tree of JSON."""
    yield way
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, part in parts:
        yield from inside(part, (*way, key))


def changed(tree: object, way: tuple, value: object) -> object:
    """A copy of a tree with another value somewhere; without that part where the value is `...`."""
    if not way:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    if value is ... and len(way) == 1:
        del copy[way[0]]
    else:
        copy[way[0]] = changed(copy[way[0]], way[1:], value)
    return copy


def by_hand() -> Iterator[Case]:
    """Records that no JSON library writes."""
    texts = (
        "",
        "[",
        "{",
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 5000,
        "NaN",
        "1e999",
        '{"provenance":1,"provenance":{}}',
        "\ufeff{}",
        "null",
        '"x"',
        "[]",
        "{}",
        "\0",
        '{"provenance":{"asked":{}}}',
    )
    for text in texts:

        def case(folder: Path, text: str = text) -> list[str]:
            (folder / "r.json").write_text(text, encoding="utf-8")
            return ["verify", str(folder / "r.json")]

        yield f"record {text[:24]!r}", case
