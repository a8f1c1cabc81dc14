"""Data sets with wrong label maps, identities and faces; kernels."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from hostile.cases import FACE, TINY, Case, files, image, spoilt


def data_sets() -> Iterator[Case]:
    """Faces and label maps of wrong kinds, sizes and names, and tables of identities."""
    plain = np.zeros(FACE.shape[:2], np.uint8)
    maps = {
        "jpeg": (plain, "jpg", {}),
        "lossy webp": (plain, "webp", {}),
        "colour": (FACE, "png", {}),
        "of 16 bits": (plain.astype(np.uint16) + 400, "png", {}),
        "beyond": (plain + 77, "png", {}),
        "smaller": (plain[:50], "png", {}),
        "of floats": (plain.astype(np.float32), "tif", {}),
    }
    order = ["evaluate", *TINY, "--faces"]

    def labelled(folder: Path, pixels: np.ndarray, suffix: str, layout: str) -> list[str]:
        image(folder / "images/a.png", FACE)
        image(folder / f"labels/a.{suffix}", pixels)
        return [*order, str(folder), "--layout", layout]

    for name, (pixels, suffix, _) in maps.items():
        for layout in ("synthetic", "labelmap", "celebamask-hq", "helen", "pairs"):
            yield (
                f"labels {name}, {layout}",
                lambda folder, p=pixels, s=suffix, layout=layout: labelled(folder, p, s, layout),
            )
    tables = (
        b"\xef\xbb\xbfname,identity\na,1\n",
        b"name,identity\na,x\n",
        b"name;identity\na;1\n",
        b"",
        b"name,identity\n",
        b"name,identity\na\n",
        b"name,identity\na," + b"9" * 5000,
        b"name,identity\na,99999999999999999999\n",
        b"\xff\xfe",
        b"name,identity\na,-1\n",
        b'"',
        b"name,identity\n" + b"a," * 9999,
        b"name,identity\na,1\0\n",
        "name,identity\na,²\n".encode(),
        b"name,identity\na,1.5\n",
        b"name,identity\r\na,1\r\n",
        b"a" * 200_000,
    )
    for table in tables:

        def with_table(folder: Path, table: bytes = table) -> list[str]:
            (folder / "identities.csv").write_bytes(table)
            return labelled(folder, plain, "png", "synthetic")

        yield f"identities {table[:24]!r}", with_table
    for seed in range(20):
        for name in ("lzw.tif", "deep.tif", "a.jpg", "palette.png"):

            def with_face(folder: Path, name: str = name, seed: int = seed) -> list[str]:
                (folder / name).write_bytes(spoilt(files()[name], seed))
                return [*order, str(folder), "--layout", "folder"]

            yield f"face {name}, seed {seed}", with_face
    for head in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", b"%PDF-1.7", b"\0\0\0\x18ftypheic"):

        def with_program(folder: Path, head: bytes = head) -> list[str]:
            (folder / "a.png").write_bytes(head + bytes(200))
            return [*order, str(folder), "--layout", "folder"]

        yield f"face {head[:8]!r}", with_program


def kernels() -> Iterator[Case]:
    good = np.eye(5) / 5
    arrays = {
        "good": good,
        "even": np.eye(4) / 4,
        "oblong": np.full((3, 5), 1 / 15),
        "3-D": good[None],
        "0-d": np.array(1.0),
        "words": np.array([["a"]]),
        "objects": np.array([[None]]),
        "NaN": good * np.nan,
        "inf": np.full((5, 5), np.inf),
        "zeros": good * 0,
        "negative": -good,
        "sum 2": good * 2,
        "complex": good * 1j,
        "bool": good > 0,
        "empty": np.zeros((0, 0)),
        "one": np.ones((1, 1)),
        "large": np.full((501, 501), 1 / 501**2),
        "int": np.ones((1, 1), int),
    }
    order = ["measure", "astronaut", "--kernels"]

    def make(
        folder: Path, name: str, write: Callable[[io.BufferedWriter], object], cut: int | None = None
    ) -> list[str]:
        buffer = io.BytesIO()
        write(buffer)
        (folder / name).write_bytes(buffer.getvalue()[:cut])
        return [*order, str(folder / name), "--json", str(folder / "a.json")]

    for name, array in arrays.items():
        yield f"{name} npz", lambda folder, a=array: make(folder, "k.npz", lambda f: np.savez(f, k=a))
        yield f"{name} npy", lambda folder, a=array: make(folder, "k.npy", lambda f: np.save(f, a))
    for cut in (10, 60, 100, 200, -1, -30):
        yield f"npz cut {cut}", lambda folder, c=cut: make(folder, "k.npz", lambda f: np.savez(f, k=good), c)
        yield f"npy cut {cut}", lambda folder, c=cut: make(folder, "k.npy", lambda f: np.save(f, good), c)

    def packed(file: io.BufferedWriter, content: bytes, name: str = "k.npy") -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr(name, content)

    head = b"\x93NUMPY\1\0v\0{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d), }"
    for shape in ((10**5, 10**5), (-1, -1), (10**9, 10**9), (5, 5)):
        content = (head % shape).ljust(127) + b"\n"
        yield f"npy that says {shape}", lambda folder, c=content: make(folder, "k.npy", lambda f: f.write(c))
        yield f"npz that says {shape}", lambda folder, c=content: make(folder, "k.npz", lambda f: packed(f, c))
    yield "npz bomb", lambda folder: make(folder, "k.npz", lambda f: packed(f, bytes(400_000_000)))
    yield "npz of text", lambda folder: make(folder, "k.npz", lambda f: packed(f, b"hello", "k.txt"))
    yield "npz of nothing", lambda folder: make(folder, "k.npz", lambda f: zipfile.ZipFile(f, "w").close())
