"""S-Net, the first-stage networks and UMSN in the layout: each is called as its plain network is, and gives the same.

The four F-Nets run side by side, as one chain of four groups (Fig. 5). Where feature maps of several networks meet,
padded channels are left out, so that a plain weight stays one piece of ours.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from umsn.networks.blocks import pad_to
from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.deblurring import UMSN, Deblurred, FirstStage, FNet, NestedResidual
from umsn.networks.parsing import FrozenParser, SNet
from umsn.training.layout.convolutions import Conv, Convolution, Laid, chain, places
from umsn.training.layout.operations import double, halve, padded, rectified, unpadded


class NoLayoutError(ValueError):
    """A network that has no layout."""


def whole(x: Tensor, multiple: int) -> Tensor:
    """`pad_to` where height or width is no multiple yet."""
    return pad_to(x, multiple) if any(side % multiple for side in x.shape[-2:]) else x


class LaidStreams(nn.Module):
    """F-Nets side by side: blurred (B, 3, H, W), masks (B, G, H, W) -> features (B, G c, H/2, W/2)."""

    def __init__(self, fnets: Sequence[FNet]) -> None:
        super().__init__()
        self.count, self.outputs = len(fnets), fnets[0].outputs
        self.first = chain([fnet.first for fnet in fnets])
        self.rest = chain([fnet.rest for fnet in fnets])

    def forward(self, blurred: Tensor, masks: Tensor) -> Tensor:
        x = torch.cat([padded(torch.cat([blurred, m], 1)) for m in masks.split(1, dim=1)], 1)  # (B, 8 G, H, W)
        return unpadded(self.rest(halve(self.first(x))), self.outputs, self.count)  # (B, G c, H/2, W/2)


class LaidFirstStage(nn.Module):
    """`FirstStage` (Fig. 5)."""

    def __init__(self, network: FirstStage) -> None:
        super().__init__()
        self.streams = LaidStreams([network.fnet])
        self.last = chain([network.last])
        self.to_image = Convolution([network.to_image])

    def forward(self, blurred: Tensor, mask: Tensor) -> Deblurred:
        height, width = blurred.shape[-2:]
        features = self.streams(whole(blurred, 2), whole(mask, 2))  # (B, 8, H/2, W/2)
        x = self.last(double(padded(features)))  # (B, 8, H, W)
        residual = unpadded(self.to_image(x), 3)[..., :height, :width]  # (B, 3, H, W)
        return Deblurred(blurred + residual, residual)


class LaidUMSN(nn.Module):
    """`UMSN` and the other rows of Table VI (Fig. 2)."""

    def __init__(self, network: UMSN) -> None:
        super().__init__()
        self.maps, self.width = network.maps, _outputs(network.first)
        self.first, self.middle, self.last = (chain([c]) for c in (network.first, network.middle, network.last))
        self.streams = LaidStreams(network.streams) if len(network.streams) else None
        self.nested = None if network.nested is None else Convolution([network.nested.of_class])
        self.to_image = Convolution([network.to_image])

    def forward(self, blurred: Tensor, masks: Tensor) -> Deblurred:
        height, width = blurred.shape[-2:]
        y, m = whole(blurred, 2), whole(masks, 2)
        x = halve(self.first(padded(torch.cat([y, m], 1) if self.maps else y)))  # (B, 64, H/2, W/2)
        if self.streams is not None:
            x = padded(torch.cat([unpadded(x, self.width), self.streams(y, m)], 1))  # (B, 64 + 8 K, H/2, W/2)
        x = self.last(double(self.middle(x)))  # (B, 16, H, W)
        if self.nested is not None:
            x = x + self.nested(NestedResidual.masked(y, m).flatten(1, 2))
        residual = unpadded(self.to_image(x), 3)[..., :height, :width]  # (B, 3, H, W)
        return Deblurred(blurred + residual, residual)


class LaidSNet(nn.Module):
    """`SNet` (Fig. 3)."""

    def __init__(self, network: SNet) -> None:
        super().__init__()
        self.multiple, self.classes = network.multiple, network.classify[-1].out_channels
        self.widths = [_outputs(blocks) for blocks in network.down]
        self.down = nn.ModuleList(chain([blocks]) for blocks in network.down)
        self.up = nn.ModuleList(chain([blocks]) for blocks in network.up)
        self.classify = Conv([network.classify])

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        x = padded(whole(image, self.multiple))
        levels: list[Tensor] = []
        for i, blocks in enumerate(self.down):
            x = blocks(halve(x) if i else x)  # (B, widths[i], H / 2^i, W / 2^i)
            levels.append(x)
        for i, blocks in zip(reversed(range(len(self.up))), self.up, strict=True):
            both = unpadded(double(x), self.widths[i + 1]), unpadded(levels[i], self.widths[i])
            x = blocks(padded(torch.cat(both, 1)))
        return unpadded(self.classify(x), self.classes)[..., :height, :width]

    def masks(self, image: Tensor) -> Tensor:
        """m-hat: (B, 3, H, W) -> (B, K, H, W) in [0, 1], summing to 1 at every pixel."""
        return self(image).float().softmax(dim=1)


class AsItIs(Laid):
    """A small network that keeps its layout, with parameters of its own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        for own, plain in zip(self.network.parameters(), network.parameters(), strict=True):
            self.take(own, plain)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.network(*inputs)


LAYOUTS = {UMSN: LaidUMSN, FirstStage: LaidFirstStage, SNet: LaidSNet, ConfidenceNetwork: AsItIs}


def laid_out(network: nn.Module) -> nn.Module:
    """The network in the layout; its parameters are zero until they are filled in.

    Raises NoLayoutError where it has none.
    """
    if type(network) not in LAYOUTS:
        raise NoLayoutError(f"{type(network).__name__} has no layout")
    return LAYOUTS[type(network)](network)


def laid_out_task(
    task: nn.Module,
    precision: torch.dtype,
    memory_format: torch.memory_format,
    rectified: Callable[[Tensor, Tensor | None], Tensor] = rectified,
) -> nn.Module:
    """The task with its networks in the layout, S-Net that makes the masks among them, filled and frozen.

    task: as for `umsn.training.loop.fit`
    precision, memory_format: of S-Net where it is frozen
    rectified: computes what `operations.rectified` does

    Raises NoLayoutError where the task has a network or a parameter that has no layout.
    """
    laid = copy.copy(task)
    laid._modules = {name: module and laid_out(module) for name, module in task.named_children()}
    if {p for _, p, _ in places(laid)} != set(task.parameters()):
        raise NoLayoutError(f"{type(task).__name__} has parameters outside of its networks")
    if isinstance(getattr(task, "parse", None), FrozenParser):
        snet = frozen(task.parse.snet, next(task.parameters()).device, precision, memory_format)
        laid.parse = _with(snet, rectified).masks
    return _with(laid, rectified)


def frozen(snet: SNet, device: torch.device, precision: torch.dtype, memory_format: torch.memory_format) -> LaidSNet:
    """S-Net in the layout as it is now, not to be trained."""
    laid = laid_out(snet).requires_grad_(False)
    for own, plain, index in places(laid):
        own[index] = plain
    return laid.to(device, None if precision == torch.float32 else precision, memory_format=memory_format)


def _with(laid: nn.Module, rectified: Callable[[Tensor, Tensor | None], Tensor]) -> nn.Module:
    """The module, whose convolutions are preceded by ``rectified``."""
    for part in laid.modules():
        if isinstance(part, Conv):
            part.rectified = rectified
    return laid


def _outputs(blocks: nn.Sequential) -> int:
    """The channels that a chain of ResBlocks gives."""
    return blocks[-1].body[-1][-1].out_channels
