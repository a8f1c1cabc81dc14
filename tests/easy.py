"""What the tests of blind methods share: images blurred without noise by kernels of 13 to 17 pixels, and measures."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
import skimage.data
import skimage.restoration
import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.data import blur, synthetic
from umsn.evaluation import metrics


class Blurred(NamedTuple):
    sharp: Tensor  #: (B, 3, 128, 128)
    blurred: Tensor  #: (B, 3, 128, 128)
    kernels: Tensor  #: (B, k, k)


@cache
def sharp() -> Tensor:
    """Four parts of scikit-image's photographs and two synthetic faces, (6, 3, 160, 160)."""
    astronaut = torch.from_numpy(skimage.data.astronaut()).movedim(-1, 0)[None] / 255
    camera = torch.from_numpy(skimage.data.camera())[None, None].expand(-1, 3, -1, -1) / 255
    half = [F.interpolate(image, scale_factor=0.5, mode="area") for image in (astronaut, camera)]
    photographs = [half[0][..., 0:160, 40:200], astronaut[..., 200:360, 300:460], half[1][..., 20:180, 30:190]]
    photographs.append(camera[..., 60:220, 140:300])
    faces = [synthetic.draw(identity, 0, seed=5, margin=16).photo[None] for identity in (500_000, 500_001)]
    return torch.cat(photographs + faces)


def shaken(images: Tensor, kernels: Tensor) -> Blurred:
    """Images (B, 3, H, W) under their kernels, without the 16 pixels at each border, which are not known."""
    inside = (..., slice(16, -16), slice(16, -16))
    return Blurred(images[inside], blur.blur(images, kernels)[inside].clamp(0, 1).contiguous(), kernels)


@cache
def easy() -> Blurred:
    """The six images under six kernels of 13, 15 and 17 pixels, without noise."""
    return shaken(sharp(), blur.kernels([13, 15, 17] * 2, torch.Generator().manual_seed(11), centre="mass"))


@cache
def found(method: ModuleType) -> Tensor:
    """The kernels that a method finds for the easy set, (6, 27, 27)."""
    return method.estimate_kernel(easy().blurred)


def resemblance(a: Tensor, b: Tensor) -> Tensor:
    """The normalised cross-correlation of kernels (B, k, k) at their best shift: (B,), 1 where they are the same."""
    first, second = (torch.fft.rfft2(kernels, s=(64, 64)) for kernels in (a, b))
    largest = torch.fft.irfft2(first.conj() * second, s=(64, 64)).amax((-2, -1))
    return largest / (a.square().sum((-2, -1)) * b.square().sum((-2, -1))).sqrt()


def wiener(blurred: Tensor, kernel: Tensor, balance: float) -> Tensor:
    """scikit-image's Wiener filter: blurred (B, 3, H, W) and kernels (B, k, k) -> restored, the border reflected."""
    wide = F.pad(blurred, (30,) * 4, mode="reflect").double().numpy()
    pairs = zip(wide, kernel.double().numpy(), strict=True)
    images = [[skimage.restoration.wiener(channel, k, balance) for channel in image] for image, k in pairs]
    return torch.from_numpy(np.array(images)[..., 30:-30, 30:-30]).float().clamp(0, 1)


def check(method: ModuleType) -> None:
    """What holds for every blind method: kernels found on half of the easy set, and used; the same twice."""
    kernels = found(method)
    assert kernels.shape == (6, 27, 27)
    assert kernels.min() >= 0
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(6))
    assert (resemblance(kernels, easy().kernels) >= 0.7).sum() >= 3
    first = easy().blurred[:2, :, 32:96, 32:96]
    assert torch.equal(method.estimate_kernel(first, largest=13), method.estimate_kernel(first, largest=13))
    alone = method.estimate_kernel(first[1:], largest=13)
    assert resemblance(alone, method.estimate_kernel(first, largest=13)[1:]) > 0.98


def check_sharp(method: ModuleType, least: float) -> None:
    """Sharp images change little: a mean PSNR of ``least`` dB at their best shifts; a flat one does not change."""
    images = easy().sharp[[0, 3, 4]]
    assert metrics.psnr_shifted(method.deblur(images), images).mean() > least
    flat = torch.full((1, 3, 64, 64), 0.4)
    torch.testing.assert_close(method.deblur(flat, largest=9), flat, atol=1e-3, rtol=0)
