"""Kernels that somebody has measured or drawn, read from disk: an .npz of several, an .npy of one, a folder of .npy."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from umsn.files import InputError, read_bytes

EXPECTED = "kernels in an .npz file, an .npy file or a folder of .npy files were expected"
LARGEST = 127  #: pixels: moved by up to half its size, such a kernel still blurs a face of 128
MOST_BYTES = 2**28  #: of all arrays of a file, unpacked
SUM = 0.01  #: how far a kernel's sum may be from 1


def read_kernels(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[np.float64]], str]:
    """Kernels (k, k) by their names, and the first twelve hexadecimal digits of a digest of the file, or of all files.

    Raises InputError, naming file and kernel, for what is no array of numbers, even, oblong, not finite, negative, not
    of sum 1, or larger than `LARGEST`.
    """
    path = Path(path)
    if os.path.isdir(path):
        files = sorted(file for file in path.iterdir() if file.suffix == ".npy" and not file.name.startswith("."))
        contents = {file: read_bytes(file, EXPECTED) for file in files}
        found = {file.stem: kernel for file, content in contents.items() for kernel in _arrays(content, file).values()}
    else:
        contents = {path: read_bytes(path, EXPECTED)}
        found = _arrays(contents[path], path)
    if not found:
        raise InputError(f"{path}: no kernels; {EXPECTED}")
    digest = hashlib.sha256(b"".join(contents.values())).hexdigest()[:12]
    return {name: _checked(kernel, f"{path}: {name}") for name, kernel in found.items()}, digest


def _arrays(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """The arrays in a file by their names; one alone has the file's."""
    try:
        if not zipfile.is_zipfile(io.BytesIO(content)):
            return {path.stem: np.load(io.BytesIO(content))}
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > MOST_BYTES:
                raise InputError(f"{path}: more than {MOST_BYTES // 2**20} MiB unpacked; {EXPECTED}")
        with np.load(io.BytesIO(content)) as found:
            return dict(found)
    except InputError:
        raise
    except Exception as error:  # such files fail in many ways: BadZipFile, EOFError, ValueError, zlib.error, ...
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())[:80]}); {EXPECTED}") from None


def _checked(kernel: object, name: str) -> NDArray[np.float64]:
    if not isinstance(kernel, np.ndarray) or kernel.dtype.kind not in "fiu" or kernel.ndim != 2:
        shape = f"{kernel.shape} of {kernel.dtype}" if isinstance(kernel, np.ndarray) else type(kernel).__name__
        raise InputError(f"{name}: an array {shape}; a kernel, rows and columns of numbers, was expected")
    if kernel.shape[0] != kernel.shape[1] or len(kernel) % 2 == 0 or len(kernel) > LARGEST:
        got = f"{kernel.shape[0]} x {kernel.shape[1]}"
        raise InputError(f"{name}: {got} pixels; a square, odd kernel of at most {LARGEST} was expected")
    values = kernel.astype(np.float64)
    if not np.isfinite(values).all() or values.min() < 0 or not abs(values.sum() - 1) <= SUM:
        raise InputError(f"{name}: a sum of {values.sum():g}; finite numbers from 0, of sum 1, were expected")
    return values
