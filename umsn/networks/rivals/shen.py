"""Semantic face deblurring (Shen et al., CVPR 2018): "Shen et al." of Tables I and III, with and without its GAN.

Z. Shen, W.-S. Lai, T. Xu, J. Kautz, M.-H. Yang, "Deep Semantic Face Deblurring", CVPR 2018. A parsing network says
what each pixel of the blurred face is, and two scales, of 64 and of 128 pixels, restore it with these maps p:

    x-hat_2 = G_2(y_2, p_2),    x-hat_1 = G_1(up(x-hat_2), y_1, p_1),
    L = mean_k |x-hat_k - x_k| + lambda_s |m_parts (x-hat_1 - x_1)| [- lambda_a log D(x-hat_1)].

Each G_k has sixteen convolutions: 11x11, two 5x5, five residual blocks of two (`multiscale.ResBlock`), three 5x5. `up`
is a transposed convolution of the three colours; p_2 is p_1, max-pooled. "shen-gan" has the term in brackets, with
`critics.DCGAN` for D, "shen" has it not. Both take the perceptual loss of Eq. 5, in UMSN's weight, when UMSN does.

Simplified: p are the K = 4 maps of this project's S-Net, the same that UMSN sees, in the place of eleven maps of a
parser of their own; |m_parts ...| takes brows, eyes, nose and mouth together, in the place of one term each; the critic
moves in the same step as the generator. The released code only restores: of training it says nothing, and the paper
was not at hand. So these are our choice: 64 channels; first weights that keep the size of values; images less 0.5;
UMSN's rate; lambda_s = 5, with which the parts, some 7% of a face's pixels, weigh about as much as all others together;
and lambda_a = 1e-3, ten times that of `nah`, since the gradient of L1 is some ten times that of a squared error of
0.05. Kernels do not grow during training (the publication's incremental training): all methods here see UMSN's batches.

That it works is seen by one batch that it learns by heart and by what it restores when the maps are moved
(`tests/test_rivals_learned.py`), and by the validation's PSNR against that of the blurred images in the history of
stages "shen" and "shen-gan".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from umsn.faces import CLASSES, K
from umsn.networks.blocks import pad_to
from umsn.networks.losses import class_losses
from umsn.networks.rivals.critics import DCGAN, Critic, game
from umsn.networks.rivals.multiscale import MultiScale, ResBlock, conv, scaled

LAMBDA_S, LAMBDA_A = 5.0, 1e-3  #: weights of the structural and of the adversarial loss; ours
LEARNING_RATE = 2e-4  #: UMSN's


def _scale(inputs: int, channels: int, blocks: int) -> nn.Sequential:
    """G_k: (B, inputs, H, W) -> (B, 3, H, W)."""
    first = [conv(inputs, channels, 11), conv(channels, channels), conv(channels, channels)]
    last = [conv(channels, channels), conv(channels, channels)]
    return nn.Sequential(
        *_rectified(first), *(ResBlock(channels) for _ in range(blocks)), *_rectified(last), conv(channels, 3)
    )


def _rectified(layers: Sequence[nn.Conv2d]) -> list[nn.Module]:
    """Each with a ReLU after it, and weights after which values keep their size (He et al. 2015)."""
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return [part for layer in layers for part in (layer, nn.ReLU())]


class Shen(nn.Module):
    """G_2 on half of the size, then G_1.

    blurred (B, 3, H, W) RGB in [0, 1], masks (B, K, H, W), any H and W  ->  MultiScale
    """

    def __init__(self, *, channels: int = 64, blocks: int = 5) -> None:
        super().__init__()
        self.coarse = _scale(3 + K, channels, blocks)
        self.up = nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1)
        self.fine = _scale(3 + 3 + K, channels, blocks)

    def forward(self, blurred: Tensor, masks: Tensor) -> MultiScale:
        height, width = blurred.shape[-2:]
        y, y_half = scaled(blurred - 0.5, 2)
        p = pad_to(masks, 2)
        x = self.coarse(
            torch.cat([y_half, F.max_pool2d(p, 2)], dim=1)
        )  # (B, 3, H/2, W/2), less 0.5 as all images in here
        x1 = self.fine(torch.cat([self.up(x), y, p], dim=1))[..., :height, :width]  # (B, 3, H, W)
        restored = x1.float() + 0.5
        return MultiScale(restored, restored - blurred, (x.float() + 0.5,))


class Objective(nn.Module):
    """L1 at both scales, once more where the parts of a face are, and perhaps a critic.

    MultiScale, sharp (B, 3, H, W), masks of the sharp face (B, K, H, W)  ->  "loss" and its terms, scalars
    """

    def __init__(self, *, adversarial: bool, width: int = 64) -> None:
        super().__init__()
        self.critic = Critic(DCGAN, width=width) if adversarial else None

    def forward(self, found: MultiScale, sharp: Tensor, masks: Tensor) -> dict[str, Tensor]:
        small = scaled(sharp, 2)[1]
        content = ((found.restored - sharp).abs().mean() + (found.coarser[0] - small).abs().mean()) / 2
        structural = class_losses(found.restored, sharp, masks)[:, CLASSES.index("parts")].mean()
        terms = {"loss": content + LAMBDA_S * structural, "content": content, "structural": structural}
        if self.critic is None:
            return terms
        played = game(self.critic, found.restored, sharp)
        terms["loss"] = terms["loss"] + LAMBDA_A * played.generator + played.critic
        return terms | {"adversarial": played.generator, "critic": played.critic}
