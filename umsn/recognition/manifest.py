"""Weights as TensorFlow.js keeps them: a manifest in JSON that lists tensors, and raw bytes beside it.

A tensor is stored as 32-bit floats, or as bytes q with value = scale * q + min (affine quantisation, Jacob et al.
2018).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from umsn import schema
from umsn.files import InputError, parsed, read_bytes, read_text

EXPECTED = "a manifest of weights (*-weights_manifest.json) of face-api was expected"

#: The largest file of bytes that is read; the descriptor's has 6.
MOST = 2**28

_SIZE = schema.whole(1, 2**24)
_GROUPS = schema.each(
    schema.fields(
        {
            "weights": schema.each(
                schema.fields(
                    {"name": schema.text, "shape": schema.each(_SIZE, 0, 8), "dtype": schema.one_of("float32")},
                    {
                        "quantization": schema.fields(
                            {"dtype": schema.one_of("uint8"), "scale": schema.number(), "min": schema.number()}
                        )
                    },
                ),
                1,
                10_000,
            ),
            "paths": schema.each(schema.text, 1, 1000),
        }
    ),
    1,
    1000,
)


def read_manifest(path: str | PathLike[str]) -> dict[str, Tensor]:
    """The tensors that a manifest lists, by name, float32, in the axes of the file: filters (height, width, in, out).

    Raises InputError for a manifest or bytes that are missing, cut or too long, for other types than floats and their
    8-bit quantisation, for a file elsewhere than beside the manifest, and for numbers that are not finite.
    """
    path = Path(path)
    try:
        groups = parsed(read_text(path, EXPECTED))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not JSON ({error or 'nested too deeply'}); {EXPECTED}") from None
    _GROUPS(groups, f"{path}: the manifest")
    found: dict[str, Tensor] = {}
    for group in groups:
        content = b"".join(_bytes(path, name) for name in group["paths"])
        for name, tensor in _tensors(path, group["weights"], content):
            if name in found:
                raise InputError(f"{path}: {name} twice; each tensor once was expected")
            if not bool(tensor.isfinite().all()):
                raise InputError(f"{path}: {name} holds numbers that are not finite")
            found[name] = tensor
    return found


def _bytes(path: Path, name: str) -> bytes:
    """The content of a file beside the manifest, and of no other."""
    if Path(name).name != name or "\\" in name:
        raise InputError(f"{path}: bytes in {name!r}; the name of a file beside the manifest was expected")
    try:
        return read_bytes(path.with_name(name), "the bytes of the manifest beside it were expected", most=MOST)
    except ValueError as error:  # also a name that no disk can hold
        raise error if isinstance(error, InputError) else InputError(f"{path}: {error}") from None


def _tensors(path: Path, listed: list[dict[str, Any]], content: bytes) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a group, one after the other in its bytes."""
    counts = [math.prod(weight["shape"]) for weight in listed]
    widths = [1 if "quantization" in weight else 4 for weight in listed]
    if (needed := sum(c * w for c, w in zip(counts, widths, strict=True))) != len(content):
        raise InputError(f"{path}: {len(content)} bytes of weights; {needed} were expected, as the manifest lists them")
    start = 0
    for weight, count, width in zip(listed, counts, widths, strict=True):
        raw = content[start : start + count * width]
        start += count * width
        yield weight["name"], torch.from_numpy(_values(raw, weight.get("quantization")).reshape(weight["shape"]))


def _values(raw: bytes, quantised: Mapping[str, Any] | None) -> np.ndarray:
    """Floats as they are stored, or scale * q + min in double precision, rounded once."""
    if quantised is None:
        return np.frombuffer(raw, "<f4").astype(np.float32)
    with np.errstate(over="ignore"):
        return (quantised["scale"] * np.frombuffer(raw, np.uint8) + quantised["min"]).astype(np.float32)


def fill(network: nn.Module, path: str | PathLike[str], names: Mapping[str, str]) -> None:
    """Put a manifest's tensors into a network and freeze it: ``names`` leads from its parameters to the manifest's.

    Filters (height, width, in, out) become torch's (out, in, height, width), depthwise ones (height, width, in, 1)
    become (in, 1, height, width), and matrices (in, out) become (out, in). What the manifest lists beyond is ignored.
    Raises InputError as `read_manifest` does, for a tensor that is missing and for another shape.
    """
    found, own = read_manifest(path), network.state_dict()
    missing = [names[name] for name in own if names[name] not in found]
    if missing:
        raise InputError(f"{path}: no {missing[0]} ({len(missing)} of {len(own)} tensors missing)")
    filled = {name: _turned(names[name], found[names[name]]) for name in own}
    for name, tensor in own.items():
        if filled[name].shape != tensor.shape:
            listed = tuple(found[names[name]].shape)
            raise InputError(f"{path}: {names[name]} is {listed}; {tuple(tensor.shape)} was expected, in torch's order")
    network.load_state_dict(filled)
    network.eval().requires_grad_(False)


def _turned(name: str, tensor: Tensor) -> Tensor:
    if tensor.ndim == 4:
        return tensor.permute((2, 3, 0, 1) if name.endswith("depthwise_filter") else (3, 2, 0, 1)).contiguous()
    return tensor.T.contiguous() if tensor.ndim == 2 else tensor
