"""How large a network is and how much it computes: parameters and MACs, by network and block (Appendix A, Sec. IV-C).

A MAC is one multiplication and one addition, half of the FLOPs that `torch.utils.flop_counter` counts. It counts
convolutions and matrix products; normalisation, pooling and upsampling cost next to nothing and are left out.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from umsn.faces import K
from umsn.networks.blocks import ResBlock
from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.deblurring import FirstStage, FNet, build, parameters
from umsn.networks.parsing import SNet
from umsn.networks.rivals import LEARNED
from umsn.recipes import Recipe

#: Channels of what the networks' `forward` methods call their arguments.
CHANNELS = {"image": 3, "blurred": 3, "restored": 3, "sharp": 3, "mask": 1, "masks": K}


#: Operations that no compiler fuses with each other; their neighbours can be fused with them.
UNFUSED = tuple(f"aten.{name}" for name in ("convolution", "native_batch_norm"))


class _Moved(TorchDispatchMode):
    """Numbers that convolutions and norms read and write, each tensor once for an operation."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        found = operation(*args, **(kwargs or {}))
        given = dict(zip((argument.name for argument in operation._schema.arguments), args, strict=False))
        smoothing = given.get("groups", 1) > 1
        if str(operation).startswith(UNFUSED) and not smoothing:
            self.numbers += sum(t.numel() for t in tree_leaves((args, kwargs, found)) if isinstance(t, Tensor))
        return found


def moved(network: nn.Module, *, size: int = 128, learns: bool = True) -> float:
    """MiB between memory and processor that one image of size x size costs a training step at least, in bfloat16.

    Convolutions, norms and their gradients read and write each of their tensors once; all other operations count as
    fused with them. ``learns`` is false for a network that is only asked. Weights are counted as if for one image, so a
    large batch moves a little less. Raises ValueError as `macs` does.
    """
    inputs = _inputs(network, size)
    with _Moved() as counter, torch.set_grad_enabled(learns):
        found = copy.deepcopy(network).to("meta")(*inputs)
        if learns:
            sum(t.sum() for t in tree_leaves(found) if isinstance(t, Tensor) and t.requires_grad).backward()
    return 2 * counter.numbers / 2**20


def macs(network: nn.Module, *, size: int = 128) -> dict[str, int]:
    """MACs of one forward pass on an image of size x size, by part: "" is the whole, "streams.0" a part of it.

    Nothing is computed: the network is copied to torch's meta device, where only shapes are known. Raises ValueError
    when the network's `forward` has arguments that are not images or masks.
    """
    inputs = _inputs(network, size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        copy.deepcopy(network).to("meta").eval()(*inputs)
    root = type(network).__name__
    counts = {name: sum(found.values()) // 2 for name, found in counter.get_flop_counts().items()}
    parts = {name.removeprefix(f"{root}."): count for name, count in counts.items() if name.startswith(f"{root}.")}
    return {"": counts["Global"], **parts}


def _inputs(network: nn.Module, size: int) -> list[Tensor]:
    """What the network's `forward` takes, on torch's meta device. Raises ValueError for what is no image or mask."""
    names = list(inspect.signature(network.forward).parameters)
    if unknown := [name for name in names if name not in CHANNELS]:
        raise ValueError(f"{type(network).__name__}.forward takes {', '.join(unknown)}; images or masks were expected")
    return [torch.empty(1, CHANNELS[name], size, size, device="meta") for name in names]


def kept(network: nn.Module, *, size: int = 128) -> float:
    """MiB that a forward pass of one image keeps until the gradients are computed: what training needs memory for.

    Counted are the tensors that torch saves, each storage once, without the weights.
    """
    known = {tensor.untyped_storage().data_ptr() for tensor in network.parameters()}
    found: dict[int, Tensor] = {}  # which holds them, so that no address is used twice

    def keep(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in known:
            found[place] = tensor
        return tensor

    inputs = [torch.rand(1, CHANNELS[name], size, size) for name in inspect.signature(network.forward).parameters]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(*inputs)
    return sum(tensor.untyped_storage().nbytes() for tensor in found.values()) / 2**20


def blocks(network: nn.Module, *, size: int = 128) -> pd.DataFrame:
    """The parts of one network, down to ResBlocks in a row: block, parameters, macs; the last row is the whole."""
    counts = macs(network, size=size)
    rows = [(name, parameters(part), counts.get(name, 0)) for name, part in _parts(network)]
    rows.append(("the whole", parameters(network), counts[""]))
    return pd.DataFrame(rows, columns=["block", "parameters", "macs"])


def networks(recipe: Recipe, *, size: int = 128) -> pd.DataFrame:
    """Every network of the paper at a recipe's widths: network, parameters, macs (B-Net's rows as in Table VI)."""
    width, expansion = recipe.width, recipe.expansion
    fnet = FNet(channels=(width // 4,) * 4 + (width // 8,), expansion=expansion)
    rows = {
        "S-Net": SNet(widths=recipe.parsing_widths),
        "F-Net": fnet,
        "First-stage network": FirstStage(fnet, expansion=expansion),
        "B-Net": build("bnet", width=width, expansion=expansion),
        "+ semantic maps": build("maps", width=width, expansion=expansion),
        "+ nested residuals": build("nrl", width=width, expansion=expansion),
        "UMSN": build("umsn", width=width, expansion=expansion),
        "Confidence network (training only)": ConfidenceNetwork(),
    }
    return _table(rows, size)


def learned(recipe: Recipe, *, size: int = 128) -> pd.DataFrame:
    """The same of the rivals of Table III that are trained, by the names of their methods."""
    return _table({name: rival.network(recipe.width) for name, rival in LEARNED.items()}, size)


def _table(networks: Mapping[str, nn.Module], size: int) -> pd.DataFrame:
    found = [(name, parameters(network), macs(network, size=size)[""]) for name, network in networks.items()]
    return pd.DataFrame(found, columns=["network", "parameters", "macs"])


def _parts(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Children that hold parameters; lists, and chains of several ResBlocks, are opened."""
    found: list[tuple[str, nn.Module]] = []
    for name, child in network.named_children():
        several = isinstance(child, nn.Sequential) and sum(isinstance(part, ResBlock) for part in child) > 1
        opened = isinstance(child, nn.ModuleList) or several
        found += [(f"{name}.{i}", part) for i, part in child.named_children()] if opened else [(name, child)]
    return [(name, part) for name, part in found if parameters(part)]
