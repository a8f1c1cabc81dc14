"""S-Net: what is each pixel of a face, sharp or blurred? (Sec. III-A, Fig. 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from umsn.faces import K
from umsn.networks.blocks import chain, conv, double, halve, pad_to


class SNet(nn.Module):
    """A U of ResBlocks names the class of every pixel (Fig. 3, which gives no widths: ``widths`` does, one a scale).

    image (B, 3, H, W) RGB in [0, 1], any H and W  ->  logits (B, K, H, W); `masks` turns them into m-hat.
    """

    def __init__(self, *, widths: tuple[int, ...] = (16, 32, 64, 96), expansion: float = 1) -> None:
        super().__init__()
        self.multiple = 2 ** (len(widths) - 1)
        entries = [3, *widths[:-1]]
        self.down = nn.ModuleList(
            chain([m, n, n] if i else [m, n], expansion=expansion, image=i == 0)
            for i, (m, n) in enumerate(zip(entries, widths, strict=True))
        )
        self.up = nn.ModuleList(
            chain([coarse + fine, fine], expansion=expansion)
            for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.classify = conv(widths[0], K, 3)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        x = pad_to(image, self.multiple)
        levels: list[Tensor] = []
        for i, blocks in enumerate(self.down):
            x = blocks(halve(x) if i else x)  # (B, widths[i], H / 2^i, W / 2^i)
            levels.append(x)
        for blocks, level in zip(self.up, levels[-2::-1], strict=True):
            x = blocks(torch.cat([double(x), level], dim=1))
        return self.classify(x)[..., :height, :width]

    def masks(self, image: Tensor) -> Tensor:
        """m-hat, the class maps of Sec. III: (B, 3, H, W) -> (B, K, H, W) in [0, 1], summing to 1 at every pixel."""
        return self(image).float().softmax(dim=1)


class FrozenParser:
    """S-Net as the deblurring networks have it: not trained, on whatever device the image is on.

    image (B, 3, H, W) RGB in [0, 1] -> m-hat (B, K, H, W), as `SNet.masks`.
    """

    def __init__(self, snet: SNet) -> None:
        self.snet = snet.eval().requires_grad_(False)

    def __call__(self, image: Tensor) -> Tensor:
        return self.snet.to(image.device).masks(image)
