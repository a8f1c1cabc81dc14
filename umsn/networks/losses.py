"""What UMSN is trained to make small: Eq. 2-6, each under its own name (Sec. III-D, III-E)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def class_losses(
    restored: Tensor, sharp: Tensor, masks: Tensor, error: Callable[[Tensor], Tensor] = Tensor.abs
) -> Tensor:
    """L(m_i x-hat, m_i x) of Eq. 3, the L1 distance of each class: images (B, 3, H, W), masks (B, K, H, W)  ->  (B, K).

    The mean is over all pixels and colours of the image, so that with masks that sum to 1 the classes add up to the L1
    loss of Eq. 1, and lambda = 0.01 gives confidences of the size that Table VII shows. ``error`` makes of differences
    what is averaged: the paper's is their size, another one is `charbonnier`.
    """
    by_pixel = error(restored - sharp).mean(dim=1, keepdim=True)  # (B, 1, H, W)
    return (masks * by_pixel).mean(dim=(2, 3))


def charbonnier(difference: Tensor) -> Tensor:
    """sqrt(d^2 + 1e-6): the size of a difference, but smooth at 0; not the paper's (Charbonnier et al., ICIP 1994)."""
    return (difference.square() + 1e-6).sqrt()


def psnr_loss(squared: Tensor) -> Tensor:
    """Minus the PSNR of images with these mean squared errors (B,), in dB, averaged over the batch; not the paper's."""
    return 10 * (squared + 1e-8).log10().mean()


def reconstruction_loss(restored: Tensor, sharp: Tensor, masks: Tensor) -> Tensor:
    """Eq. 3: the class losses added up, averaged over the batch; a scalar."""
    return class_losses(restored, sharp, masks).sum(dim=1).mean()


def confidence_loss(losses: Tensor, confidence: Tensor, lam: float) -> Tensor:
    """L_c of Eq. 4: sum_i C_i L_i - lambda log C_i, averaged over the batch: (B, K), (B, K)  ->  a scalar."""
    return (confidence * losses - lam * confidence.clamp_min(1e-8).log()).sum(dim=1).mean()


def perceptual_loss(restored: Tensor, sharp: Tensor, features: Callable[[Tensor], Tensor]) -> Tensor:
    """L_p of Eq. 5: the squared L2 distance of relu1_2 features, as a mean; images (B, 3, H, W) in [0, 1]."""
    return (features(restored) - features(sharp)).pow(2).mean()


def total_loss(confident: Tensor, perceptual: Tensor, lam1: float) -> Tensor:
    """L_total of Eq. 6: L_c + lambda_1 L_p."""
    return confident + lam1 * perceptual
