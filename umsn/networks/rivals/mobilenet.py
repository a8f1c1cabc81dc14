"""MobileNetV2 (Sandler et al., CVPR 2018) up to its layer 15: the backbone of DeblurGAN-v2, cut into five maps.

A layer widens by a 1x1 convolution, filters each channel by itself, narrows by a 1x1 convolution, and adds its input
where shapes allow; the narrow ends are not rectified.

Simplified: what follows every convolution normalises each image by itself (instance normalisation with a learned scale
and shift). That is what the published DeblurGAN-v2 computes with its batch normalisation, since it is trained with one
image a batch and restores in training mode. An image is then restored the same in any company.

Layers have torchvision's names, so a user's file of its `mobilenet_v2` fits (`load_imagenet`). That network was trained
on images less ImageNet's mean, over its deviations; the first normalisation takes shift and common scale away again.

It works when the maps have 16, 24, 32, 64 and 160 channels at 1/2 to 1/32 of the sides, and when a file with
torchvision's names and shapes fills every layer.
"""

from __future__ import annotations

from os import PathLike

import torch
from torch import Tensor, nn

from umsn.networks import foreign

PUBLISHED = 64  #: the width at which the channels are those of the paper

#: Of each run of layers: how much wider a layer is inside, its channels, how many there are, the first one's stride.
LAYERS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 2, 2))
STEM = 32  #: channels of the first convolution
CUTS = (2, 4, 7, 11, 16)  #: layers before which the network is cut: what it has by then is a map


def scaled(channels: int, width: int) -> int:
    """The channels at another width."""
    return max(1, round(channels * width / PUBLISHED))


def convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution, its normalisation and ReLU6."""
    layers = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(layers, nn.InstanceNorm2d(outputs, affine=True), nn.ReLU6())


class InvertedResidual(nn.Module):
    """One layer: (B, m, H, W) -> (B, n, H/stride, W/stride)."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        inside = inputs * expansion
        widen = [convolution(inputs, inside, 1)] if expansion > 1 else []
        narrow = [nn.Conv2d(inside, outputs, 1, bias=False), nn.InstanceNorm2d(outputs, affine=True)]
        self.conv = nn.Sequential(*widen, convolution(inside, inside, 3, stride, inside), *narrow)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    """image (B, 3, H, W) in [-1, 1], H and W multiples of 32  ->  five maps (B, C, H/2, W/2), .. (B, C, H/32, W/32).

    ``width`` scales all channels; at 64 they are the paper's, and the maps' `outputs` 16, 24, 32, 64, 160. One side
    at least must be above 32: of a single pixel nothing can be normalised.
    """

    def __init__(self, *, width: int = PUBLISHED) -> None:
        super().__init__()
        now = scaled(STEM, width)
        layers: list[nn.Module] = [convolution(3, now, 3, 2)]
        channels = [now]
        for expansion, outputs, count, stride in LAYERS:
            for i in range(count):
                layer = InvertedResidual(now, scaled(outputs, width), expansion=expansion, stride=1 if i else stride)
                now = scaled(outputs, width)
                layers.append(layer)
                channels.append(now)
        self.features = nn.Sequential(*layers)
        self.outputs = tuple(channels[cut - 1] for cut in CUTS)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps, x = [], image
        for first, last in zip((0, *CUTS), CUTS, strict=False):
            x = self.features[first:last](x)
            maps.append(x)
        return maps


def load_imagenet(backbone: MobileNetV2, path: str | PathLike[str]) -> None:
    """Put torchvision's `mobilenet_v2`, trained on ImageNet, into a backbone of the published width.

    Its layers from 16 on and the statistics of its batches are left aside. Raises InputError for a file that cannot be
    read, lacks a layer or has one of another shape.
    """
    what = "torchvision's mobilenet_v2, features.0.0.weight and so on, was"
    found = foreign.tensors(path, "weights of torchvision's mobilenet_v2")
    with torch.no_grad():
        backbone.load_state_dict(foreign.fitting(found, backbone.state_dict(), path, what))
