"""Weights on disk, and the trained networks that come with the package. Always safetensors: no file can run code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import as_file, files
from os import PathLike
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from umsn import schema
from umsn.files import InputError, parsed, read_bytes, whole
from umsn.networks.deblurring import VARIANTS, Deblurred, build, parameters
from umsn.networks.parsing import SNet
from umsn.networks.rivals import LEARNED

#: What weights say of their networks.
NETWORKS = schema.fields(
    {
        "method": schema.one_of(*VARIANTS, *LEARNED),
        "width": schema.whole(8, 512),
        "expansion": schema.number(1 / 16, 8),
        "parsing_widths": schema.each(schema.whole(1, 1024), 1, 8),
    }
)


def save(
    path: str | PathLike[str], tensors: Mapping[str, Tensor], facts: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write tensors and facts about them (what JSON can hold), whole. ``half`` stores floating point in 16 bits."""
    kept = {
        n: (t.half() if half and t.is_floating_point() else t).detach().cpu().contiguous() for n, t in tensors.items()
    }
    with whole(path) as beside:
        beside.write_bytes(
            to_bytes(kept, metadata={"facts": json.dumps(facts)})
        )  # save_file would let no one else read


def load(path: str | PathLike[str], device: str | torch.device = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save` wrote: tensors (16-bit ones as float32) and facts.

    Raises InputError when the file is missing, truncated, not safetensors, not written by `save`, or holds numbers that
    are not finite.
    """
    return _loaded(path, device)[:2]


def _loaded(path: str | PathLike[str], device: str | torch.device) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Tensors, facts and the file's digest."""
    content = read_bytes(path, "weights written by umsn (.safetensors) were expected", times=3)
    try:
        return *decoded(content, device), digest_of(content)
    except (SafetensorError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); whole weights (.safetensors) were expected") from None


def decoded(content: bytes, device: str | torch.device = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a file's bytes.

    Raises SafetensorError, ValueError or RecursionError where `save` did not write them or a number is not finite.
    """
    tensors = from_bytes(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    facts = header.get("__metadata__", {}).get("facts")
    if facts is None:
        raise ValueError("weights without the facts that umsn writes; another program's file?")
    facts = parsed(facts, finite=False)
    if not isinstance(facts, dict):
        raise ValueError("its facts are no mapping")
    for name, tensor in tensors.items():
        if tensor.is_complex() or not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} holds numbers that are not finite, or not real")
    there = {name: tensor.to(device) for name, tensor in tensors.items()}
    return {n: t.float() if t.dtype == torch.float16 else t for n, t in there.items()}, facts


def is_ours(content: bytes) -> bool:
    """Whether a file's content is weights as `save` writes them."""
    try:
        decoded(content)
    except (SafetensorError, ValueError, RecursionError):
        return False
    return True


def digest(path: str | PathLike[str]) -> str:
    """The first twelve hexadecimal digits of a file's SHA-256, by which records name weights."""
    return digest_of(read_bytes(path, "a file whose digest is asked for was expected"))


def digest_of(content: bytes) -> str:
    """The same for bytes."""
    return hashlib.sha256(content).hexdigest()[:12]


def into(network: nn.Module, tensors: Mapping[str, Tensor], *, prefix: str = "", source: object = "weights") -> None:
    """Put the tensors called ``prefix``... into the network. Raises InputError naming ``source`` if they do not fit."""
    own = {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{source}: does not fit {type(network).__name__} ({reason})") from None


class Pipeline(NamedTuple):
    """The walk of Fig. 2: S-Net names the classes of a blurred face, a deblurring network restores it."""

    snet: SNet
    network: nn.Module
    facts: Mapping[str, Any]
    digest: str  #: the first twelve hexadecimal digits of the file's SHA-256

    def masks(self, blurred: Tensor) -> Tensor:
        """m-hat: (B, 3, H, W) -> (B, K, H, W)."""
        return self.snet.masks(blurred)

    @torch.inference_mode()
    def __call__(self, blurred: Tensor) -> Deblurred:
        """Restore (B, 3, H, W) RGB in [0, 1]; the result is clipped to [0, 1].

        Raises InputError where weights that are too large make numbers that are not finite.
        """
        deblurred = self.network(blurred, self.masks(blurred))
        if not bool(deblurred.restored.isfinite().all()):
            raise InputError(f"weights {self.digest}: make numbers that are not finite; trained ones were expected")
        return deblurred._replace(restored=deblurred.restored.clamp(0, 1))


def pipeline(path: str | PathLike[str], device: str | torch.device = "cpu") -> Pipeline:
    """Read a file with S-Net and a deblurring network, as training and the package write it. Raises InputError."""
    tensors, facts, digest = _loaded(path, device)
    return assembled(tensors, facts, source=path, digest=digest, device=device)


def assembled(
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    *,
    source: object,
    digest: str,
    device: str | torch.device = "cpu",
) -> Pipeline:
    """The networks of tensors and facts read from ``source``. Raises InputError naming it."""
    try:
        NETWORKS(facts, "facts")
    except InputError as error:
        raise InputError(
            f"{source}: says nothing of its networks ({error}); a file exported by umsn was expected"
        ) from None
    snet = SNet(widths=tuple(facts["parsing_widths"]))
    network = _network(facts, tensors, source)
    into(snet, tensors, prefix="snet.", source=source)
    into(network, tensors, prefix="network.", source=source)
    return Pipeline(snet.to(device).eval(), network.to(device).eval(), facts, digest)


def _network(facts: Mapping[str, Any], tensors: Mapping[str, Tensor], source: object) -> nn.Module:
    """A new one, of the method and widths that facts tell; rivals of Table III have no expansion.

    Raises InputError where a rival, whose width may ask for gigabytes, would be larger than what is there for it.
    """
    method, width = facts["method"], facts["width"]
    if method not in LEARNED:
        return build(method, width=width, expansion=facts["expansion"])
    with torch.device("meta"):  # where nothing is allocated
        needed = parameters(LEARNED[method].network(width))
    held = sum(tensor.numel() for name, tensor in tensors.items() if name.startswith("network."))
    if needed > held:
        raise InputError(f"{source}: holds {held:,} numbers; {method!r} of width {width} has {needed:,}")
    return LEARNED[method].network(width)


@lru_cache(maxsize=8)
def shipped(method: str = "umsn", device: str = "cpu") -> Pipeline:
    """The trained networks in the package: "umsn", or another row of Table VI. See umsn/pretrained/MODEL_CARD.md."""
    resource = files("umsn") / "pretrained" / f"{method}.safetensors"
    if method in LEARNED and not resource.is_file():
        how = f"`umsn train --stage {method}` makes a file, which --weights names"
        raise InputError(f"method {method!r}: the package has no weights of this rival; {how}")
    if not resource.is_file():
        raise InputError(f"method {method!r}: no weights of that name come with the package")
    with as_file(resource) as path:
        return pipeline(path, device)


def shipped_names() -> list[str]:
    """The methods whose trained networks come with the package."""
    there = [resource.name for resource in (files("umsn") / "pretrained").iterdir()]
    return sorted(name.removesuffix(".safetensors") for name in there if name.removesuffix(".safetensors") in VARIANTS)
