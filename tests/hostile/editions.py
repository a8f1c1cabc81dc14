"""Editions, experiments, pairs and rivals asked for what nobody would ask."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from safetensors.torch import save as to_bytes

from hostile.cases import FACE, Case, files, image
from hostile.places import KINDS, at
from hostile.trained import FACTS, STRANGE, networks
from umsn.experiments.edition import opened
from umsn.experiments.parameters import PARAMETERS

CELLS = (
    "# Parameters\nfaces = '.'",
    "# Parameters\nrecipe = 'x' * 9",
    "# Parameters\nseed = 10 ** 30",
    "# Parameters\nseed = " + "9" * 5000,
    "# Parameters\nrecipe = 'smoke'\nrecipee = 1",
    "# Parameters\n" + "seed = 1\n" * 2000,
    "# Parameters\nseed = -1",
    "# Parameters\nseed, recipe = 1, 'smoke'",
    "# Parameters\nseed = [[[]]]",
    "# Parameters\nseed = " + "(" * 500,
    "# Parameters\nrecipe = '\\ud800'",
    "# Parameters\nrecipe = 'a\\nb\\x1b[31m'",
    "seed += 1",
    "edition.seed = 3",
    "\0",
    "",
)


def editions() -> Iterator[Case]:
    """Every parameter of an edition with a value that it was not made for."""
    paths = (".", "/", "nowhere", "/dev/null", "/dev/zero", "a\0b", "~", " ", "x" * 300, "..", "a\nb", "1", "0")
    for name in PARAMETERS:
        for value in (*STRANGE, 2**31, 2**63, 2**64, float("nan"), float("inf"), *paths):

            def case(folder: Path, name: str = name, value: object = value) -> Callable[[], object]:
                return lambda: opened({"runs": str(folder), name: value}).facts()

            yield f"{name} {value!r:.20}", case
    for cell in CELLS:

        def injected(folder: Path, cell: str = cell) -> Callable[[], object]:
            own = f'recipe = "laptop"\nseed = 0\nruns = {str(folder)!r}'
            return lambda: opened({"In": ["", own, cell, "edition = opened(vars())"]}).facts()

        yield f"cell {cell!r:.30}", injected
    for kind in KINDS:
        for name, asked in (("faces", "training_faces"), ("test", "test_set"), ("gallery", "people")):

            def there(folder: Path, kind: str = kind, name: str = name, asked: str = asked) -> Callable[[], object]:
                at(folder / "set/images/a.png", kind)
                at(folder / "set/labels/a.png", "noise")
                edition = {"runs": str(folder), "recipe": "smoke", name: str(folder / "set")}
                return lambda: found() if callable(found := getattr(opened(edition), asked)) else found

            if name != "gallery":
                yield f"{name} of {kind}", there
    for kind in KINDS:
        for name in ("weights", "descriptor"):

            def network(folder: Path, kind: str = kind, name: str = name) -> Callable[[], object]:
                at(folder / "w", kind)
                asked = "judge" if name == "descriptor" else "pipeline"
                return lambda: getattr(opened({"runs": str(folder), name: str(folder / "w")}), asked)()

            yield f"{name} is {kind}", network


def pairs() -> Iterator[Case]:
    """Blurred images beside their sharp ones, with one thing wrong."""
    sharp, blur = "set_gt/a.png", "set_blur/a_ker01_blur_k13.png"

    def asked(folder: Path, *words: str) -> list[str]:
        return ["evaluate", "--method", "blurred", "--layout", "pairs", "--faces", str(folder / "s"), *words]

    def whole(folder: Path) -> Path:
        for name in (sharp, blur):
            image(folder / "s" / name, FACE)
        return folder / "s"

    yield "whole", lambda folder: (whole(folder), asked(folder))[1]
    for place in (sharp, blur, "set_gt", "set_blur"):
        for kind in KINDS:

            def other(folder: Path, place: str = place, kind: str = kind) -> list[str]:
                path = whole(folder) / place
                shutil.rmtree(path) if path.is_dir() else None
                at(path, kind)
                return asked(folder)

            yield f"{place} is {kind}", other
    names = (
        "a.png", "a_ker1_blur_k13.png", "a_ker01_blur_k13.jpg", "b_ker01_blur_k13.png", "a_ker_blur_k.png",
        "a_ker" + "9" * 60 + "_blur_k13.png", "a_ker01_blur_k" + "9" * 60 + ".png", "a_ker01_blur_k0.png",
        "a_ker01_blur_k14.png", "a_ker-1_blur_k13.png", "a_ker\u0661_blur_k13.png", "a_ker\u00b2_blur_k13.png",
        "a_ker02_blur_k13.heic", "a\n_ker01_blur_k13.png", "\x1b[31m_ker01_blur_k13.png", ".a_ker02_blur_k13.png",
        "a_ker01_blur_k13_ker01_blur_k13.png",
    )  # fmt: skip
    for name in names:

        def named(folder: Path, name: str = name) -> list[str]:
            image(whole(folder) / "set_blur/x.png", FACE)
            os.rename(folder / "s/set_blur/x.png", folder / "s/set_blur" / name)
            return asked(folder)

        yield f"beside {name!r:.40}", named
    pictures = {"smaller": FACE[:50], "tiny": FACE[:1, :1], "grey": FACE[..., 0], "deep": FACE[..., 0] * np.uint16(257)}
    pictures |= {"RGBA": np.dstack([FACE, FACE[..., 0]]), "float": FACE[..., 0] / np.float32(255)}
    for what, pixels in pictures.items():
        for place in (sharp, blur):

            def shown(folder: Path, pixels: np.ndarray = pixels, place: str = place) -> list[str]:
                path = whole(folder) / place
                path.unlink()
                image(path.with_suffix(".tif" if pixels.dtype.kind == "f" else ".png"), pixels)
                return asked(folder)

            yield f"{place} {what}", shown
    for word in ("0", "-1", "2", "9" * 30):
        yield f"limit {word}", lambda folder, w=word: (whole(folder), asked(folder, f"--limit={w}"))[1]
    for word in ("0,0,10,10", "0,0,9999,10", "-1,0,20,20", "0,0,20,20", "0,0,0,0", "119,127,1,1"):
        yield f"window {word}", lambda folder, w=word: (whole(folder), asked(folder, f"--window={w}"))[1]
    for name, content in files().items():

        def held(folder: Path, content: bytes = content) -> list[str]:
            (whole(folder) / blur).write_bytes(content)
            return asked(folder)

        yield f"blurred is {name}", held


def measures() -> Iterator[Case]:
    """`umsn measure`: every experiment, every option of it."""
    numbers = ("", "0", "-1", "x", "1.5", "\u00b2", "9" * 12, "9" * 5000, "nan", "--")
    orders = {
        "conditions --people={}": numbers,
        "confidences --people={}": numbers,
        "confidences --people=1 --sizes {}": ("", "12", "13 13", "-3", "x", "999", "17"),
        "readings --people={}": numbers,
        "readings --people=1 --sizes {}": ("", "12", "0", "13 13", "-3", "257"),
        "recognition --people={}": numbers,
        "recognition --people=1 --sizes {}": ("", "12", "0", "13 13", "257"),
        "descriptor --steps={}": numbers,
        "descriptor --train={} --steps=1": ("", "\0", "/proc/x", "OUT", "FOREIGN"),
        "seeds --recipe={}": ("", "x"),
        "seeds --recipe=smoke --test={}": numbers,
        "seeds --recipe=smoke --test=1 --seeds {}": ("", "-1", "x", "9" * 30, "0 0"),
        "seeds --recipe=smoke --keep={}": ("", "\0", "FOREIGN", "/dev/null", "/proc/x"),
        "training --folders {}": ("", "nowhere", "\0", "FOREIGN", "OUT", "BAD"),
        "training --folders OUT --after={}": ("", "nowhere", "FOREIGN", "RECORD", "NULL", "\0"),
        "masks --faces={}": ("", "nowhere", "FOREIGN", "\0", "OUT"),
        "masks --faces SET --layout={}": ("", "x", "folder", "pairs"),
        "masks --faces SET --window={}": ("", "1", "0,0,999,999", "0,0,5,5"),
        "masks --faces SET --kernels={}": numbers,
        "masks --faces SET --parsers {}": ("x", "=", "a=", "=b", "a=nowhere", "a=FOREIGN", "a=WEIGHTS", "a=BAD/a"),
        "relative --faces SET --runs {}": ("x", "a=", "a=nowhere", "a=FOREIGN", "a=WEIGHTS"),
        "relative --runs a=WEIGHTS --faces={}": ("", "nowhere", "FOREIGN"),
        "statistics --faces={}": ("", "nowhere", "FOREIGN", "OUT", "\0"),
        "statistics --faces SET --window={}": ("", "x", "0,0,999,999", "0,0,1,1", "0,0,2,2"),
        "statistics --faces SET --layout={}": ("", "x", "folder", "pairs"),
        "astronaut --kernels {}": ("", "nowhere", "FOREIGN", "OUT", "\0"),
        "astronaut --kernels OUT --weights={}": ("", "nowhere", "FOREIGN", "\0"),
        "evaluate --faces={}": ("", "0", "x", "9" * 30),
        "evaluate --faces=1 --sizes {}": ("12", "", "13:"),
        "evaluate --faces=1 --noise={}": ("nan", "-1", "2", "x"),
        "evaluate --faces=1 --batch={}": ("0", "-1", "x", "9" * 30),
        "evaluate --faces=1 --limit={}": ("0", "-1", "x"),
        "evaluate --faces=1 --seed={}": ("-1", "9" * 30),
    }
    for order, values in orders.items():
        for value in values:

            def case(folder: Path, order: str = order, value: str = value) -> list[str]:
                there = _beside(folder)
                words = [part for word in order.split() for part in (value.split(" ") if word == "{}" else [word])]
                words = [word.replace("{}", value) for word in words]
                for name, path in there.items():
                    words = [word.replace(name, str(path)) for word in words]
                return ["measure", *words, "--json", str(folder / "r.json")]

            yield f"measure {order.replace('{}', repr(value)[:24])}", case
    for name in ("FOREIGN", "OUT", "", "/dev/null", "/dev/null/x", "\0"):

        def placed(folder: Path, name: str = name) -> list[str]:
            place = str(_beside(folder).get(name, name))
            return ["measure", "statistics", "--faces", str(folder / "set"), "--layout", "synthetic", "--json", place]

        yield f"measure --json {name!r}", placed


def _beside(folder: Path) -> dict[str, Path]:
    """Places by the words that stand for them in an order."""
    there = {"FOREIGN": "mine.txt", "RECORD": "some.json", "NULL": "null.json", "WEIGHTS": "w.safetensors"}
    there |= {"SET": "set", "OUT": "out", "BAD": "bad"}
    there = {name: folder / path for name, path in there.items()}
    there["FOREIGN"].write_text("mine")
    there["RECORD"].write_text(json.dumps({"provenance": {}, "stages": {"a": 1}}))
    there["NULL"].write_text("null")
    there["WEIGHTS"].write_bytes(to_bytes(networks(), metadata={"facts": json.dumps(FACTS)}))
    (there["BAD"]).mkdir()
    shutil.copy(there["WEIGHTS"], there["BAD"] / "umsn.safetensors")
    (there["OUT"]).mkdir()
    image(there["SET"] / "images/a.png", FACE)
    image(there["SET"] / "labels/a.png", np.zeros(FACE.shape[:2], np.uint8))
    return there


#: Faces that leave a rival nothing to go by.
PLAIN = {"black": 0, "white": 255, "grey": 128}


def rivals() -> Iterator[Case]:
    """Methods without training on images with no edge, of one edge, of noise, and as small as may be."""
    random = np.random.default_rng(0)
    shown = {name: np.full((48, 48, 3), level, np.uint8) for name, level in PLAIN.items()}
    shown["noise"] = random.integers(0, 256, (48, 48, 3), np.uint8)
    shown["checks"] = np.repeat((np.indices((48, 48)).sum(0) % 2 * 255).astype(np.uint8)[..., None], 3, -1)
    shown["half"] = np.repeat((np.indices((48, 48))[1] > 24)[..., None] * np.uint8(255), 3, -1)
    shown["one pixel"] = shown["black"].copy()
    shown["one pixel"][24, 24] = 255
    shown["small"] = FACE[:16, :16]
    shown["narrow"] = FACE[:11, :64]
    shown["oblong"] = FACE[:64, :33]
    for method in ("cho", "krishnan", "pan", "shan", "xu", "zhong"):
        for name, pixels in shown.items():

            def case(folder: Path, method: str = method, pixels: np.ndarray = pixels) -> list[str]:
                image(folder / "s/a.png", pixels)
                words = ["--kernels", "1", "--sizes", "5", "--layout", "folder", "--json", str(folder / "r.json")]
                return ["evaluate", "--method", method, "--faces", str(folder / "s"), *words]

            yield f"{method} of {name}", case


def writers() -> Iterator[Case]:
    """Commands that write, where something lies that is not theirs."""
    orders = {
        "draw 1 --size 32 -o OUT": ("images/id0000-00.png", "labels/id0000-00.png", "identities.csv", ""),
        "kernels 1 --size 5 -o OUT": ("kernel-0000.npy", "kernels.png", ""),
        "train --recipe smoke --faces 2 --validate 0 -o OUT": ("pretrained/umsn.safetensors",),
    }
    for order, places in orders.items():
        for place in places:
            for kind in KINDS if "train" not in order else ("folder", "noise", "text", "sparse"):

                def case(folder: Path, order: str = order, place: str = place, kind: str = kind) -> list[str]:
                    at(folder / "to" / place, kind) if place else at(folder / "to", kind)
                    return order.replace("OUT", str(folder / "to")).split()

                yield f"{order.split()[0]} over {place or 'the folder'} that is {kind}", case
