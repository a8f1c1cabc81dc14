"""Names that no terminal can show, and what may lie where a file is expected."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from hostile.cases import FACE, TINY, Case, deblur, files, image

NAMES = (
    b"caf\xe9.png",
    b"\xed\xa0\x80.png",
    b"a\nb.png",
    b"a\rb.png",
    b"\x1b[31m.png",
    b"a\x1b]0;x\7.png",
    b"-o.png",
    b" .png",
    "ü.png".encode(),
    "\u202egnp.png".encode(),
    "\U0001f600.png".encode(),
    b"a b'\"$(x)`.png",
    b"%s{0}.png",
    b"x" * 250,
    b"x" * 245 + b".png",
    b"x" * 251 + b".png",
    b"nul",
    b"con.png",
    b"..png",
    b"...",
    b"a.png.png",
    b"a.",
    b"\\x.png",
    b"~.png",
)


def names() -> Iterator[Case]:
    good, bad = files()["a.png"], files()["a.png"][:500]
    for name in NAMES:
        for content in (good, bad, None):
            what = "good" if content is good else "cut" if content else "missing"
            yield f"{name[:20]!r}, {what}", deblur(os.fsdecode(name), content)

    def folder_of(head: bytes) -> Callable[[Path], list[str]]:
        def make(folder: Path) -> list[str]:
            inside = os.fsencode(folder) + b"/" + head
            os.mkdir(inside)
            for name in (b"a.png", b"._a.png", b".hidden.png", b"Thumbs.db"):
                with open(inside + b"/" + name, "wb") as file:
                    file.write(good if name == b"a.png" else b"x")
            os.symlink(b"loop.png", inside + b"/loop.png")
            os.mkfifo(inside + b"/fifo.png")
            return ["deblur", os.fsdecode(inside), "-o", str(folder / "out")]

        return make

    for head in (b"p", b"\xff", b"a\nb", b"x" * 250):
        yield f"folder {head[:9]!r}", folder_of(head)


def at(place: Path, kind: str) -> None:
    """Put something that is no good file at a place."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    elif kind == "loop":
        place.symlink_to(place.name)
    elif kind == "dangling":
        place.symlink_to("nowhere")
    elif kind == "endless":
        place.symlink_to("/dev/zero")
    elif kind == "nothing in it":
        place.symlink_to("/dev/null")
    elif kind == "empty":
        place.touch()
    elif kind == "sparse":
        with place.open("wb") as file:
            file.truncate(2**42)
    elif kind == "noise":
        place.write_bytes(np.random.default_rng(0).bytes(3000))
    elif kind == "text":
        place.write_text("Dear Sir,\n")


KINDS = (
    "fifo",
    "folder",
    "loop",
    "dangling",
    "endless",
    "nothing in it",
    "empty",
    "sparse",
    "noise",
    "text",
    "missing",
)


def places() -> Iterator[Case]:
    """Every file that is read, and what may lie in its place."""

    def photo(folder: Path, place: Path) -> list[str]:
        return ["deblur", str(place), "-o", str(folder / "out")]

    def network(folder: Path, place: Path) -> list[str]:
        return ["evaluate", *TINY, "--method", "umsn", "--weights", str(place)]

    def record(folder: Path, place: Path) -> list[str]:
        return ["verify", str(place)]

    def kernels(folder: Path, place: Path) -> list[str]:
        return ["measure", "astronaut", "--kernels", str(place), "--json", str(folder / "a.json")]

    def faces(folder: Path, place: Path) -> list[str]:
        return ["evaluate", *TINY, "--faces", str(folder), "--layout", "folder"]

    def labelled(folder: Path, place: Path) -> list[str]:
        image(folder / "images/a.png", FACE)
        if place.name != "a.png":
            image(folder / "labels/a.png", np.zeros(FACE.shape[:2], np.uint8))
        return ["evaluate", *TINY, "--faces", str(folder)]

    inputs = {
        "photo": ("a.png", photo),
        "weights": ("w.safetensors", network),
        "record": ("r.json", record),
        "kernels": ("k.npz", kernels),
        "face": ("a.png", faces),
        "labels": ("labels/a.png", labelled),
        "identities": ("identities.csv", labelled),
    }
    for name, (place, make) in inputs.items():
        for kind in KINDS:

            def case(folder: Path, place: str = place, kind: str = kind, make: Callable = make) -> list[str]:
                at(folder / place, kind)
                return make(folder, folder / place)

            yield f"{name} is {kind}", case
