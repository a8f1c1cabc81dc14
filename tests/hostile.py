"""Inputs that nobody wants to meet, by kind: what each is called, and what is done with it in an empty folder.

A case is a name and a function of a folder that returns the words of a command line, or a function to be called.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
import torch
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save as to_bytes
from skimage.data import astronaut

from umsn.networks import weights
from umsn.networks.deblurring import build
from umsn.networks.parsing import SNet

Case = tuple[str, Callable[[Path], list[str] | Callable[[], object]]]

FACE = astronaut()[20:140, 120:248]
TINY = ["--method", "blurred", "--faces", "1", "--kernels", "1", "--sizes", "13"]


def encoded(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    mode = {"CMYK": "CMYK", "P": "P", "LA": "LA", "1": "1"}.get(str(options.pop("mode", "")))
    image = Image.fromarray(FACE)
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def files() -> dict[str, bytes]:
    """One whole file of every kind that is read."""
    deep, grey = FACE.astype(np.uint16) * 257, np.asarray(Image.fromarray(FACE).convert("L"))
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "a.jpg": encoded("JPEG", exif=exif),
        "print.jpg": encoded("JPEG", mode="CMYK"),
        "a.png": encoded("PNG"),
        "palette.png": encoded("PNG", mode="P"),
        "alpha.png": encoded("PNG", mode="LA", exif=exif),
        "deep.png": imagecodecs.png_encode(deep),
        "a.webp": encoded("WEBP"),
        "a.gif": encoded("GIF"),
        "a.bmp": encoded("BMP"),
        "a.jp2": encoded("JPEG2000"),
        "a.ppm": encoded("PPM"),
        "a.pcx": encoded("PCX"),
        "fax.tif": encoded("TIFF", mode="1", compression="group4"),
        "lzw.tif": encoded("TIFF", compression="tiff_lzw"),
        "deep.tif": tiff(deep, photometric="rgb", compression="deflate"),
        "float.tif": tiff(grey.astype(np.float32) / 255),
        "white.tif": tiff(
            np.dstack([grey, grey]).astype(np.uint16), photometric="miniswhite", extrasamples=["unassalpha"]
        ),
    }


def spoilt(content: bytes, seed: int) -> bytes:
    """Cut, with some bytes changed, with a part twice or left out, or with something behind it: decided by the seed."""
    random, kind = np.random.default_rng(seed), seed % 5
    place = int(random.integers(len(content)))
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + content[place + int(random.integers(1, 64)) :]
    if kind == 2:
        return content[:place] * 2 + content[place:]
    changed = np.frombuffer(content, np.uint8).copy()
    where = random.integers(0, len(changed) if kind == 3 else min(200, len(changed)), 1 + seed % 7)
    changed[where] = random.integers(0, 256, len(where))
    return changed.tobytes()


def deblur(name: str, content: bytes | None = None, *words: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        if content is not None:
            Path(os.fsdecode(os.fsencode(folder) + b"/" + os.fsencode(name))).write_bytes(content)
        return ["deblur", str(folder / name), "-o", str(folder / "out"), *words]

    return make


def pictures(seeds: int) -> Iterator[Case]:
    """Every kind of file, whole, under another's name, and spoilt in ``seeds`` ways."""
    known = files()
    for name, content in known.items():
        yield f"whole {name}", deblur(name, content)
        yield f"{name} called .heic", deblur("a.heic", content)
        yield f"{name} called .txt", deblur("a.txt", content)
        for seed in range(seeds):
            yield f"{name}, seed {seed}", deblur(name, spoilt(content, seed))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def odd_pictures() -> Iterator[Case]:
    """What is beside the pixels, and what is no photograph."""
    png, deep, jpeg, webp = (files()[name] for name in ("a.png", "deep.png", "a.jpg", "a.webp"))
    beside = {
        "eXIf garbage": chunk(b"eXIf", bytes(range(20))), "eXIf short": chunk(b"eXIf", b"II"),
        "iCCP one byte": chunk(b"iCCP", b"x"), "iCCP cut": chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(900))[:20]),
        "iCCP bomb": chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(20_000_000))),
        "zTXt bomb": chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(90_000_000))), "tRNS long": chunk(b"tRNS", bytes(99)),
        "tRNS 16": chunk(b"tRNS", bytes(6)), "gAMA zero": chunk(b"gAMA", bytes(4)), "cHRM": chunk(b"cHRM", b"\xff" * 32),
        "acTL": chunk(b"acTL", b"\xff" * 8), "IHDR twice": png[8:33], "unknown": chunk(b"QQQQ", bytes(9)),
    }  # fmt: skip
    for name, part in beside.items():
        yield f"PNG, {name}", deblur("a.png", png[:33] + part + png[33:])
        yield f"PNG16, {name}", deblur("a.png", deep[:33] + part + deep[33:])
    for marker in range(0xE0, 0xF0):
        for data in (b"", b"Adobe", b"Exif\0\0garbage", b"ICC_PROFILE\0\1\1", b"MPF\0" + bytes(8)):
            segment = struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data
            yield f"JPEG, {marker:x} {data[:4]}", deblur("a.jpg", jpeg[:2] + segment + jpeg[2:])
    tags = ((258, 17), (258, 0), (277, 0), (277, 9), (278, 0), (339, 5), (339, 6), (262, 99), (259, 99), (274, 77))
    for tag, value in (*tags, (256, 2**31), (257, 2**31), (256, 0), (273, 2**31), (279, 0), (284, 7), (317, 9)):
        for name in ("lzw.tif", "deep.tif"):
            yield f"{name}, tag {tag} = {value}", deblur("a.tif", with_tag(files()[name], tag, value))
    for code, value in ((3, 5), (4, 5), ("2H", (1, 2)), ("2I", (1, 2)), (11, 1.0)):
        count, kind = (1, code) if isinstance(code, int) else (2, {"H": 3, "I": 4}[code[1]])
        extra = [(34675, kind, count, value, True)]
        for dtype in (np.uint8, np.uint16):
            yield (
                f"profile of type {code}",
                deblur("a.tif", tiff(FACE.astype(dtype), photometric="rgb", extratags=extra)),
            )
    for dtype in (np.int8, np.int16, np.int32, np.uint32, np.float16, np.float64, np.complex64, np.uint64):
        yield f"TIFF of {dtype.__name__}", deblur("a.tif", tiff(FACE[..., 0].astype(dtype)))
    for fill in (np.nan, np.inf, -1, 2):
        yield f"TIFF of {fill}", deblur("a.tif", tiff(np.full((40, 40), fill, np.float32)))
    for channels in (2, 5, 7):
        yield f"TIFF, {channels} channels", deblur("a.tif", tiff(np.zeros((40, 40, channels), np.uint16)))
    lab = Image.fromarray(FACE).convert("RGB")
    buffer = io.BytesIO()
    Image.merge("LAB", lab.split()).save(buffer, "TIFF")
    yield "TIFF in LAB", deblur("a.tif", buffer.getvalue())
    huge = bytearray(png)
    for size in (0, 1, 20_000, 60_000, 2**31 - 1, 2**32 - 1):
        huge[16:24] = struct.pack(">II", size, size)
        yield (
            f"PNG that says {size}",
            deblur("a.png", bytes(huge[:29]) + struct.pack(">I", zlib.crc32(huge[12:29])) + png[33:]),
        )
    heads = (
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"\0\0\0\x18ftypavif\0\0\0\0", b"\0\0\0\x18ftypcrx \0\0\0\0", b"%!PS-Adobe-3.0 EPSF",
        b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"8BPS\0\1", b"FUJIFILMCCD-RAW", b"IIRO", b"\xff\x0a", b"BM",
        b"P6 9 9 255\n", b"P5\n-1 -1\n255\n", b"\x0a\5\1\x08", b"GIF89a", b"RIFF\xff\xff\xff\xffWEBPVP8 ", b"II*\0\x08\0\0\0\0\0", b"MM\0+",
        b"\0\0\0\x0cjP  \r\n\x87\n", b"\x1f\x8b\x08", b"PK\3\4", b"\x7fELF", b"#!/bin/sh\n", b"\0", b"\n", b"\x89PNG\r\n\x1a\n",
    )  # fmt: skip
    for head in heads:
        for suffix in (".jpg", ".png", ".tif", ".dng", ""):
            yield f"{head[:12]} as {suffix}", deblur(f"a{suffix}", head + bytes(100))
    yield "WebP, Exif garbage", deblur("a.webp", webp[:12] + webp[12:] + b"EXIF\4\0\0\0abcd")


def with_tag(content: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF whose first directory says another value of a tag."""
    changed, place = bytearray(content), int.from_bytes(content[4:8], "little")
    for i in range(int.from_bytes(content[place : place + 2], "little")):
        entry = place + 2 + 12 * i
        if int.from_bytes(content[entry : entry + 2], "little") == tag:
            changed[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, value)
    return bytes(changed)


NAMES = (
    b"caf\xe9.png", b"\xed\xa0\x80.png", b"a\nb.png", b"a\rb.png", b"\x1b[31m.png", b"a\x1b]0;x\7.png", b"-o.png", b" .png",
    "ü.png".encode(), "\u202egnp.png".encode(), "\U0001f600.png".encode(), b"a b'\"$(x)`.png", b"%s{0}.png", b"x" * 250,
    b"x" * 245 + b".png", b"x" * 251 + b".png", b"nul", b"con.png", b"..png", b"...", b"a.png.png", b"a.", b"\\x.png", b"~.png",
)  # fmt: skip


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
        "photo": ("a.png", photo), "weights": ("w.safetensors", network), "record": ("r.json", record), "kernels": ("k.npz", kernels),
        "face": ("a.png", faces), "labels": ("labels/a.png", labelled), "identities": ("identities.csv", labelled),
    }  # fmt: skip
    for name, (place, make) in inputs.items():
        for kind in KINDS:

            def case(folder: Path, place: str = place, kind: str = kind, make: Callable = make) -> list[str]:
                at(folder / place, kind)
                return make(folder, folder / place)

            yield f"{name} is {kind}", case


def image(path: Path, pixels: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def data_sets() -> Iterator[Case]:
    """Faces and label maps of wrong kinds, sizes and names, and tables of identities."""
    plain = np.zeros(FACE.shape[:2], np.uint8)
    maps = {
        "jpeg": (plain, "jpg", {}), "lossy webp": (plain, "webp", {}), "colour": (FACE, "png", {}), "of 16 bits": (plain.astype(np.uint16) + 400, "png", {}),
        "beyond": (plain + 77, "png", {}), "smaller": (plain[:50], "png", {}), "of floats": (plain.astype(np.float32), "tif", {}),
    }  # fmt: skip
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
        b"\xef\xbb\xbfname,identity\na,1\n", b"name,identity\na,x\n", b"name;identity\na;1\n", b"", b"name,identity\n", b"name,identity\na\n",
        b"name,identity\na," + b"9" * 5000, b"name,identity\na,99999999999999999999\n", b"\xff\xfe", b"name,identity\na,-1\n", b'"', b"name,identity\n" + b"a," * 9999,
        b"name,identity\na,1\0\n", "name,identity\na,²\n".encode(), b"name,identity\na,1.5\n", b"name,identity\r\na,1\r\n", b"a" * 200_000,
    )  # fmt: skip
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
        "good": good, "even": np.eye(4) / 4, "oblong": np.full((3, 5), 1 / 15), "3-D": good[None], "0-d": np.array(1.0), "words": np.array([["a"]]),
        "objects": np.array([[None]]), "NaN": good * np.nan, "inf": good * np.inf, "zeros": good * 0, "negative": -good, "sum 2": good * 2,
        "complex": good * 1j, "bool": good > 0, "empty": np.zeros((0, 0)), "one": np.ones((1, 1)), "large": np.full((501, 501), 1 / 501**2), "int": np.ones((1, 1), int),
    }  # fmt: skip
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


FACTS = {"method": "umsn", "width": 16, "expansion": 1, "parsing_widths": [4, 8]}
STRANGE = (
    None, True, -1, 0, 0.5, 3, 1e300, 10**6, 10**18, "", "x", "²", "16", [], [[]], [0], [-4, 8], [10**9], [1.5], {}, {"a": 1}, "\0", "\ud800", [None] * 50,
)  # fmt: skip


def networks() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    found = {f"snet.{n}": t for n, t in SNet(widths=(4, 8)).state_dict().items()}
    return found | {f"network.{n}": t for n, t in build("umsn", width=16).state_dict().items()}


def trained() -> Iterator[Case]:
    """Weights whose facts or tensors will not do, or which are spoilt."""
    tensors = networks()
    last = "network.to_image.weight" if "network.to_image.weight" in tensors else list(tensors)[-1]

    def use(folder: Path, content: bytes, *words: str) -> list[str]:
        (folder / "w.safetensors").write_bytes(content)
        image(folder / "a.png", FACE)
        return [
            "deblur",
            str(folder / "a.png"),
            "-o",
            str(folder / "out"),
            "--whole",
            "--weights",
            str(folder / "w.safetensors"),
            *words,
        ]

    def saved(facts: object, changed: dict[str, torch.Tensor] | None = None) -> bytes:
        kept = {name: tensor.contiguous() for name, tensor in (tensors | (changed or {})).items()}
        return to_bytes(kept, metadata={"facts": facts if isinstance(facts, str) else json.dumps(facts)})

    yield "whole", lambda folder: use(folder, saved(FACTS))
    for field in FACTS:
        yield f"no {field}", lambda folder, f=field: use(folder, saved({k: v for k, v in FACTS.items() if k != f}))
        for value in STRANGE:
            yield f"{field} {value!r:.20}", lambda folder, f=field, v=value: use(folder, saved(FACTS | {f: v}))
    for facts in (
        "",
        "[",
        "[]",
        "null",
        "[" * 100_000,
        "{" + '"a":' * 3,
        '{"width":' + "9" * 5000 + "}",
        '{"a":1,"a":2}',
        "NaN",
    ):
        yield f"facts {facts[:12]}", lambda folder, f=facts: use(folder, saved(f))
    for value in (float("nan"), float("inf"), 1e30, -1e38):
        for name in (last, list(tensors)[0]):
            changed = {name: torch.full_like(tensors[name], value)}
            yield f"{name} {value}", lambda folder, c=changed: use(folder, saved(FACTS, c))
    for kind in (torch.complex64, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.bool):
        changed = {last: tensors[last].to(kind)}
        yield f"{last} {kind}", lambda folder, c=changed: use(folder, saved(FACTS, c))
    for shape in ((0,), (1,), (3, 3), (2**20,)):
        yield f"{last} {shape}", lambda folder, s=shape: use(folder, saved(FACTS, {last: torch.zeros(s)}))
    whole = saved(FACTS)
    for seed in range(40):
        yield f"spoilt {seed}", lambda folder, s=seed: use(folder, spoilt(whole, s))
        head = spoilt(whole[:3000], s := seed) + whole[3000:]
        yield f"spoilt head {seed}", lambda folder, h=head: use(folder, h)


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
        "kernels {} -o OUT": numbers, "kernels 1 --size={} -o OUT": (*numbers, "4", "513", "99999"), "kernels 1 --seed={} -o OUT": (*numbers, str(2**31), str(2**63), str(2**64)),
        "draw {} -o OUT": (*numbers[:1], *numbers[3:]), "draw 1 --size={} -o OUT": (*numbers, "31", "100000"), "draw 1 --seed={} -o OUT": (str(2**63), "-1", "x"),
        "evaluate --method=blurred --faces={}": ("", "0", "-1", "²", "9" * 20, "9" * 5000, "1.5", "\ud800", "a\0b"),
        "evaluate --method={}": ("", ",", "x", "umsn,", "blurred,blurred,x"), "evaluate --sizes={}": ("", "0", "-3", "2", "13:", ":", "1:3", "13,13", "9" * 20, "13:9999999:2", "257", "²"),
        "evaluate --kernels={}": numbers[:12], "evaluate --noise={}": ("", "-1", "15", "nan", "inf", "x", "1e400"), "evaluate --seed={}": ("-1", str(2**64), "x"),
        "evaluate --limit={}": ("-1", "0", "x"), "evaluate --window={}": ("", "1", "0,0,5,5", "-1,0,20,20", "9" * 30, "a,b,c,d"), "evaluate --centre={}": ("", "x"), "evaluate --layout={} --faces OUT": ("", "x"),
        "evaluate --device={}": ("mps", "gpu", "CPU", "xla", "hpu", "meta", "cuda:", "cuda:-1", "cuda:99", "cuda:" + "9" * 50, "", "cpu:1"),
        "deblur OUT/a.png --device={}": ("mps", "meta", "", "vulkan"), "deblur OUT/a.png --box={}": ("", "1,2", "0,0,0,0", "-5,-5,a,b", "9" * 30), "deblur OUT/a.png --batch={}": (*numbers[:8], "10" * 11),
        "deblur {}": ("", "-", "--", "\0", "OUT/\ud800"), "deblur --weights={} a.png": ("", "nowhere", "\0"), "train -o OUT --recipe={}": ("", "x"), "train -o OUT --stage={}": ("", "x"),
        "train -o OUT --minutes={}": ("0", "-1", "nan", "inf", "x"), "train -o OUT --faces={}": ("", "0", "²", "9" * 20), "train -o OUT --validate={}": ("", "²", "-1", "9" * 30), "train -o OUT --seed={}": (str(2**63), str(2**64), "-1"),
        "train -o OUT --device={}": ("mps", "meta"), "train -o OUT --precision={}": ("", "float64"), "evaluate --json={}": ("", ".", "/", "\0", "/dev/null/x", "/proc/x.json", "r" * 300), "measure {}": ("", "x", "evaluate --json"),
        "measure conditions --json OUT/r.json --people={}": ("0", "-1", "x", "9" * 12), "measure readings --json OUT/r.json --sizes={}": ("12", "0", "x", "9" * 12), "verify {}": ("", "nowhere", "\0", "\ud800", "x" * 300),
        "verify OUT/r.json --limit={}": ("0", "-1", "x"), "{}": ("", "x", "--version=1", "\ud800"),
    }  # fmt: skip
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


def checkpoints(train: Callable[[Path], object], path: Path) -> Iterator[Case]:
    """A checkpoint of a training, with other facts and other moments of Adam; ``train`` goes on from one in a folder."""
    whole = path.read_bytes()
    tensors, facts = weights.load(path)

    def go_on(folder: Path, content: bytes) -> Callable[[], object]:
        (folder / path.name).write_bytes(content)
        return lambda: train(folder)

    def saved(told: dict, kept: dict[str, torch.Tensor] | None = None) -> bytes:
        kept = {name: tensor.contiguous() for name, tensor in (kept or tensors).items()}
        return to_bytes(kept, metadata={"facts": json.dumps(told)})

    yield "whole", lambda folder: go_on(folder, whole)
    for field in ("step", "seconds", "history", "sums"):
        yield f"no {field}", lambda folder, f=field: go_on(folder, saved({k: v for k, v in facts.items() if k != f}))
        for value in STRANGE:
            yield f"{field} {value!r:.20}", lambda folder, f=field, v=value: go_on(folder, saved(facts | {f: v}))
    moment = next(name for name in tensors if name.endswith("exp_avg"))
    for name in (
        "adam.x.exp_avg",
        "adam.999.exp_avg",
        "adam.-1.exp_avg",
        "adam.0",
        "adam.",
        "adam.0.x",
        "adam.0.exp_avg.y",
        "adam.².step",
        "task.x",
    ):
        kept = tensors | {name: tensors[moment].clone()}
        yield f"and {name}", lambda folder, k=kept: go_on(folder, saved(facts, k))
    for value in (torch.zeros(3), torch.zeros_like(tensors[moment]).int(), torch.full_like(tensors[moment], torch.nan)):
        kept = tensors | {moment: value}
        yield f"{moment} {value.dtype}", lambda folder, k=kept: go_on(folder, saved(facts, k))
    kept = {name: tensor for name, tensor in tensors.items() if name != moment}
    yield f"without {moment}", lambda folder: go_on(folder, saved(facts, kept))
    for seed in range(20):
        yield f"spoilt {seed}", lambda folder, s=seed: go_on(folder, spoilt(whole, s))
