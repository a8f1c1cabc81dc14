"""Photographs as cameras and scanners write them, read to RGB in [0, 1] and written back as they were.

The paper's pictures are 8-bit RGB, square and aligned; people's are not. Here meet 8 and 16 bits, bilevel, grey,
palette, CMYK, transparency, EXIF orientation and float TIFF. What the networks cannot use (alpha, depth, greyness, the
colour profile) is kept beside the pixels, so that a photograph which nothing changed is written with the values it was
read with.
"""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

from umsn.faces import LUMA
from umsn.files import InputError, whole

#: Formats looked for. Those that start other programs (EPS) or have no signature of their own (TGA) are left out.
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "AVIF", "PPM", "PCX")
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".jp2", ".avif", ".ppm", ".pgm", ".pbm", ".pcx")
)  #: by which pictures are found in a folder
EXPECTED = "a photograph (JPEG, PNG, TIFF, WebP, BMP, GIF, ...) was expected"
NOT_READ = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".heic", ".heif")
MOST_PIXELS = 128_000_000  #: about 1.5 GB as float32 RGB

#: What undoes each EXIF orientation: transpose first, then reverse the rows, reverse the columns
UPRIGHT = {2: (0, 0, 1), 3: (0, 1, 1), 4: (0, 1, 0), 5: (1, 0, 0), 6: (1, 0, 1), 7: (1, 1, 1), 8: (1, 1, 0)}


for _decoder in ("PIL", "tifffile"):  # what they log of a broken file ends in our one line
    logging.getLogger(_decoder).addHandler(logging.NullHandler())


class Photograph(NamedTuple):
    """A picture and what it takes to write it back."""

    rgb: Tensor  #: (3, H, W) float32 in [0, 1]; three equal channels for a grey picture
    alpha: Tensor | None = None  #: (H, W) float32 in [0, 1], 1 opaque; None where there is no transparency
    bits: int = 8  #: 8 or 16 a channel
    grey: bool = False  #: whether it is written with one channel
    profile: bytes | None = None  #: the embedded ICC colour profile


def read(path: str | os.PathLike[str]) -> Photograph:
    """Read the first frame of any picture, upright.

    16 bits are kept whole in PNG and TIFF (grey or RGB, with or without alpha); of 16-bit CMYK or colour PPM, 8 remain.
    Float TIFF must lie in [0, 1] and counts as 16 bits. CMYK becomes sRGB, through its profile where it has one.

    Raises InputError when there is no file, when it is no picture or a broken one, or beyond ``MOST_PIXELS``.
    """
    path = Path(path)
    content = _content(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels, profile = _decode(content, path)
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{path}: not a picture; {EXPECTED}") from None
    except Exception as error:  # decoders fail in many ways on a broken file: OSError, SyntaxError, struct.error, ...
        why = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: a broken picture ({why}); {EXPECTED}") from None
    return _photograph(pixels, profile, path)


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
    pixels = np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    try:
        with whole(path) as beside:
            if photograph.bits == 16:
                beside.write_bytes(_deep_png(pixels, photograph.profile))
            else:
                Image.fromarray(pixels).save(beside, format="PNG", icc_profile=photograph.profile)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


def _content(path: Path) -> bytes:
    """The bytes of a regular file with something in it."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: a folder; {EXPECTED}")
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: not a regular file; {EXPECTED}")
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {EXPECTED}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); {EXPECTED}") from None
    if not content:
        raise InputError(f"{path}: an empty file; {EXPECTED}")
    if path.suffix.lower() in NOT_READ:
        raise InputError(f"{path}: {path.suffix[1:].upper()} is not read here; convert it to JPEG, PNG or TIFF first")
    return content


def _decode(content: bytes, path: Path) -> tuple[np.ndarray, bytes | None]:
    """The upright pixels (H, W, C), C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; and the colour profile."""
    if content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        deep = _deep_tiff(content, path)
        if deep is not None:
            return deep
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise InputError(f"{path}: too many pixels; at most {MOST_PIXELS // 10**6} million were expected") from None
    _check_size(path, image.height, image.width)
    profile = image.info.get("icc_profile")
    if image.format == "PNG" and content[24] == 16 and content[25] != 0:  # Pillow keeps 8 of 16 bits here
        import imagecodecs

        return _upright(imagecodecs.png_decode(content), image.getexif().get(0x0112, 1)), profile
    return _plain(ImageOps.exif_transpose(image), profile)


def _plain(image: Image.Image, profile: bytes | None) -> tuple[np.ndarray, bytes | None]:
    """What Pillow reads, brought to grey or RGB, with or without alpha."""
    if image.mode == "CMYK":
        return np.asarray(_from_inks(image, profile)), None
    if image.mode.startswith(("I", "F")):  # more than 8 bits of grey
        return np.asarray(image), profile
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    return np.asarray(image.convert(mode + "A" if image.has_transparency_data else mode)), profile


def _from_inks(image: Image.Image, profile: bytes | None) -> Image.Image:
    """CMYK to sRGB: through its profile, or as (1 - ink) (1 - black) where there is none that fits."""
    try:
        inks = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        return ImageCms.profileToProfile(image, inks, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (OSError, ImageCms.PyCMSError):
        return image.convert("RGB")


def _deep_tiff(content: bytes, path: Path) -> tuple[np.ndarray, bytes | None] | None:
    """A TIFF of more than 8 bits, grey or RGB, whole; None for those that Pillow reads as well."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0]
        if page.bitspersample <= 8 or page.photometric not in (0, 1, 2):
            return None
        _check_size(path, page.imagelength, page.imagewidth)
        pixels = page.asarray()
        if page.axes.startswith("S"):  # stored plane by plane
            pixels = np.moveaxis(pixels, 0, -1)
        if pixels.dtype == np.uint16 and page.bitspersample < 16:
            pixels = pixels.astype(np.float32) / (2**page.bitspersample - 1)
        if page.photometric == 0:  # white is zero
            pixels = (1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max) - pixels
        orientation = page.tags.valueof(0x0112, default=1)
        return _upright(pixels, orientation), page.tags.valueof(0x8773)


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation 1..8."""
    transposed, rows, columns = UPRIGHT.get(orientation, (False, False, False))
    pixels = np.swapaxes(pixels, 0, 1) if transposed else pixels
    return pixels[:: -1 if rows else 1, :: -1 if columns else 1]


def _check_size(path: Path, height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise InputError(f"{path}: {height} x {width} pixels; {EXPECTED}")
    if height * width > MOST_PIXELS:
        most = f"at most {MOST_PIXELS // 10**6} million were expected"
        raise InputError(f"{path}: too many pixels ({height} x {width}); {most}")


def _photograph(pixels: np.ndarray, profile: bytes | None, path: Path) -> Photograph:
    """Scale to [0, 1] and split the channels."""
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[-1] > 4:
        raise InputError(f"{path}: an array of shape {pixels.shape}; one to four channels were expected")
    low, high = float(pixels.min()), float(pixels.max())
    bits = 8 if pixels.dtype == np.uint8 else 16
    most = 1 if pixels.dtype.kind == "f" else 2**bits - 1
    if not (low >= 0 and high <= most):  # false for nan as well
        raise InputError(f"{path}: values from {low:g} to {high:g}; 0 to {most} were expected")
    planes = torch.from_numpy(np.ascontiguousarray(pixels.astype(np.float32) / most)).movedim(-1, 0).contiguous()
    alpha = planes[-1] if len(planes) in (2, 4) else None
    grey = len(planes) <= 2
    rgb = planes[:1].repeat(3, 1, 1) if grey else planes[:3]
    return Photograph(rgb, alpha, bits, grey, profile)


def _deep_png(pixels: np.ndarray, profile: bytes | None) -> bytes:
    """A PNG of 16 bits a channel, its profile put right after the 33 bytes of signature and header."""
    import imagecodecs

    png = imagecodecs.png_encode(pixels)
    if profile is None:
        return png
    body = b"iCCP" + b"ICC profile\0\0" + zlib.compress(profile)
    return png[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]
