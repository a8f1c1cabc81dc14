"""A file's content to pixels: the depth, colours and transparency that it has, and a word where some cannot be kept."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from umsn.files import InputError
from umsn.photos.raster import Raster
from umsn.pictures import PNG, TIFF, check_kind, check_size, image_of, named, orientation, without_extras

#: What undoes each EXIF orientation: transpose first, then reverse the rows, reverse the columns
UPRIGHT = {2: (0, 0, 1), 3: (0, 1, 1), 4: (0, 1, 0), 5: (1, 0, 0), 6: (1, 0, 1), 7: (1, 1, 1), 8: (1, 1, 0)}

#: The largest profile that other programs read in a PNG.
MOST_PROFILE = 2**20

#: Of a TIFF: tags, and values of them.
ORIENTATION, PROFILE, EXTRA_SAMPLES = 0x0112, 0x8773, 0x0152
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
SIGNED, COMPLEX_WHOLE, COMPLEX = 2, 5, 6
PREMULTIPLIED = 1

for _decoder in ("PIL", "tifffile"):  # what they log of a broken file ends in our one line
    logging.getLogger(_decoder).addHandler(logging.NullHandler())


def decoded(content: bytes, path: str | os.PathLike[str], *, most: int) -> Raster:
    """The upright first frame of a file's content. Raises InputError, naming ``path``, as `pictures.image_of` does."""
    path = Path(path)
    check_kind(content, path)
    raster = None
    if content.startswith(TIFF):
        with named(path):
            raster = _deep_tiff(content, path, most)
    if raster is None:
        image = image_of(content, path, most=most)
        with named(path):
            raster = _of(image, content)
    _check_values(raster.pixels, path)
    return _with_a_fitting_profile(raster)


def _of(image: Image.Image, content: bytes) -> Raster:
    """What Pillow has read."""
    profile = image.info.get("icc_profile")
    profile = profile if isinstance(profile, bytes) else None
    dropped = () if profile or b"iCCP" not in content[:8192] or not content.startswith(PNG) else ("its colour profile",)
    if content.startswith(PNG) and content[24] == 16:  # Pillow keeps 8 of 16 bits here, and no transparent colour
        pixels = _deep_png(without_extras(content))
    else:
        pixels, profile = _plain(image, profile)
    return Raster(_upright(pixels, orientation(image)), profile, dropped)


def _deep_png(content: bytes) -> np.ndarray:
    """All 16 bits of a PNG, its transparent colour as alpha."""
    import imagecodecs

    pixels = imagecodecs.png_decode(content)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    place = content.find(b"tRNS", 33, content.find(b"IDAT"))
    if place < 0 or pixels.shape[-1] not in (1, 3):
        return pixels
    key = np.frombuffer(content[place + 4 : place + 4 + 2 * pixels.shape[-1]], ">u2")
    alpha = np.where((pixels == key).all(-1, keepdims=True), 0, 65535).astype(np.uint16)
    return np.concatenate([pixels, alpha], axis=-1)


def _plain(image: Image.Image, profile: bytes | None) -> tuple[np.ndarray, bytes | None]:
    """Pillow's modes, brought to grey or RGB, with or without alpha; and the profile that then still holds."""
    if image.mode in ("CMYK", "LAB"):
        return np.array(_to_srgb(image, profile)), None
    if image.mode.startswith(("I", "F")):  # more than 8 bits of grey
        return np.array(image), profile
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    mode += "A" if image.has_transparency_data else ""
    if image.mode == "La":  # premultiplied, of which Pillow knows no way back
        return _straight(np.array(image)), profile
    return np.array(image if image.mode == mode else image.convert(mode)), profile


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """CMYK or LAB to sRGB: through the profile; where none fits, LAB as it is defined, inks as (1 - ink)(1 - black)."""
    own = ImageCms.createProfile("LAB") if image.mode == "LAB" else io.BytesIO(profile or b"")
    try:
        return ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (OSError, ImageCms.PyCMSError):
        return image.convert("RGB")


def _deep_tiff(content: bytes, path: Path, most: int) -> Raster | None:
    """A TIFF of more than 8 bits, or one whose white is zero beside alpha; None for what Pillow reads as well."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0]
        bits, light = page.bitspersample, page.photometric
        if page.sampleformat in (SIGNED, COMPLEX_WHOLE, COMPLEX):
            raise InputError(f"{path}: signed or complex values; whole numbers from 0, or fractions, were expected")
        if light not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB) or not isinstance(bits, int):
            return None
        extra = tuple(np.atleast_1d(page.tags.valueof(EXTRA_SAMPLES, default=())))
        if bits < 8 or (bits == 8 and not (extra and (light == WHITE_IS_ZERO or extra[0] == PREMULTIPLIED))):
            return None
        if bits > 64 or page.samplesperpixel < 1 or page.samplesperpixel > 64:
            raise InputError(f"{path}: {page.samplesperpixel} samples of {bits} bits; 8 or 16 bits were expected")
        check_size(path, page.imagelength, page.imagewidth, page.samplesperpixel * -(-bits // 8), most)
        pixels = page.asarray()
        if pixels.dtype.kind not in "uf":
            raise InputError(f"{path}: values of type {pixels.dtype}; whole numbers or fractions were expected")
        if page.axes.startswith("S"):  # stored plane by plane
            pixels = np.moveaxis(pixels, 0, -1)
        if pixels.dtype == np.uint16 and bits < 16:
            pixels = pixels.astype(np.float32) / (2**bits - 1)
        pixels = _coloured(pixels, white_is_zero=light == WHITE_IS_ZERO, premultiplied=bool(extra) and extra[0] == 1)
        profile = page.tags.valueof(PROFILE)
        dropped = () if profile is None or isinstance(profile, bytes) else ("its colour profile, which is broken",)
        turned = _upright(pixels, page.tags.valueof(ORIENTATION, default=1))
        return Raster(turned, profile if isinstance(profile, bytes) else None, dropped)


def _coloured(pixels: np.ndarray, *, white_is_zero: bool, premultiplied: bool) -> np.ndarray:
    """Brightness that grows with the value, and colours that were not multiplied by their alpha."""
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if white_is_zero:
        white = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
        pixels = np.concatenate([white - pixels[..., :1], pixels[..., 1:]], axis=-1)
    return _straight(pixels) if premultiplied and pixels.shape[-1] in (2, 4) else pixels


def _straight(pixels: np.ndarray) -> np.ndarray:
    """Colours divided by the alpha that they were multiplied with."""
    most = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    colour, alpha = pixels[..., :-1].astype(np.float32), pixels[..., -1:]
    found = np.minimum(colour * np.float32(most) / np.maximum(alpha, np.finfo(np.float32).tiny), most)
    found = found if pixels.dtype.kind == "f" else np.rint(found)
    return np.concatenate([found.astype(pixels.dtype), alpha], axis=-1)


def _upright(pixels: np.ndarray, turn: object) -> np.ndarray:
    """Undo an EXIF orientation 1..8."""
    transposed, rows, columns = UPRIGHT.get(turn if isinstance(turn, int) else 1, (False, False, False))
    pixels = np.swapaxes(pixels, 0, 1) if transposed else pixels
    return pixels[:: -1 if rows else 1, :: -1 if columns else 1]


def _check_values(pixels: np.ndarray, path: Path) -> None:
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and not 1 <= pixels.shape[-1] <= 4):
        raise InputError(f"{path}: an array of shape {pixels.shape}; one to four channels were expected")
    low, high = float(pixels.min()), float(pixels.max())
    most = 1 if pixels.dtype.kind == "f" else 255 if pixels.dtype == np.uint8 else 65535
    if not (low >= 0 and high <= most):  # false for nan as well
        raise InputError(f"{path}: values from {low:g} to {high:g}; 0 to {most} were expected")


def _with_a_fitting_profile(raster: Raster) -> Raster:
    """Three axes, one of three types, and a profile that is of the image's kind, or none and a word about it."""
    pixels, profile, dropped = raster
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    kind = np.uint8 if pixels.dtype == np.uint8 else np.float32 if pixels.dtype.kind == "f" else np.uint16
    pixels = np.require(pixels, kind, ("C", "W"))
    kinds = (b"RGB ", b"GRAY") if pixels.shape[-1] <= 2 else (b"RGB ",)
    if profile is not None and profile[16:20] not in kinds:
        profile, dropped = None, (*dropped, "its colour profile, which is of another kind")
    elif profile is not None and len(profile) > MOST_PROFILE:
        profile, dropped = None, (*dropped, "its colour profile, which is larger than 1 MiB")
    return Raster(pixels, profile, dropped)
