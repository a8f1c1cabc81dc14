"""Weights that records are about and the package does not need: kept once, in the repository's history.

``results/weights/index.json`` names each by the git object that holds it, so that a checkout stays small.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from umsn import places
from umsn.files import InputError, read_json
from umsn.networks import weights
from umsn.networks.weights import Pipeline

INDEX = "results/weights/index.json"


def entries() -> dict[str, dict[str, Any]]:
    """Name -> digest (as in records), blob (of git), bytes and what they are. Raises InputError without an index."""
    return read_json(places.path_of(INDEX))


def content(name: str) -> bytes:
    """The file of that name, out of the history. Raises InputError where there is no such name or no history."""
    known = entries()
    if name not in known:
        raise InputError(f"weights {name!r}: expected one of {', '.join(known)}")
    order = ["git", "-C", str(Path(__file__).parent), "cat-file", "blob", known[name]["blob"]]
    try:
        found = subprocess.run(order, capture_output=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        found = b""
    if weights.digest_of(found) != known[name]["digest"]:
        raise InputError(
            f"weights {name!r}: not in this checkout's history; they are git object {known[name]['blob'][:12]} of the "
            "repository's whole clone (git fetch --unshallow)"
        )
    return found


def kept(name: str) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Tensors, facts and digest of the weights of that name. Raises InputError as `content` does."""
    found = content(name)
    return *weights.decoded(found), weights.digest_of(found)


def pipeline_of(digest: str, device: str | torch.device = "cpu") -> Pipeline | None:
    """The networks whose file has this digest; None where it is not in the index."""
    name = next((name for name, entry in entries().items() if entry["digest"] == digest), None)
    if name is None:
        return None
    tensors, facts, digest = kept(name)
    return weights.assembled(tensors, facts, source=name, digest=digest, device=device)
