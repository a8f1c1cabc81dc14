"""The methods of Table III and VI by their names: blurred images in, restored images out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from umsn.evaluation import rivals
from umsn.files import InputError
from umsn.networks.deblurring import VARIANTS
from umsn.networks.onnx_export import Fast
from umsn.networks.weights import Pipeline, pipeline, shipped

Method = Callable[[Tensor], Tensor]  #: blurred (B, 3, H, W) in [0, 1] -> restored, likewise

#: Methods that need no weights: the input as it is, and rivals of Table III.
UNTRAINED: Mapping[str, Method] = {
    "blurred": lambda blurred: blurred,
    "cho": rivals.fast_motion.deblur,
    "krishnan": rivals.normalised_sparsity.deblur,
    "pan": rivals.exemplar.deblur,
    "shan": rivals.high_quality.deblur,
    "xu": rivals.unnatural_sparsity.deblur,
    "zhong": rivals.directional.deblur,
}

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
    "pan": "Pan et al. (ECCV 2014)",
    "shan": "Shan et al. (SIGGRAPH 2008)",
    "xu": "Xu et al. (CVPR 2013)",
    "zhong": "Zhong et al. (CVPR 2013)",
}


def networks_of(
    names: Sequence[str], weights: str | os.PathLike[str] | None = None, device: str = "cpu"
) -> dict[str, Pipeline]:
    """The trained networks that the named methods need: the package's or, with ``weights``, those in that file.

    Raises InputError for a name that no method has, and for weights that cannot be read.
    """
    known = (*UNTRAINED, *VARIANTS)
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"method {unknown[0]!r}: expected one of {', '.join(known)}")
    trained = [name for name in names if name not in UNTRAINED]
    return {name: shipped(name, device) if weights is None else pipeline(weights, device) for name in trained}


def methods_of(names: Sequence[str], networks: Mapping[str, Pipeline], *, fast: bool = False) -> dict[str, Method]:
    """The named methods, trained ones by their ``networks``; ``fast`` computes those by ONNX Runtime, on the CPU."""
    return {name: UNTRAINED.get(name) or restoring(networks[name], fast=fast) for name in names}


def restoring(networks: Pipeline, *, fast: bool = False) -> Method:
    """What trained networks make of blurred images."""
    return Fast(networks) if fast else lambda blurred: networks(blurred).restored


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
    """The method called ``name``: one of `UNTRAINED`, or a trained network (Table VI)."""
    return methods_of([name], networks_of([name], weights, device))[name]
