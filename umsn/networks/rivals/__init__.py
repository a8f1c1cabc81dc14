"""Rivals of Table III that are trained: their networks and losses, written anew from their papers, one file each.

The ones that need no training are in `umsn.evaluation.rivals`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from torch import nn

from umsn.networks.rivals import kupyn, nah, shen, song
from umsn.networks.rivals.mobilenet import load_imagenet


class Learned(NamedTuple):
    """A rival as training and weights need it."""

    network: Callable[[int], nn.Module]
    """Made for a width, that of `deblurring.build`: 64 is as published, other widths scale all channels. ``forward``
    takes blurred (B, 3, H, W) in [0, 1] and masks (B, K, H, W), any H and W, to a NamedTuple that begins like
    `deblurring.Deblurred`."""

    objective: Callable[[int], nn.Module]
    """Made for a width. ``forward`` takes what the network returned, the sharp images and their masks to the terms of
    the loss by name, "loss" among them. Whatever else is trained, such as a critic, is part of it."""

    learning_rate: float  #: of Adam, as published
    perceptual: bool = False  #: whether its publication has a perceptual loss: it then has UMSN's, where UMSN has one

    begin: Callable[[nn.Module, Path], None] | None = None
    """Puts a user's file of its backbone, trained elsewhere, into a new network. Raises InputError where none fits."""


def _shen(*, adversarial: bool) -> Learned:
    return Learned(
        lambda width: shen.Shen(channels=width),
        lambda width: shen.Objective(adversarial=adversarial, width=width),
        shen.LEARNING_RATE,
        perceptual=True,
    )


#: By the names of their methods, which are those of the stages that train them.
LEARNED: Mapping[str, Learned] = {
    "kupyn": Learned(
        lambda width: kupyn.Kupyn(width=width),
        lambda width: kupyn.Objective(width=width),
        kupyn.LEARNING_RATE,
        perceptual=True,
        begin=lambda network, path: load_imagenet(network.backbone, path),
    ),
    "nah": Learned(lambda width: nah.Nah(channels=width), lambda width: nah.Objective(width=width), nah.LEARNING_RATE),
    "shen": _shen(adversarial=False),
    "shen-gan": _shen(adversarial=True),
    "song": Learned(lambda width: song.Song(width=width), lambda width: song.Objective(), song.LEARNING_RATE),
}
