"""What the stages of the paper train: networks with their losses and with what they are measured by (Sec. IV-A).

A task's ``forward`` takes a batch to the terms of the loss, "loss" among them; ``measure`` takes one to scores.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from umsn.evaluation import metrics
from umsn.faces import CLASSES
from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.deblurring import FirstStage
from umsn.networks.losses import charbonnier, class_losses, confidence_loss, perceptual_loss, psnr_loss, total_loss
from umsn.networks.parsing import SNet
from umsn.recipes import Recipe
from umsn.training.batches import Batch
from umsn.training.choices import Error

#: What a difference between two images counts for in Eq. 3.
ERROR_OF: dict[Error, Callable[[Tensor], Tensor]] = {
    "l1": Tensor.abs,
    "charbonnier": charbonnier,
    "psnr": Tensor.square,
}

Features = Callable[[Tensor], Tensor]  #: of Eq. 5: images (B, 3, H, W) in [0, 1] -> maps


class Parsing(nn.Module):
    """S-Net with cross entropy, on sharp faces or on blurred ones (Sec. IV-A.1)."""

    only: int | None = None

    def __init__(self, snet: SNet, *, blurry: bool) -> None:
        super().__init__()
        self.snet, self.blurry = snet, blurry

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.snet(batch.blurred if self.blurry else batch.sharp).float()
        return {"loss": F.cross_entropy(logits, batch.masks.argmax(1))}

    def measure(self, batch: Batch) -> dict[str, float]:
        """The F-score of each class, over all pixels of the batch."""
        predicted = self.snet(batch.blurred if self.blurry else batch.sharp).argmax(1)
        both, first, second = metrics.overlaps(predicted, batch.masks.argmax(1)).sum(0).double().unbind(-1)
        return {f"F {name}": float(2 * both[i] / (first[i] + second[i]).clamp_min(1)) for i, name in enumerate(CLASSES)}


class Stream(nn.Module):
    """One first-stage network, which deblurs the one class that is blurred: L1 and perceptual loss (Sec. IV-A.2a)."""

    def __init__(
        self, network: FirstStage, only: int, parse: Callable[[Tensor], Tensor], features: Features | None, lam1: float
    ):
        super().__init__()
        self.network, self.only, self.lam1 = network, only, lam1
        self.parse, self.features = parse, features

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            mask = self.parse(batch.blurred)[:, self.only : self.only + 1]
        restored = self.network(batch.blurred, mask).restored.float()
        l1 = (restored - batch.sharp).abs().mean()
        if self.features is None:
            return {"loss": l1}
        perceptual = perceptual_loss(restored, batch.sharp, self.features)
        return {"loss": total_loss(l1, perceptual, self.lam1), "l1": l1, "perceptual": perceptual}

    def measure(self, batch: Batch) -> dict[str, float]:
        """PSNR before and after."""
        mask = self.parse(batch.blurred)[:, self.only : self.only + 1]
        return _psnr(batch, self.network(batch.blurred, mask).restored)


class Whole(nn.Module):
    """A row of Table VI: with L_total (Eq. 6) or, without a confidence network, with Eq. 3 in the place of Eq. 4.

    network, confidence: what is trained
    parse: S-Net, frozen: images (B, 3, H, W) -> masks (B, K, H, W)
    features: of Eq. 5; without them L_p is left out
    recipe: gives lambda and lambda_1
    error: of a pixel in Eq. 3, or "psnr" in its place, which a confidence network cannot weigh
    """

    only: int | None = None

    def __init__(
        self,
        network: nn.Module,
        confidence: ConfidenceNetwork | None,
        parse: Callable[[Tensor], Tensor],
        features: Features | None,
        recipe: Recipe,
        error: Error = "l1",
    ) -> None:
        super().__init__()
        self.error = error
        self.network, self.confidence = network, confidence
        self.parse, self.features, self.recipe = parse, features, recipe

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            masks = self.parse(batch.blurred)
        restored = self.network(batch.blurred, masks).restored.float()
        by_class = class_losses(restored, batch.sharp, batch.masks, ERROR_OF[self.error])  # (B, K)
        of_image = by_class.sum(1)  # (B,)
        title = "minus psnr" if self.error == "psnr" else self.error
        loss = psnr_loss(of_image) if self.error == "psnr" else of_image.mean()
        terms = {title: loss}
        terms |= {f"L_{name}": by_class[:, i].mean() for i, name in enumerate(CLASSES)}
        if self.confidence is not None:
            confidence = self.confidence(restored, batch.sharp, batch.masks)  # (B, K)
            terms |= {f"C_{name}": confidence[:, i].mean() for i, name in enumerate(CLASSES)}
            loss = confidence_loss(by_class, confidence, self.recipe.lam)
        if self.features is not None:
            terms["perceptual"] = perceptual_loss(restored, batch.sharp, self.features)
            loss = total_loss(loss, terms["perceptual"], self.recipe.lam1)
        return {"loss": loss, **terms}

    def measure(self, batch: Batch) -> dict[str, float]:
        """PSNR before and after, and the confidence in each class."""
        restored = self.network(batch.blurred, self.parse(batch.blurred)).restored.float()
        found = _psnr(batch, restored)
        if self.confidence is not None:
            confidence = self.confidence(restored, batch.sharp, batch.masks).float().mean(0)
            found |= {f"C_{name}": value for name, value in zip(CLASSES, confidence.tolist(), strict=True)}
        return found


class Rival(nn.Module):
    """A learned rival of Table III, with its own loss, on what UMSN sees (`umsn.networks.rivals`)."""

    only: int | None = None

    def __init__(
        self,
        network: nn.Module,
        objective: nn.Module,
        parse: Callable[[Tensor], Tensor],
        features: Features | None,
        lam1: float,
    ) -> None:
        super().__init__()
        self.network, self.objective = network, objective
        self.parse, self.features, self.lam1 = parse, features, lam1

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            masks = self.parse(batch.blurred)
        found = self.network(batch.blurred, masks)
        terms = self.objective(found, batch.sharp, batch.masks)
        if self.features is None:
            return terms
        perceptual = perceptual_loss(found.restored.float(), batch.sharp, self.features)
        return terms | {"loss": total_loss(terms["loss"], perceptual, self.lam1), "perceptual": perceptual}

    def measure(self, batch: Batch) -> dict[str, float]:
        """PSNR before and after."""
        return _psnr(batch, self.network(batch.blurred, self.parse(batch.blurred)).restored)


def _psnr(batch: Batch, restored: Tensor) -> dict[str, float]:
    pictures = {"psnr": restored.float().clamp(0, 1), "psnr blurred": batch.blurred}
    return {name: float(metrics.psnr(picture, batch.sharp).mean()) for name, picture in pictures.items()}


Task = Parsing | Stream | Whole | Rival
