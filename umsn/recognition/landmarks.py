"""Sixty-eight landmarks of a face: jaw, brows, nose, eyes and lips, in the order of Multi-PIE (Gross et al. 2010).

A small network of separable convolutions (Chollet 2017), densely connected (Huang et al. 2017): each convolution of a
block sees the sum of all before it.
"""

from __future__ import annotations

from os import PathLike

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from umsn.recognition.alignment import aligned
from umsn.recognition.manifest import fill
from umsn.recognition.resnet import MEAN

SIDE = 112  #: pixels of what the network looks at, each way
WIDTHS = (32, 64, 128, 256)  #: channels of the four blocks, each of which halves the image

#: Landmarks of what `alignment.five_points` names, left and right as seen: eyes, tip of the nose, corners of the mouth.
FIVE = (range(36, 42), range(42, 48), (30,), (48,), (54,))

#: The frame of the second look, in sizes of what the landmarks of the first one span.
ROOM = 1.2


class Separable(nn.Module):
    """Each channel by a filter of its own, then all channels mixed in each pixel."""

    def __init__(self, inputs: int, outputs: int, *, halves: bool = False) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, 2 if halves else 1, 0 if halves else 1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        return self.pointwise(self.depthwise(x))


class DenseBlock(nn.Module):
    """Four convolutions, the first of which halves the image; each sees the sum of all before it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        first = nn.Conv2d(3, outputs, 3, 2) if inputs == 3 else Separable(inputs, outputs, halves=True)
        self.convs = nn.ModuleList([first, *(Separable(outputs, outputs) for _ in range(3))])

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H/2, W/2)."""
        first, *others = self.convs
        total = first(F.pad(x, (0, 1, 0, 1))).relu()  # of an even size, "same" adds one row below, one column right
        for conv in others:
            total = total + conv(total.relu())
        return total.relu()


class LandmarkNet(nn.Module):
    """The landmarks of a framed face, as parts of its frame."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DenseBlock(i, o) for i, o in zip((3, *WIDTHS), WIDTHS, strict=False))
        self.fc = nn.Linear(WIDTHS[-1], 2 * 68)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)

    def forward(self, face: Tensor) -> Tensor:
        """(B, 3, 112, 112) RGB in [0, 1] -> (B, 68, 2) x, y from 0, the frame's left and upper edge, to 1."""
        x = (255 * face - self.mean) / 255
        for block in self.blocks:
            x = block(x)  # (B, 32, 56, 56), (B, 64, 28, 28), (B, 128, 14, 14), (B, 256, 7, 7)
        return self.fc(x.mean(dim=(2, 3))).view(-1, 68, 2)

    def find(self, images: Tensor) -> Tensor:
        """Landmarks in pixels: (B, 3, H, W) RGB in [0, 1] that frame a face each -> (B, 68, 2) x, y.

        Two looks: at the whole image, then at the square around what the first one found, so that the frame matters
        less.
        """
        height, width = images.shape[-2:]
        centre = torch.tensor([[width - 1, height - 1]], device=images.device) / 2
        found = self._look(images, centre.expand(len(images), 2), centre.new_full([len(images)], max(height, width)))
        low, high = found.amin(dim=1), found.amax(dim=1)
        return self._look(images, (low + high) / 2, ROOM * (high - low).amax(dim=1))

    def _look(self, images: Tensor, centres: Tensor, sides: Tensor) -> Tensor:
        """Landmarks in pixels of the images, of what squares show: centres (B, 2) x, y, sides (B,) -> (B, 68, 2)."""
        step = sides / SIDE
        corner = centres - (sides - step)[:, None] / 2
        placing = torch.cat([step[:, None, None] * torch.eye(2, device=step.device), corner[..., None]], dim=2)
        seen = self(aligned(images, placing, SIDE))
        return (SIDE * seen - 0.5) * step[:, None, None] + corner[:, None]


def five_of(landmarks: Tensor) -> Tensor:
    """The five points by which faces are aligned: (B, 68, 2) -> (B, 5, 2)."""
    return torch.stack([landmarks[:, list(part)].mean(dim=1) for part in FIVE], dim=1)


def read_landmarks(path: str | PathLike[str]) -> LandmarkNet:
    """The network, frozen, with the weights of a manifest. Raises InputError as `manifest.fill` does."""
    network = LandmarkNet()
    fill(network, path, {name: _published(name) for name in network.state_dict()})
    return network


def _published(name: str) -> str:
    """blocks.1.convs.2.depthwise.weight -> dense1/conv2/depthwise_filter."""
    told = {"depthwise.weight": "depthwise_filter", "pointwise.weight": "pointwise_filter", "pointwise.bias": "bias"}
    match name.split("."):
        case ["fc", kind]:
            return "fc/weights" if kind == "weight" else "fc/bias"
        case ["blocks", block, "convs", conv, *rest]:
            end = ".".join(rest)
            return f"dense{block}/conv{conv}/{told.get(end, 'filters' if end == 'weight' else 'bias')}"
    raise AssertionError(name)
