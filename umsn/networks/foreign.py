"""Weights that other programs wrote: the tensors of a state dict, read so that no file can run code."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor

from umsn.files import InputError, read_bytes


def tensors(path: str | PathLike[str], what: str) -> Mapping[str, Tensor]:
    """The tensors of a .safetensors file or of a state dict that `torch.save` wrote (.pth, .pt), by their names.

    A state dict may lie under "state_dict", "model" or "net". Raises InputError, naming ``what`` was expected, for a
    file that cannot be read or holds no mapping.
    """
    path = Path(path)
    content = read_bytes(path, f"{what} (.pth, .pt, .safetensors) were expected", times=3)
    if path.suffix == ".t7":
        raise InputError(f"{path}: a Torch 7 file; convert it to a state dict (.pth) or .safetensors first")
    try:
        safe = path.suffix == ".safetensors"
        found: Any = load(content) if safe else torch.load(BytesIO(content), "cpu", weights_only=True)
    except Exception as error:  # a damaged pickle fails in any way it likes
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: cannot be read ({reason}); a state dict of plain tensors was expected") from None
    for wrapper in ("state_dict", "model", "net"):
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping):
        raise InputError(f"{path}: holds a {type(found).__name__}; a state dict was expected")
    return {str(key): value for key, value in found.items() if isinstance(value, Tensor)}


def fitting(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: str | PathLike[str], what: str
) -> dict[str, Tensor]:
    """Of the tensors ``found`` in a file, those ``wanted`` by name and shape, as float32; others are left aside.

    Raises InputError naming ``path`` for one that is missing, has another shape or holds numbers that are not finite.
    """
    missing = [name for name in wanted if name not in found]
    if missing:
        raise InputError(f"{path}: no {missing[0]} ({len(missing)} of {len(wanted)} tensors missing); {what} expected")
    for name, own in wanted.items():
        if found[name].shape != own.shape:
            raise InputError(f"{path}: {name} is {tuple(found[name].shape)}; {tuple(own.shape)} was expected")
        if found[name].is_complex() or not bool(found[name].isfinite().all()):
            raise InputError(f"{path}: {name} holds numbers that are not finite, or not real")
    return {name: found[name].float() for name in wanted}
