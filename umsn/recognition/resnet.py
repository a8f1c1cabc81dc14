"""dlib's face descriptor, a ResNet of 29 convolutions (King 2017; He et al. 2016): an aligned face -> 128 numbers.

y = ReLU(a2 * (W2 * ReLU(a1 * (W1 * x) + b1)) + b2 + s(x)) is a unit: batch normalisation is already a scale a and a
shift b a channel, and the shortcut s is x or, where a unit halves the image, its mean over 2 x 2 pixels. Where sizes
or channels differ, the smaller summand is filled up by zeros.
"""

from __future__ import annotations

from os import PathLike

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from umsn.recognition.manifest import fill

SIDE = 150  #: pixels of the aligned face, each way
MEAN = (122.782, 117.001, 104.298)  #: of RGB of 0..255, subtracted before a division by 256

#: The units by the names of the published weights: (channels in, channels out, whether it halves the image).
UNITS = {
    **{f"conv32_{i}": (32, 32, False) for i in (1, 2, 3)},
    "conv64_down": (32, 64, True),
    **{f"conv64_{i}": (64, 64, False) for i in (1, 2, 3)},
    "conv128_down": (64, 128, True),
    **{f"conv128_{i}": (128, 128, False) for i in (1, 2)},
    "conv256_down": (128, 256, True),
    **{f"conv256_{i}": (256, 256, False) for i in (1, 2)},
    "conv256_down_out": (256, 256, True),
}


class Scaled(nn.Module):
    """A convolution, then a scale and a shift a channel."""

    def __init__(self, inputs: int, outputs: int, side: int, *, halves: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, side, 2 if halves else 1, 0 if halves else side // 2)
        self.scale = nn.Parameter(torch.ones(outputs))
        self.shift = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W), or about half of it."""
        return self.conv(x) * self.scale[:, None, None] + self.shift[:, None, None]


class Unit(nn.Module):
    """Two convolutions around which a shortcut leads."""

    def __init__(self, inputs: int, outputs: int, *, halves: bool) -> None:
        super().__init__()
        self.conv1 = Scaled(inputs, outputs, 3, halves=halves)
        self.conv2 = Scaled(outputs, outputs, 3, halves=False)
        self.halves = halves

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W), or about half of it."""
        y = self.conv2(self.conv1(x).relu())
        shortcut = F.avg_pool2d(x, 2) if self.halves else x
        shape = [max(sizes) for sizes in zip(y.shape[1:], shortcut.shape[1:], strict=True)]
        return (_filled(y, shape) + _filled(shortcut, shape)).relu()


def _filled(x: Tensor, shape: list[int]) -> Tensor:
    """Zeros behind, below and at the right, up to (channels, height, width)."""
    channels, height, width = (whole - part for whole, part in zip(shape, x.shape[1:], strict=True))
    return F.pad(x, (0, width, 0, height, 0, channels))


class ResNetDescriptor(nn.Module):
    """An aligned face -> 128 numbers; two faces nearer to each other than 0.6 are one person's, says its author."""

    def __init__(self) -> None:
        super().__init__()
        self.conv32_down = Scaled(3, 32, 7, halves=True)
        self.units = nn.ModuleDict({name: Unit(i, o, halves=h) for name, (i, o, h) in UNITS.items()})
        self.fc = nn.Linear(256, 128, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)

    def forward(self, face: Tensor) -> Tensor:
        """(B, 3, 150, 150) RGB in [0, 1] -> (B, 128), whose length is not 1."""
        x = (255 * face - self.mean) / 256
        x = F.max_pool2d(self.conv32_down(x).relu(), 3, 2)  # (B, 32, 35, 35)
        for unit in self.units.values():
            x = unit(x)  # (B, 64, 17, 17), (B, 128, 8, 8), (B, 256, 4, 4), (B, 256, 2, 2)
        return self.fc(x.mean(dim=(2, 3)))


def read_resnet(path: str | PathLike[str]) -> ResNetDescriptor:
    """The descriptor, frozen, with the weights of a manifest. Raises InputError as `manifest.fill` does."""
    network = ResNetDescriptor()
    fill(network, path, {name: _published(name) for name in network.state_dict()})
    return network


def _published(name: str) -> str:
    """units.conv32_1.conv1.conv.weight -> conv32_1/conv1/conv/filters."""
    if name == "fc.weight":
        return "fc"
    told = {"conv.weight": "conv/filters", "conv.bias": "conv/bias", "scale": "scale/weights", "shift": "scale/biases"}
    where = name.removeprefix("units.")
    end = next(end for end in told if where.endswith(f".{end}"))
    return f"{where.removesuffix(end).replace('.', '/')}{told[end]}"
