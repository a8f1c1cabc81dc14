"""How well is each class deblurred? The confidence network, for training only (Sec. III-E, Fig. 6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConfidenceNetwork(nn.Module):
    """CN: one number C_i in (0, 1) for each class of each image, from what was restored and what was there (Fig. 6).

    restored (B, 3, H, W), sharp (B, 3, H, W), masks (B, K, H, W)  ->  (B, K)

    The same network looks at every class in turn. Fig. 6 names no layers; ours are strided 3x3 convolutions, a global
    average and a sigmoid. The average is taken of features that are not normalised, or the size of the error would be
    lost.
    """

    def __init__(self, *, channels: tuple[int, ...] = (16, 32, 32)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for m, n in zip((6, *channels[:-1]), channels, strict=True):
            layers += [nn.Conv2d(m, n, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.decide = nn.Linear(channels[-1], 1)

    def forward(self, restored: Tensor, sharp: Tensor, masks: Tensor) -> Tensor:
        batch, classes = masks.shape[:2]
        m = masks.unsqueeze(2)  # (B, K, 1, H, W)
        pairs = torch.cat([m * restored.unsqueeze(1), m * sharp.unsqueeze(1)], dim=2)  # (B, K, 6, H, W)
        features = self.features(pairs.flatten(0, 1)).float().mean(dim=(2, 3))  # (B K, 32)
        return self.decide(features).sigmoid().reshape(batch, classes)


def closed_form(losses: Tensor, lam: float) -> Tensor:
    """The confidence that minimises Eq. 4 for given class losses L_i: C* = min(1, lambda / L_i), of any shape."""
    return (lam / losses.clamp_min(1e-12)).clamp_max(1)
