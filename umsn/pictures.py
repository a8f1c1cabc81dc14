"""Images as files hold them: what kind one is, by its content; read by Pillow without starting any other program."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from umsn.files import InputError
from umsn.memory import free_memory

#: Formats read. Those that start other programs (EPS) or have no signature of their own (TGA) are left out.
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "AVIF", "PPM", "PCX")
EXPECTED = "a photograph (JPEG, PNG, TIFF, WebP, BMP, GIF, ...) was expected"
MOST_PIXELS = 128_000_000

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

#: How files of images begin that are read here, besides those with a box "ftyp".
READ = (JPEG, PNG, *TIFF, b"GIF87a", b"GIF89a", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")

#: How files of images begin that are not read, and what they are.
NOT_READ = {
    b"FUJIFILMCCD-RAW": "RAF",
    b"IIU\0": "RW2",
    b"IIRO": "ORF",
    b"IIRS": "ORF",
    b"MMOR": "ORF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"8BPS": "PSD",
}
BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"heim": "HEIC", b"heis": "HEIC", b"crx ": "CR3"}
RAW = (".dng", ".cr2", ".nef", ".arw", ".pef", ".srw", ".raf", ".orf", ".rw2", ".cr3")  #: TIFF inside, mostly
NAMED = (*RAW, ".heic", ".heif")  #: suffixes by which the others are known where their content says nothing

#: Chunks of a PNG, and segments of a JPEG, without which there is no image.
CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
ADOBE = 0xEE  #: the segment that says how colours are coded


def is_readable(head: bytes) -> bool:
    """Whether a file's first 32 bytes are those of an image that is read here."""
    if head[4:8] == b"ftyp":
        return unread(head) is None and bool({b"avif", b"avis"} & set(_brands(head)))
    windows = head[:2] == b"BM" and head[6:10] == bytes(4)
    return head.startswith(READ) or windows or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def unread(head: bytes, suffix: str = "") -> str | None:
    """The name of an image's format that is not read here: by its first 32 bytes, for raw ones by the suffix too."""
    if head[4:8] == b"ftyp":
        brands = _brands(head)
        known = next((BRANDS[brand] for brand in brands if brand in BRANDS), None)
        return known or ("HEIC" if b"mif1" in brands and b"avif" not in brands else None)
    if head.startswith(TIFF) and (suffix.lower() in RAW or head[8:10] == b"CR"):
        return suffix[1:].upper() if suffix.lower() in RAW else "CR2"
    known = next((name for start, name in NOT_READ.items() if head.startswith(start)), None)
    return known or (suffix[1:].upper() if suffix.lower() in NAMED and not is_readable(head) else None)


def check_kind(content: bytes, path: str | os.PathLike[str]) -> None:
    """Raise InputError for an image of a format that is not read, calling it by its name."""
    if kind := unread(content[:32], Path(path).suffix):
        raise InputError(f"{path}: {kind} is not read here; convert it to JPEG, PNG or TIFF first")


def _brands(head: bytes) -> list[bytes]:
    return [head[8:12], *(head[i : i + 4] for i in range(16, min(len(head), int.from_bytes(head[:4])), 4))]


@contextmanager
def quiet() -> Iterator[None]:
    """A block in which neither Python's warnings nor the libraries in C write on the standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.stderr.flush()
        try:
            kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        except OSError:
            yield
            return
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


@contextmanager
def named(path: str | os.PathLike[str]) -> Iterator[None]:
    """A quiet block that decodes: whatever fails in it becomes an InputError that names the file."""
    try:
        with quiet():
            yield
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{path}: not an image; {EXPECTED}") from None
    except MemoryError:
        raise InputError(f"{path}: does not fit into the free memory") from None
    except Exception as error:  # decoders fail in many ways on a broken file: OSError, SyntaxError, struct.error, ...
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: a broken image ({why}); {EXPECTED}") from None


def image_of(content: bytes, path: str | os.PathLike[str], *, most: int = MOST_PIXELS) -> Image.Image:
    """The first frame of a file's content, decoded, as it lies there (`orientation` says how it is to be turned).

    Broken parts beside the pixels (Exif, profiles) are left out. Raises InputError, naming ``path``, for other content,
    more than ``most`` pixels or what does not fit into free memory.
    """
    check_kind(content, path)
    with named(path):
        try:
            return _loaded(content, path, most)
        except InputError:
            raise
        except Image.DecompressionBombError:
            raise InputError(f"{path}: too many pixels; at most {most // 10**6} million were expected") from None
        except Exception:
            if (bare := without_extras(content)) == content:
                raise
            return _loaded(bare, path, most)


def _loaded(content: bytes, path: str | os.PathLike[str], most: int) -> Image.Image:
    image = Image.open(BytesIO(content), formats=FORMATS)
    check_size(path, image.height, image.width, len(image.getbands()) * (4 if image.mode in ("I", "F") else 1), most)
    image.load()
    return image


def check_size(path: str | os.PathLike[str], height: int, width: int, each: int, most: int = MOST_PIXELS) -> None:
    """Raise InputError for an image of no pixels, more than ``most``, or of too many bytes, ``each`` a pixel."""
    if height < 1 or width < 1:
        raise InputError(f"{path}: {height} x {width} pixels; {EXPECTED}")
    if height * width > most:
        raise InputError(f"{path}: too many pixels ({height} x {width}); at most {most // 10**6} million were expected")
    if 4 * height * width * each > free_memory():
        raise InputError(f"{path}: {height} x {width} pixels do not fit into the free memory")


def orientation(image: Image.Image) -> int:
    """Which of Exif's eight orientations an image has; 1, upright, where it says nothing that can be read."""
    try:
        found = image.getexif().get(0x0112, 1)
    except Exception:  # broken Exif fails in any way it likes
        return 1
    return found if found in range(1, 9) else 1


def without_extras(content: bytes) -> bytes:
    """A PNG or JPEG without what is no part of the image: texts, Exif, profiles, and colour signs that are cut."""
    if content.startswith(PNG):
        return PNG + b"".join(chunk for kind, chunk in _chunks(content) if kind in CHUNKS)
    if content.startswith(JPEG):
        return _essential_segments(content)
    return content


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(PNG)
    while place + 12 <= len(png):
        end = place + 12 + int.from_bytes(png[place : place + 4])
        yield png[place + 4 : place + 8], png[place:end]
        place = end


def _essential_segments(jpeg: bytes) -> bytes:
    kept, place = [jpeg[:2]], 2
    while jpeg[place : place + 1] == b"\xff" and place + 4 <= len(jpeg):
        kind, end = jpeg[place + 1], place + 2 + int.from_bytes(jpeg[place + 2 : place + 4])
        if kind == 0xDA:  # the scan, to the end of the file
            break
        if kind < 0xE0 or (kind in (0xE0, ADOBE) and end - place >= 14) or 0xEF < kind != 0xFE:
            kept.append(jpeg[place:end])
        place = end
    return b"".join([*kept, jpeg[place:]])
