"""DeblurGAN-v2: deblurring (orders-of-magnitude) faster and better (Kupyn, Martyniuk, Wu & Wang, ICCV 2019).

A backbone sees the blurred image y at five scales; a feature pyramid brings what it saw at coarse ones, where a motion
is short, up to the fine ones, and all of them together say what y lacks:

    p_5 = l(e_5);    p_i = ReLU(norm(conv(l(e_i) + up(p_(i+1))))), i = 4, 3, 2;
    x-hat = clamp(y + tanh(g(h(p_2), up(h(p_3)), up(h(p_4)), up(h(p_5)), l(e_1))), -1, 1)     for y in [-1, 1]

with e_i the backbone's maps at 1/2^i of the sides, l 1x1 convolutions, h heads of two convolutions. It is trained with

    L = 0.5 |x-hat - x|^2 + 0.001 L_G + L_D,

L_G and L_D being those of a critic of two scales (`relativistic`). The paper's weight of L_G is remembered as 0.01;
0.001 is that of the published code, whose squared error is of images over ImageNet's deviations, and so it is here. The
perceptual loss of the code, 0.006 times the squared distance of VGG19's features, needs weights that are not ours to
ship: the project's own L_p stands for it where features are given, and else it is left out, as the facts of the weights
say ("perceptual").

The backbone here is the paper's small one, MobileNetV2, at its channel counts. Simplified: it is trained from the
beginning unless a user has ImageNet's weights (`mobilenet.load_imagenet`), and then never frozen, where the published
code freezes it for three epochs; its layers from 16 on, of which nothing comes here, are left out, and biases that a
normalisation takes away again. So 2.1 million parameters are what remain of about 3.3 million in the published code.
The last convolution starts small, so that training starts near the blurred image itself. Batches, crop and number of
images are UMSN's (publication: 1 of 256 x 256, 200,000 times).

It works when every parameter gets a gradient, one batch can be learned by heart, and x-hat stays in [0, 1] whatever the
weights are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from umsn.networks.blocks import pad_to
from umsn.networks.deblurring import Deblurred
from umsn.networks.rivals.mobilenet import CUTS, PUBLISHED, MobileNetV2
from umsn.networks.rivals.relativistic import DoubleScaleCritic, relativistic_game

CONTENT, ADVERSARIAL = 0.5, 1e-3  #: weights in the loss
DEVIATIONS = (0.229, 0.224, 0.225)  #: of ImageNet's red, green and blue, on the scale [0, 1]
LEARNING_RATE = 1e-4  #: as published, where it falls from the fiftieth of 200 epochs on
MULTIPLE = 2 ** len(CUTS)  #: the coarsest map has a pixel for so many


class Kupyn(nn.Module):
    """Kupyn et al.'s generator; ``width`` is that of its heads, 64 in the paper, and scales all else.

    blurred (B, 3, H, W) RGB in [0, 1], any H and W  ->  Deblurred, restored in [0, 1]; ``masks`` are not looked at
    """

    def __init__(self, *, width: int = PUBLISHED) -> None:
        super().__init__()
        wide = 2 * width
        self.backbone = MobileNetV2(width=width)
        outputs = [width] + [wide] * (len(CUTS) - 1)
        pairs = zip(self.backbone.outputs, outputs, strict=True)
        self.lateral = nn.ModuleList(nn.Conv2d(m, n, 1, bias=False) for m, n in pairs)
        self.merge = nn.ModuleList(_normalised(wide, wide) for _ in CUTS[2:])
        self.heads = nn.ModuleList(_head(wide, width) for _ in CUTS[1:])
        self.smooth = _normalised(width * (len(CUTS) - 1), width)
        self.refine = _normalised(width, width // 2)
        self.to_image = nn.Conv2d(width // 2, 3, 3, padding=1)
        with torch.no_grad():
            self.to_image.weight.mul_(0.1)

    def forward(self, blurred: Tensor, masks: Tensor) -> Deblurred:
        height, width = blurred.shape[-2:]
        y = pad_to(blurred, MULTIPLE if max(height, width) > MULTIPLE else 2 * MULTIPLE)
        seen = self.backbone(2 * y - 1)
        fine, *sides = [lateral(e) for lateral, e in zip(self.lateral, seen, strict=True)]
        pyramid = [sides[-1]]  # (B, 2w, H/32, W/32)
        for merge, side in zip(self.merge, sides[-2::-1], strict=True):
            pyramid.append(merge(side + _enlarged(pyramid[-1], 2)))
        last = len(pyramid) - 1  # (B, 2w, H/4, W/4)
        heads = [_enlarged(h(p), 2 ** (last - i)) for i, (h, p) in enumerate(zip(self.heads, pyramid, strict=True))]
        x = self.smooth(torch.cat(heads, dim=1))  # (B, w, H/4, W/4)
        x = self.refine(_enlarged(x, 2) + fine)  # (B, w/2, H/2, W/2)
        change = torch.tanh(self.to_image(_enlarged(x, 2)).float()) / 2  # (B, 3, H, W)
        restored = (blurred + change[..., :height, :width]).clamp(0, 1)
        return Deblurred(restored, restored - blurred)


class Objective(nn.Module):
    """Squared error, and the double-scale relativistic critic.

    Deblurred, sharp (B, 3, H, W), masks (unused)  ->  "loss" and its terms, scalars
    """

    def __init__(self, *, width: int = PUBLISHED) -> None:
        super().__init__()
        self.critic = DoubleScaleCritic(width=width)
        self.register_buffer("deviations", torch.tensor(DEVIATIONS).view(3, 1, 1), persistent=False)

    def forward(self, found: Deblurred, sharp: Tensor, masks: Tensor) -> dict[str, Tensor]:
        content = CONTENT * ((found.restored - sharp) / self.deviations).square().mean()
        played = relativistic_game(self.critic, found.restored, sharp)
        loss = content + ADVERSARIAL * played.generator + played.critic
        return {"loss": loss, "content": content, "generator": played.generator, "critic": played.critic}


def _normalised(inputs: int, outputs: int) -> nn.Sequential:
    """A convolution, each image and channel normalised by itself, ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.InstanceNorm2d(outputs), nn.ReLU())


def _head(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions of one map of the pyramid."""
    first, second = (nn.Conv2d(m, outputs, 3, padding=1, bias=False) for m in (inputs, outputs))
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


def _enlarged(x: Tensor, times: int) -> Tensor:
    """Every pixel repeated: (B, C, H, W) -> (B, C, times H, times W)."""
    return F.interpolate(x, scale_factor=times, mode="nearest") if times > 1 else x
