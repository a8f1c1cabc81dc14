"""The methods of Table III and VI by their names: blurred images in, restored images out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from umsn.evaluation import rivals
from umsn.files import InputError
from umsn.networks.deblurring import VARIANTS
from umsn.networks.onnx_export import Fast
from umsn.networks.rivals import LEARNED
from umsn.networks.weights import Pipeline, pipeline, shipped, shipped_names

Method = Callable[[Tensor], Tensor]  #: blurred (B, 3, H, W) in [0, 1] -> restored, likewise


def in_double(method: Method) -> Method:
    """The method, computed in 64 bits for images of any precision, which it gives back.

    Blind methods alternate hundreds of steps that decide by thresholds: in 32 bits, what the processor rounds
    otherwise ends in another kernel.
    """
    return lambda blurred: method(blurred.double()).to(blurred.dtype)


#: Methods that need no weights: the input as it is, and rivals of Table III.
UNTRAINED: Mapping[str, Method] = {
    "blurred": lambda blurred: blurred,
    **{name: in_double(rival.deblur) for name, rival in rivals.BLIND.items()},
}

#: Methods that need weights: the rows of Table VI, and the rivals that are trained.
TRAINED: tuple[str, ...] = (*VARIANTS, *LEARNED)

#: What follows a rival's network.
AFTERWARDS: Mapping[str, Method] = {"song": rivals.gallery_detail.enhanced}

#: How the paper calls them.
TITLES = {
    "blurred": "Blurred images",
    "bnet": "B-Net",
    "maps": "+ semantic maps",
    "nrl": "+ nested residuals",
    "umsn-plain": "UMSN without L_c",
    "umsn": "UMSN",
    "cho": "Cho et al. (SIGGRAPH 2009)",
    "krishnan": "Krishnan et al. (CVPR 2011)",
    "kupyn": "Kupyn et al. (ICCV 2019)",
    "nah": "Nah et al. (CVPR 2017)",
    "pan": "Pan et al. (ECCV 2014)",
    "shan": "Shan et al. (SIGGRAPH 2008)",
    "shen": "Shen et al. (CVPR 2018)",
    "shen-gan": "Shen et al. (CVPR 2018), with GAN",
    "song": "Song et al. (IJCV 2019)",
    "xu": "Xu et al. (CVPR 2013)",
    "zhong": "Zhong et al. (CVPR 2013)",
}


#: What stands for every method that can run.
ALL = "all"


def named(methods: str, weights: str | os.PathLike[str] | None = None) -> list[str]:
    """Names of methods from "NAME,NAME" or "all": those without training, and those that there are weights for.

    Raises InputError where "all" meets weights that are no folder.
    """
    if methods != ALL:
        return methods.split(",")
    if weights is not None and not Path(weights).is_dir():
        raise InputError(f"{weights}: no such folder; for method {ALL} one of weights, a file each, was expected")
    there = shipped_names() if weights is None else [path.stem for path in Path(weights).glob("*.safetensors")]
    return [*UNTRAINED, *(name for name in TRAINED if name in there)]


def networks_of(
    names: Sequence[str], weights: str | os.PathLike[str] | None = None, device: str = "cpu"
) -> dict[str, Pipeline]:
    """The trained networks that the named methods need.

    They are the package's or, with ``weights``, those of that file or, where it is a folder, of NAME.safetensors in it,
    as `umsn train` leaves them. Raises InputError for a name that no method has, for weights that cannot be read, and
    where a rival has none.
    """
    known = (*UNTRAINED, *TRAINED)
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"method {unknown[0]!r}: expected one of {', '.join(known)}, or {ALL} alone")
    trained = [name for name in names if name not in UNTRAINED]
    if weights is None:
        return {name: shipped(name, device) for name in trained}
    return {name: given_networks(name, weights, device) for name in trained}


def given_networks(name: str, weights: str | os.PathLike[str], device: str) -> Pipeline:
    """The networks in the file or folder. Raises InputError where they are a rival's, or no rival's, against the name.

    Rows of Table VI may be measured in each other's place, as UMSN without L_c is in UMSN's.
    """
    path = Path(weights) / f"{name}.safetensors" if Path(weights).is_dir() else Path(weights)
    found = pipeline(path, device)
    told = found.facts["method"]
    if told != name and not {told, name}.isdisjoint(LEARNED):
        raise InputError(f"{path}: networks of method {told!r}; those of {name!r} were expected")
    return found


def methods_of(names: Sequence[str], networks: Mapping[str, Pipeline], *, fast: bool = False) -> dict[str, Method]:
    """The named methods, trained ones by their ``networks``; ``fast`` computes those by ONNX Runtime, on the CPU."""
    return {name: UNTRAINED.get(name) or restoring(networks[name], fast=fast) for name in names}


def restoring(networks: Pipeline, *, fast: bool = False) -> Method:
    """What trained networks make of blurred images, and what follows in their method."""
    restored: Method = Fast(networks) if fast else lambda blurred: networks(blurred).restored
    then = AFTERWARDS.get(networks.facts.get("method"))
    return restored if then is None else lambda blurred: then(restored(blurred))


def sharing(networks: Mapping[str, Pipeline]) -> dict[str, Method]:
    """Methods by name that restore with the masks of one S-Net, which is asked once for a batch that all are given.

    Raises InputError where the networks' S-Nets differ.
    """
    first = next(iter(networks.values()))
    own = first.snet.state_dict()
    for name, found in networks.items():
        if not all(torch.equal(own[key], other) for key, other in found.snet.state_dict().items()):
            raise InputError(f"method {name!r}: another S-Net than {next(iter(networks))!r}; one and the same expected")
    parse = _remembering(first.masks)
    return {name: partial(_restored, found, parse) for name, found in networks.items()}


def _remembering(parse: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """``parse``, asked again only for another tensor than the last."""
    last: list[Tensor] = []

    def remembered(blurred: Tensor) -> Tensor:
        if not last or last[0] is not blurred:
            last[:] = [blurred, parse(blurred)]
        return last[1]

    return remembered


@torch.inference_mode()
def _restored(networks: Pipeline, parse: Callable[[Tensor], Tensor], blurred: Tensor) -> Tensor:
    return networks.network(blurred, parse(blurred)).restored.clamp(0, 1)


def named_method(name: str, device: str = "cpu", weights: str | os.PathLike[str] | None = None) -> Method:
    """The method called ``name``: one of `UNTRAINED`, or a trained network (Table VI, or a rival)."""
    return methods_of([name], networks_of([name], weights, device))[name]
