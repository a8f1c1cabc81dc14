"""VGG-Face (Parkhi et al. 2015), for whoever has its weights: relu1_2 of Eq. 5 and the distance d_VGG of Table IV.

The weights are not ours to ship. They come in several layouts under one architecture; `read_vgg_face` knows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from os import PathLike
from typing import Literal

import torch
from torch import Tensor, nn

from umsn.files import InputError
from umsn.networks import foreign

WIDTHS = (64, 128, 256, 512, 512)  #: channels of the five blocks
DEPTHS = (2, 2, 3, 3, 3)  #: convolutions of each
LAYERS = tuple(f"conv{block}_{i}" for block, depth in enumerate(DEPTHS, 1) for i in range(1, depth + 1))

#: Where a Sequential of convolution, ReLU and pooling (torchvision's `vgg16().features`) has the layers.
INDEX = dict(zip((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), LAYERS, strict=True))

MEAN = (129.1863, 104.7624, 93.5940)  #: of the training faces: R, G, B of 0..255


class VGGFace(nn.Module):
    """The thirteen convolutions of VGG-Face. Weights that came from Caffe or Torch 7 expect ``bgr``, MatConvNet's RGB.

    ``mean`` is subtracted from RGB of 0..255; published deblurring code often leaves it out, (0, 0, 0).
    """

    def __init__(
        self, widths: Sequence[int] = WIDTHS, *, bgr: bool = False, mean: tuple[float, float, float] = MEAN
    ) -> None:
        super().__init__()
        channels = [3, *(w for w, depth in zip(widths, DEPTHS, strict=True) for _ in range(depth))]
        pairs = pairwise(channels)
        self.layers = nn.ModuleDict(
            {name: nn.Conv2d(i, o, 3, padding=1) for name, (i, o) in zip(LAYERS, pairs, strict=True)}
        )
        self.bgr = bgr
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)

    def _prepared(self, image: Tensor) -> Tensor:
        """RGB in [0, 1] -> what the weights were trained on."""
        centred = 255 * image - self.mean
        return centred.flip(1) if self.bgr else centred

    def features(self, image: Tensor) -> Tensor:
        """relu1_2: (B, 3, H, W) RGB in [0, 1] -> (B, 64, H, W), of inputs of 0..255 (not UMSN's published -1..1)."""
        return self.layers["conv1_2"](self.layers["conv1_1"](self._prepared(image)).relu()).relu()

    def pool5(self, image: Tensor) -> Tensor:
        """The last pooling: (B, 3, H, W) RGB in [0, 1] -> (B, 512, H/32, W/32), rounded down; H, W >= 32."""
        x = self._prepared(image)
        for name in LAYERS:
            if name.endswith("_1") and name != "conv1_1":
                x = nn.functional.max_pool2d(x, 2)
            x = self.layers[name](x).relu()
        return nn.functional.max_pool2d(x, 2)


def d_vgg(
    restored: Tensor, sharp: Tensor, deep: Callable[[Tensor], Tensor], kind: Literal["norm", "mse"] = "norm"
) -> Tensor:
    """Table IV's distance of deep features: (B, 3, H, W), (B, 3, H, W) RGB in [0, 1] -> (B,), 0 for equal images.

    ``deep`` is `VGGFace.pool5`, or a stand-in such as `Descriptor.pool4`. The paper says "L2-norm distance" of pool5
    and nothing of input range or scale. "norm" is the root of the summed squares; "mse", which later papers print, is
    their mean. Raises InputError for images of different shapes.
    """
    if restored.shape != sharp.shape:
        raise InputError(f"images {tuple(restored.shape)} and {tuple(sharp.shape)}: equal shapes were expected")
    squares = (deep(restored) - deep(sharp)).pow(2).flatten(1)
    return squares.sum(dim=1).sqrt() if kind == "norm" else squares.mean(dim=1)


def read_vgg_face(
    path: str | PathLike[str],
    *,
    bgr: bool = False,
    mean: tuple[float, float, float] = MEAN,
    widths: Sequence[int] = WIDTHS,
) -> VGGFace:
    """VGG-Face, frozen, from a user's file: .safetensors, or a state dict that `torch.save` wrote (.pth, .pt).

    Layers may be called conv1_1 (also conv_1_1), be numbered as in a Sequential ("0", "2", "5", ...) or in torchvision
    ("features.0", ...), and lie under "state_dict" or behind "module." and the like; whatever is not a convolution is
    ignored. No file can run code. Raises InputError for one that cannot be read, lacks a layer or has another shape.
    """
    network = VGGFace(widths, bgr=bgr, mean=mean)
    given = foreign.tensors(path, "VGG-Face weights")
    found = {name: tensor for key, tensor in given.items() if (name := _our_name(key))}
    what = "VGG-Face's thirteen convolutions, named conv1_1 or numbered as in torchvision, were"
    network.layers.load_state_dict(foreign.fitting(found, network.layers.state_dict(), path, what))
    return network.eval().requires_grad_(False)


def _our_name(key: str) -> str | None:
    """conv3_2.weight, whatever the file calls it; None for what is not a convolution."""
    matched = re.fullmatch(r"(?:(?:module|model|features|vgg|net)\.)*(?:conv_?(\d)_(\d)|(\d+))\.(weight|bias)", key)
    if matched is None:
        return None
    block, place, index, kind = matched.groups()
    name = f"conv{block}_{place}" if block else INDEX.get(int(index))
    return f"{name}.{kind}" if name in LAYERS else None
