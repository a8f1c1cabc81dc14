import pytest
import torch
from torch import nn

from umsn.faces import K
from umsn.networks.blocks import double, halve
from umsn.networks.deblurring import Deblurred
from umsn.networks.rivals.song import Objective, Song

NARROW = 8


def scene(height=32, width=32):
    generator = torch.Generator().manual_seed(0)
    sharp = nn.functional.interpolate(torch.rand(2, 3, 8, 8, generator=generator), size=(height, width), mode="bicubic")
    sharp = sharp.clamp(0, 1)
    masks = torch.rand(2, K, height, width, generator=generator).softmax(1)
    return nn.functional.avg_pool2d(sharp, 7, 1, 3, count_include_pad=False), sharp, masks


def network(width=NARROW):
    torch.manual_seed(0)
    return Song(width=width)


def test_it_sees_three_of_the_largest_kernels_and_works_at_half_the_size():
    """Of one pixel of the result, the gradients of the blurred image reach 40 pixels away, and no more than 50."""
    blurred = torch.rand(1, 3, 121, 121, requires_grad=True)
    network()(blurred, torch.zeros(1, K, 121, 121)).restored[0, 0, 60, 60].backward()
    rows = blurred.grad.abs().sum((0, 1, 3)).nonzero()[:, 0]
    assert 40 <= 60 - rows.min() <= 50 and 40 <= rows.max() - 60 <= 50


def test_what_is_added_is_as_smooth_as_an_image_of_half_the_size():
    """Halved and enlarged again, the residual differs by little; the blurred image of noise differs by much."""
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    residual = network()(noise, torch.zeros(1, K, 64, 64)).residual

    def lost(image):
        return ((image - double(halve(image))).std() / image.std()).item()

    assert lost(residual) < 0.6 * lost(noise)


@pytest.mark.parametrize("size", [(32, 32), (31, 45), (3, 2)])
def test_any_size_comes_back_the_same_each_time(size):
    blurred, _, masks = scene(*size)
    found, again = (network()(blurred, masks) for _ in range(2))
    assert found.restored.shape == blurred.shape and torch.equal(found.restored, again.restored)
    torch.testing.assert_close(found.restored, blurred + found.residual)


def test_the_components_of_the_face_guide_it():
    blurred, _, masks = scene()
    assert not torch.equal(network()(blurred, masks).restored, network()(blurred, masks.roll(1, 1)).restored)


def test_every_parameter_gets_a_finite_gradient_that_is_not_zero():
    blurred, sharp, masks = scene()
    song = network()
    Objective()(song(blurred, masks), sharp, masks)["loss"].backward()
    for name, parameter in song.named_parameters():
        assert bool(parameter.grad.isfinite().all()) and parameter.grad.abs().max() > 0, name


def test_the_loss_is_l1():
    _, sharp, masks = scene()
    assert Objective()(Deblurred(sharp + 0.1, sharp), sharp, masks)["loss"] == pytest.approx(0.1, rel=1e-5)
