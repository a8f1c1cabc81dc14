import torch

from umsn.faces import masks_of
from umsn.networks.losses import class_losses


def test_the_mean_is_over_the_image_not_over_the_class():
    """A class twice as large with the same error per pixel has twice the loss."""
    labels = torch.zeros(1, 4, 8, dtype=torch.uint8)
    labels[..., 4:6] = 1
    labels[..., 6:] = 10
    labels[..., 0, 6:] = 1
    sharp = torch.zeros(1, 3, 4, 8)
    losses = class_losses(sharp + 0.1, sharp, masks_of(labels))
    torch.testing.assert_close(losses, 0.1 * torch.tensor([[16, 10, 0, 6]]) / 32)
