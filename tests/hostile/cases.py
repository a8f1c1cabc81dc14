"""What a case is, and whole files of every kind that is read, which others spoil."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image
from skimage.data import astronaut

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


def image(path: Path, pixels: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
