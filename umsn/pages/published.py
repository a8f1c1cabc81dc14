"""What the published training code does where its paper says something else, re-created small enough to be looked at.

Nothing here is the authors' code. Each function behaves in one respect as that code was read and seen to behave
(rajeevyasarla/UMSN-Face-Deblurring, commit be62045); the notebook on the published code shows what follows. Nothing
else in the library uses this module.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from umsn.data import blur
from umsn.networks.blocks import SharedSmoothing
from umsn.networks.cost import macs
from umsn.networks.deblurring import UMSN, build
from umsn.networks.parsing import SNet

Item = TypeVar("Item")

#: Weights of the four classes' losses and of -log C; the paper has 1 and lambda = 0.01 for every class (Eq. 4).
CLASS_WEIGHTS = (1.2, 1.2, 3.6, 1.2)
LOG_WEIGHT = 0.06 / 4

#: Noise is drawn with this standard deviation, in grey levels, and added to images between -1 and 1.
NOISE_LEVELS = 4

#: MACs of the published networks on an image of 128 x 128, counted in the running code: S-Net's, and with UMSN's.
SNET_MACS, ALL_MACS = 34.4e9, 94.6e9

#: Above this a map that was blurred together with its image is a mask again.
THRESHOLD = 0.49


def trained(
    network: nn.Module,
    batches: Iterable[Item],
    loss: Callable[[nn.Module, Item], Tensor],
    *,
    rate: float = 2e-4,
    stride: int = 2,
) -> nn.Module:
    """A trained copy of the network, by a loop that clears gradients and steps only at every ``stride``-th batch.

    The gradient of a batch in between is added to one that was already used, and cleared before the next step: it
    changes nothing. ``stride`` 1 is the usual loop. Adam as published: betas 0.5 and 0.999, weight decay 5e-5.
    """
    network = copy.deepcopy(network)
    adam = torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.999), weight_decay=5e-5)
    for number, batch in enumerate(batches):
        if number % stride == 0:
            adam.zero_grad()
        loss(network, batch).backward()
        if number % stride == 0:
            adam.step()
    return network


class SmoothingConv(SharedSmoothing):
    """The shared smoothing filter, under a name that holds "Conv"."""


def redrawn(network: nn.Module, generator: torch.Generator) -> nn.Module:
    """A copy in which every module whose class is named "...Conv..." has weights from N(0, 0.02^2), biases untouched.

    The name is all that is asked, so a `SmoothingConv` loses its start as the identity.
    """
    network = copy.deepcopy(network)
    for module in network.modules():
        if "Conv" in type(module).__name__:
            nn.init.normal_(module.weight, 0, 0.02, generator=generator)
    return network


def batch_normalised(network: nn.Module) -> nn.Module:
    """A copy that normalises every channel over the batch it is given, as BatchNorm does while training.

    It takes the place of instance normalisation. The published S-Net stays in that mode when it is used.
    """
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.InstanceNorm2d):
                setattr(parent, name, nn.BatchNorm2d(child.num_features, affine=False).train())
    return network


def learning_rates(epochs: int, *, rate: float = 2e-4, halve_every: int = 19, linear: int = 400) -> np.ndarray:
    """The rate of each epoch under both schedules at once: (epochs,).

    A base rate is halved every 19 epochs, and the rate set to it; and every epoch takes a 400th of the base rate off
    whatever the rate is. The paper's is constant.
    """
    base = current = rate
    rates = []
    for epoch in range(epochs):
        if epoch and epoch % halve_every == 0:
            base = current = base / 2
        current = max(current - base / linear, 0)
        rates.append(current)
    return np.array(rates)


class Split(NamedTuple):
    """Which of the 25,000 kernels are drawn, counted from 0."""

    training: range
    validation: range


def kernel_split(validated: int = 500) -> Split:
    """Training draws 0 to 24500 with both ends in; the i-th validation image has kernel 24500 + i, i from 0."""
    return Split(range(24_500 + 1), range(24_500, 24_500 + validated))


def interpolated_losses(restored: Tensor, sharp: Tensor, masks: Tensor, confidence: Tensor) -> Tensor:
    """|C m x-hat + (1 - C) m x - m x| for each class, the mean over the image: the published form of C_i L_i (Eq. 4).

    Images (B, 3, H, W), masks (B, K, H, W), confidence (B, K)  ->  (B, K). The truth is mixed into the result and then
    taken off again.
    """
    m, c = masks.unsqueeze(2), confidence[:, :, None, None, None]
    x_hat, x = m * restored.unsqueeze(1), m * sharp.unsqueeze(1)  # (B, K, 3, H, W)
    return (c * x_hat + (1 - c) * x - x).abs().mean(dim=(2, 3, 4))


def effective_lambdas() -> tuple[float, ...]:
    """lambda of Eq. 4 for each class, once the published loss is divided by the class's own weight."""
    return tuple(LOG_WEIGHT / weight for weight in CLASS_WEIGHTS)


def noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """The noise of the published training, on the scale [0, 1]: drawn in levels of 255, added on the scale [-1, 1]."""
    return NOISE_LEVELS * torch.randn(shape, generator=generator) / 255 / 2


def blurred_masks(masks: Tensor, kernels: Tensor) -> Tensor:
    """The labels with which the published S-Net learns blurred images: (B, K, H, W), (B, k, k)  ->  (B, K, H, W).

    The masks are blurred as the image is and cut at 0.49. At a pixel none may be left, or two.
    """
    classes = masks.shape[1]
    padded = F.pad(masks, (0, 0, 0, 0, 0, -classes % 3))  # three at a time, as colours
    parts = [blur.blur(some, kernels) for some in padded.split(3, dim=1)]
    return (torch.cat(parts, dim=1)[:, :classes] > THRESHOLD).float()


def pooled_f_score(predicted: Tensor, true: Tensor) -> Tensor:
    """One F-score for all four maps of an image together: (B, K, H, W) x 2 in {0, 1}  ->  (B,).

    1 where neither has anything. Table II has one for each class.
    """
    both = (predicted * true).sum((1, 2, 3))
    all_ = (predicted + true).sum((1, 2, 3))
    return torch.where(all_ > 0, 2 * both / all_.clamp_min(1), torch.ones_like(both))


def written(pictures: Tensor) -> Tensor:
    """Images as the published test script writes them, (B, 3, H, W) in [0, 1]: cut to 256 levels, not rounded."""
    return (pictures * 255).clamp(0, 255).byte().float() / 255


def of_published_cost() -> tuple[SNet, UMSN]:
    """S-Net and UMSN of this library, widened inside their blocks until they cost what the published ones do.

    Not the published networks: they stand for the same number of MACs, in convolutions of the same kinds.
    """
    snet = _widened(lambda e: SNet(expansion=e), SNET_MACS)
    return snet, _widened(lambda e: build("umsn", expansion=e), ALL_MACS - SNET_MACS)


Network = TypeVar("Network", bound=nn.Module)


def _widened(make: Callable[[float], Network], wanted: float) -> Network:
    """The network whose blocks are as wide as costs ``wanted`` MACs, to a 64th of their outer width."""
    with torch.device("meta"):
        width = bisect_left(range(64, 64 * 16), wanted, key=lambda n: macs(make(n / 64))[""])
    return make((64 + width) / 64)
