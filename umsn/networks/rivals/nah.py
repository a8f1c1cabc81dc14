"""A multi-scale convolutional network (Nah, Kim and Lee, CVPR 2017): "Nah et al." of Table III.

S. Nah, T. H. Kim, K. M. Lee, "Deep Multi-Scale Convolutional Neural Network for Dynamic Scene Deblurring", CVPR 2017.
No kernel is estimated. The blurred image y_k of scale k, 1 being the whole size, and the restored image of the scale
below give x-hat_k, and all scales are compared with the sharp image x_k:

    x-hat_k = G_k(y_k, up(x-hat_{k+1})),        L = 1 / (2K) sum_k mean |x-hat_k - x_k|^2 - lambda log D(x-hat_1).

Each G_k is a convolution, 19 residual blocks (`multiscale.ResBlock`) and a convolution, all 5x5 with 64 channels: 11.7
million numbers for K = 3, and 84 GMAC for 128 x 128 pixels (`umsn.networks.cost`). `up` is a convolution to twelve
channels, which become four pixels of three colours each. D is `critics.NAH`, lambda is 1e-4.

Simplified: images are made smaller by averages of 2 x 2 pixels; the critic judges crops of any size, since its last map
is averaged, and it moves in the same step as the generator, where the publication lets them take turns. The project's
loop trains it: Adam as published, but batches, crop and number of images as UMSN's (published code: 4 of 256 x 256, of
GoPro's videos), and a rate that is to UMSN's as 5e-5 to 2e-4, its published one to UMSN's published one.

That it works is seen by the sizes above, by one batch that it learns by heart (`tests/test_rivals_learned.py`), and by
the validation's PSNR against that of the blurred images in the history of stage "nah".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from umsn.networks.rivals.critics import NAH, Critic, game
from umsn.networks.rivals.multiscale import MultiScale, ResBlock, conv, scaled

LAMBDA = 1e-4  #: weight of the adversarial loss
LEARNING_RATE = 5e-5  #: as published


class Nah(nn.Module):
    """G_1, ..., G_K, the coarsest first at work.

    blurred (B, 3, H, W) RGB in [0, 1], masks (unused), any H and W  ->  MultiScale
    """

    def __init__(self, *, channels: int = 64, blocks: int = 19, scales: int = 3) -> None:
        super().__init__()
        self.bodies = nn.ModuleList(  # the whole size first
            nn.Sequential(conv(inputs, channels), *(ResBlock(channels) for _ in range(blocks)), conv(channels, 3))
            for inputs in [6] * (scales - 1) + [3]
        )
        self.ups = nn.ModuleList(nn.Sequential(conv(3, 12), nn.PixelShuffle(2)) for _ in range(scales - 1))

    def forward(self, blurred: Tensor, masks: Tensor) -> MultiScale:
        height, width = blurred.shape[-2:]
        *finer, y = scaled(blurred - 0.5, len(self.bodies))
        x = self.bodies[-1](y)  # (B, 3, H/4, W/4), less 0.5 as all images in here
        coarser = []
        for y, body, up in zip(finer[::-1], self.bodies[-2::-1], self.ups[::-1], strict=True):
            coarser.insert(0, x.float() + 0.5)
            x = body(torch.cat([y, up(x)], dim=1))  # (B, 3, H/2, W/2), then (B, 3, H, W)
        restored = x[..., :height, :width].float() + 0.5
        return MultiScale(restored, restored - blurred, tuple(coarser))


class Objective(nn.Module):
    """Mean squared error at all scales, and a critic of the whole size.

    MultiScale, sharp (B, 3, H, W), masks (unused)  ->  "loss" and its terms, scalars
    """

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        self.critic = Critic(NAH, width=width)

    def forward(self, found: MultiScale, sharp: Tensor, masks: Tensor) -> dict[str, Tensor]:
        height, width = sharp.shape[-2:]
        images = [found.restored, *found.coarser]
        truths = scaled(sharp, len(images))
        truths[0] = truths[0][..., :height, :width]
        errors = [(image - truth).square().mean() for image, truth in zip(images, truths, strict=True)]
        content = torch.stack(errors).mean() / 2
        played = game(self.critic, found.restored, sharp)
        loss = content + LAMBDA * played.generator + played.critic
        return {"loss": loss, "content": content, "adversarial": played.generator, "critic": played.critic}
