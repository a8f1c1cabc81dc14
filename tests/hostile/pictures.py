"""Photographs: whole, spoilt, under wrong names, with odd parts beside the pixels, or none at all."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from hostile.cases import FACE, Case, chunk, deblur, files, spoilt, tiff


def pictures(seeds: int) -> Iterator[Case]:
    """Every kind of file, whole, under another's name, and spoilt in ``seeds`` ways."""
    known = files()
    for name, content in known.items():
        yield f"whole {name}", deblur(name, content)
        yield f"{name} called .heic", deblur("a.heic", content)
        yield f"{name} called .txt", deblur("a.txt", content)
        for seed in range(seeds):
            yield f"{name}, seed {seed}", deblur(name, spoilt(content, seed))


def odd_pictures() -> Iterator[Case]:
    """What is beside the pixels, and what is no photograph."""
    png, deep, jpeg, webp = (files()[name] for name in ("a.png", "deep.png", "a.jpg", "a.webp"))
    beside = {
        "eXIf garbage": chunk(b"eXIf", bytes(range(20))),
        "eXIf short": chunk(b"eXIf", b"II"),
        "iCCP one byte": chunk(b"iCCP", b"x"),
        "iCCP cut": chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(900))[:20]),
        "iCCP bomb": chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(20_000_000))),
        "zTXt bomb": chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(90_000_000))),
        "tRNS long": chunk(b"tRNS", bytes(99)),
        "tRNS 16": chunk(b"tRNS", bytes(6)),
        "gAMA zero": chunk(b"gAMA", bytes(4)),
        "cHRM": chunk(b"cHRM", b"\xff" * 32),
        "acTL": chunk(b"acTL", b"\xff" * 8),
        "IHDR twice": png[8:33],
        "unknown": chunk(b"QQQQ", bytes(9)),
    }
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
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"\0\0\0\x18ftypavif\0\0\0\0",
        b"\0\0\0\x18ftypcrx \0\0\0\0",
        b"%!PS-Adobe-3.0 EPSF",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"8BPS\0\1",
        b"FUJIFILMCCD-RAW",
        b"IIRO",
        b"\xff\x0a",
        b"BM",
        b"P6 9 9 255\n",
        b"P5\n-1 -1\n255\n",
        b"\x0a\5\1\x08",
        b"GIF89a",
        b"RIFF\xff\xff\xff\xffWEBPVP8 ",
        b"II*\0\x08\0\0\0\0\0",
        b"MM\0+",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"\x1f\x8b\x08",
        b"PK\3\4",
        b"\x7fELF",
        b"#!/bin/sh\n",
        b"\0",
        b"\n",
        b"\x89PNG\r\n\x1a\n",
    )
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
