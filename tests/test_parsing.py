import pytest
import torch

from umsn.faces import K
from umsn.networks.deblurring import parameters
from umsn.networks.parsing import SNet


@pytest.mark.parametrize("shape", [(128, 128), (127, 101), (33, 64)])
def test_any_size_gives_maps_of_that_size_that_sum_to_one(shape):
    masks = SNet(widths=(4, 8, 8)).masks(torch.rand(2, 3, *shape))
    assert masks.shape == (2, K, *shape)
    torch.testing.assert_close(masks.sum(1), torch.ones(2, *shape))


def test_the_default_is_small():
    assert parameters(SNet()) <= 1_500_000


def test_contrast_reaches_the_network():
    """The image itself is not instance-normalised, so half the contrast is another image."""
    snet, image = SNet(widths=(4, 8)), torch.rand(1, 3, 32, 32)
    assert not torch.allclose(snet(image), snet(0.5 * image), atol=1e-3)
