"""The deblurring networks: F-Net for a class, B-Net for the whole, UMSN for both (Sec. III-B, III-C, Appendix A).

None of them ever sees the sharp image. The rows of Table VI are switches of one class: `build` names them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from umsn.faces import K
from umsn.networks.blocks import chain, double, halve, pad_to

Variant = Literal["bnet", "maps", "nrl", "umsn"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)


class Deblurred(NamedTuple):
    """What a deblurring network returns."""

    restored: Tensor  #: x-hat, (B, 3, H, W) RGB, near [0, 1]
    residual: Tensor  #: (B, 3, H, W), what was added to the blurred image


def _to_image(inputs: int) -> nn.Conv2d:
    """The last Conv 3x3. It starts small, so that training starts near the blurred image itself."""
    conv = nn.Conv2d(inputs, 3, 3, padding="same")
    with torch.no_grad():
        conv.weight.mul_(0.1)
        conv.bias.zero_()
    return conv


class FNet(nn.Module):
    """F-Net-i: the features of one semantic class (Fig. 5; Appendix A: five ResBlocks, the first before the pooling).

    blurred (B, 3, H, W), mask (B, 1, H, W)  ->  features (B, 8, H/2, W/2)
    """

    def __init__(self, *, channels: Sequence[int] = (16, 16, 16, 16, 8), expansion: float = 1) -> None:
        super().__init__()
        self.outputs = channels[-1]
        self.first = chain([3 + 1, channels[0]], expansion=expansion, image=True)
        self.rest = chain(channels, expansion=expansion)

    def forward(self, blurred: Tensor, mask: Tensor) -> Tensor:
        x = self.first(torch.cat([blurred, mask], dim=1))  # (B, 16, H, W)
        return self.rest(halve(x))  # (B, 8, H/2, W/2)


class FirstStage(nn.Module):
    """The first-stage network of a class: F-Net-i, then a ResBlock and a Conv 3x3 for its training only (Fig. 5).

    blurred (B, 3, H, W), mask (B, 1, H, W)  ->  Deblurred, in which that class should be sharp
    """

    def __init__(self, fnet: FNet, *, expansion: float = 1) -> None:
        super().__init__()
        self.fnet = fnet
        self.last = chain([fnet.outputs, fnet.outputs], expansion=expansion)
        self.to_image = _to_image(fnet.outputs)

    def forward(self, blurred: Tensor, mask: Tensor) -> Deblurred:
        height, width = blurred.shape[-2:]
        features = self.fnet(pad_to(blurred, 2), pad_to(mask, 2))  # (B, 8, H/2, W/2)
        residual = self.to_image(self.last(double(features)))[..., :height, :width]  # (B, 3, H, W)
        return Deblurred(blurred + residual, residual)


class NestedResidual(nn.Module):
    """Class-specific residual feature maps from y and m-hat by a Conv 1x1 for each class (Sec. III-C).

    blurred (B, 3, H, W), masks (B, K, H, W)  ->  their sum (B, C, H, W), or by `by_class` each one (B, K, C, H, W)
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.of_class = nn.Conv2d(K * 4, outputs, 1)

    def forward(self, blurred: Tensor, masks: Tensor) -> Tensor:
        return self.of_class(self.masked(blurred, masks).flatten(1, 2))

    def by_class(self, blurred: Tensor, masks: Tensor) -> Tensor:
        """The maps of Fig. 12, before they are added up; each class has its own 4 columns of the weights."""
        columns = self.of_class.weight[..., 0, 0].unflatten(1, (K, 4))  # (C, K, 4)
        return torch.einsum("ckj,bkjhw->bkchw", columns, self.masked(blurred, masks))

    @staticmethod
    def masked(blurred: Tensor, masks: Tensor) -> Tensor:
        """The blurred image under each class's mask, and the mask: -> (B, K, 4, H, W)."""
        m = masks.unsqueeze(2)  # (B, K, 1, H, W)
        return torch.cat([m * blurred.unsqueeze(1), m], dim=2)  # (B, K, 4, H, W)


class UMSN(nn.Module):
    """Deblur each semantic class alone, then all of them together (Fig. 2). Without streams it is B-Net (Sec. III-B).

    blurred (B, 3, H, W) RGB in [0, 1], masks (B, K, H, W), any H and W  ->  Deblurred
    """

    def __init__(
        self,
        *,
        streams: Sequence[FNet] = (),
        channels: Sequence[int] = (64,) * 8 + (16,),
        expansion: float | Sequence[float] = 1,
        maps: bool = True,
        nested: bool = True,
    ) -> None:
        super().__init__()
        if streams and len(streams) != K:
            raise ValueError(f"UMSN has one stream for each of {K} classes or none, not {len(streams)}")
        first, *middle, last = channels
        each = list(expansion) if isinstance(expansion, Sequence) else [expansion] * len(channels)
        joined = first + sum(f.outputs for f in streams)
        self.maps = maps
        self.streams = nn.ModuleList(streams)
        self.first = chain([3 + K * maps, first], expansion=each[:1], image=True)
        self.middle = chain([joined, *middle], expansion=each[1:-1])
        self.last = chain([middle[-1], last], expansion=each[-1:])
        self.nested = NestedResidual(last) if nested else None
        self.to_image = _to_image(last)

    def forward(self, blurred: Tensor, masks: Tensor) -> Deblurred:
        height, width = blurred.shape[-2:]
        y, m = pad_to(blurred, 2), pad_to(masks, 2)
        base = halve(self.first(torch.cat([y, m], dim=1) if self.maps else y))  # (B, 64, H/2, W/2)
        features = [f(y, mi) for f, mi in zip(self.streams, m.split(1, dim=1), strict=False)]  # K of (B, 8, H/2, W/2)
        x = self.middle(torch.cat([base, *features], dim=1))  # (B, 64, H/2, W/2)
        x = self.last(double(x))  # (B, 16, H, W)
        if self.nested is not None:
            x = x + self.nested(y, m)
        residual = self.to_image(x)[..., :height, :width]  # (B, 3, H, W)
        return Deblurred(blurred + residual, residual)


def parameters(network: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(p.numel() for p in network.parameters())


def build(variant: Variant = "umsn", *, width: int = 64, expansion: float = 1, equal: bool = True) -> UMSN:
    """A row of Table VI: "bnet", "maps" (+ semantic maps), "nrl" (+ nested residuals) or "umsn".

    ``width`` is B-Net's channel count (64 in Appendix A); every other count keeps its ratio to it. With ``equal``, the
    rows before "umsn" get as many parameters as it has (Sec. IV-C) by widening the inside of their ResBlocks, one
    channel of one block at a time; the width is found by bisection. Raises ValueError for an unknown variant.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r}: expected one of {', '.join(VARIANTS)}")
    channels = (width,) * 8 + (width // 4,)
    if variant == "umsn":
        fnet_channels = (width // 4,) * 4 + (width // 8,)
        streams = [FNet(channels=fnet_channels, expansion=expansion) for _ in range(K)]
        return UMSN(streams=streams, channels=channels, expansion=expansion)

    def widened(extra: int) -> UMSN:
        blocks = len(channels)
        each = [expansion + (extra + i) // blocks / width for i in range(blocks)]
        return UMSN(channels=channels, expansion=each, maps=variant != "bnet", nested=variant == "nrl")

    if not equal:
        return widened(0)
    wanted = parameters(build("umsn", width=width, expansion=expansion))
    extra = bisect_left(range(len(channels) * width), wanted, key=lambda n: parameters(widened(n)))
    return widened(extra)
