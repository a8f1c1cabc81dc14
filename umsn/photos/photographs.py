"""Photographs as cameras and scanners write them, read to RGB in [0, 1] and written back as they were.

The paper's images are 8-bit RGB, square and aligned; people's are not. Here meet 8 and 16 bits, bilevel, grey,
palette, CMYK, transparency, EXIF orientation and float TIFF. What the networks cannot use (alpha, depth, greyness, the
colour profile) is kept beside the pixels, so that a photograph which nothing changed is written with the values it was
read with.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from umsn.faces import LUMA
from umsn.files import InputError, read_bytes, whole
from umsn.marks import marked
from umsn.photos.decoding import decoded
from umsn.photos.raster import Raster
from umsn.pictures import EXPECTED

MOST_PIXELS = 128_000_000  #: about 1.5 GB as float32 RGB
MOST_BYTES = 2**31  #: of a file: as many pixels of four channels in 16 bits, twice


class Photograph(NamedTuple):
    """An image and what it takes to write it back."""

    rgb: Tensor  #: (3, H, W) float32 in [0, 1]; three equal channels for a grey image
    alpha: Tensor | None = None  #: (H, W) float32 in [0, 1], 1 opaque; None where there is no transparency
    bits: int = 8  #: 8 or 16 a channel
    grey: bool = False  #: whether it is written with one channel
    profile: bytes | None = None  #: the embedded ICC colour profile


def opened(path: str | os.PathLike[str]) -> Raster:
    """Read the first frame of any image, upright, as the pixels that its file has.

    16 bits are kept whole in PNG and TIFF (grey or RGB, with or without alpha); of 16-bit CMYK or colour PPM, 8 remain.
    Float TIFF must lie in [0, 1] and counts as 16 bits. CMYK and LAB become sRGB, through their profile where there is
    one. What a file is, its content says, not its name.

    Raises InputError when there is no file, when it is no image or a broken one, or beyond ``MOST_PIXELS``.
    """
    return decoded(read_bytes(path, EXPECTED, most=MOST_BYTES), path, most=MOST_PIXELS)


def read(path: str | os.PathLike[str]) -> Photograph:
    """The same in floating point."""
    raster = opened(path)
    alpha = None
    if raster.pixels.shape[-1] in (2, 4):
        alpha = torch.from_numpy(raster.pixels[..., -1].astype(np.float32) / np.float32(raster.most))
    return Photograph(raster.part(slice(None), slice(None)), alpha, raster.bits, raster.grey, raster.profile)


def write(path: str | os.PathLike[str], photograph: Photograph) -> None:
    """Write a PNG, whole, of the photograph's own depth, greyness, transparency and profile. ``path`` must end in .png.

    Raises InputError when the folder cannot be written to.
    """
    planes = photograph.rgb
    if photograph.grey:
        planes = (planes * planes.new_tensor(LUMA)[:, None, None]).sum(0, keepdim=True)
    if photograph.alpha is not None:
        planes = torch.cat([planes, photograph.alpha[None]])
    most, kind = (65535, np.uint16) if photograph.bits == 16 else (255, np.uint8)
    pixels = (planes.clamp(0, 1) * most).round().movedim(0, -1).numpy().astype(kind)  # (H, W, C)
    save(path, Raster(pixels, photograph.profile))


def save(path: str | os.PathLike[str], raster: Raster) -> None:
    """Write a raster as `write` does, with the mark of `umsn.marks`."""
    pixels = raster.pixels
    if pixels.dtype.kind == "f":
        pixels = np.rint(pixels.clip(0, 1) * np.float32(65535)).astype(np.uint16)
    pixels = np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if raster.bits == 16:
        png = _deep_png(pixels, raster.profile)
    else:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="PNG", icc_profile=raster.profile)
        png = buffer.getvalue()
    try:
        with whole(path) as beside:
            beside.write_bytes(marked(png))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


def _deep_png(pixels: np.ndarray, profile: bytes | None) -> bytes:
    """A PNG of 16 bits a channel, its profile put right after the 33 bytes of signature and header."""
    import imagecodecs

    png = imagecodecs.png_encode(pixels)
    if profile is None:
        return png
    body = b"iCCP" + b"ICC profile\0\0" + zlib.compress(profile)
    return png[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]
