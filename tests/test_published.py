"""What follows from each behaviour of the published code, as laws of our re-creations."""

import numpy as np
import pytest
import torch
from torch import nn

from umsn.data import blur
from umsn.faces import masks_of
from umsn.networks.blocks import SharedSmoothing
from umsn.networks.confidence import closed_form
from umsn.networks.cost import macs
from umsn.networks.losses import class_losses
from umsn.networks.parsing import SNet
from umsn.pages import published


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_batches_in_between_change_nothing(generator):
    network = nn.Linear(3, 1)
    batches = list(torch.randn(8, 5, 3, generator=generator))
    others = [b if i % 2 == 0 else 100 * torch.randn(5, 3, generator=generator) for i, b in enumerate(batches)]

    def loss(model, batch):
        return (model(batch) - 1).square().mean()

    once = weights(published.trained(network, batches, loss))
    assert torch.equal(once, weights(published.trained(network, others, loss)))
    assert torch.equal(once, weights(published.trained(network, batches[::2], loss, stride=1)))
    assert not torch.equal(once, weights(published.trained(network, batches, loss, stride=1)))


def test_a_name_decides_what_is_drawn_anew(generator):
    network = nn.Sequential(SharedSmoothing(), published.SmoothingConv(), nn.Conv2d(2, 2, 3), nn.Linear(2, 2))
    again = published.redrawn(network, generator)
    x = torch.randn(1, 2, 8, 8, generator=generator)
    assert torch.equal(again[0](x), x)
    assert torch.equal(network[1](x), x)
    assert again[1](x).std() < 0.2 * x.std()
    assert torch.equal(again[2].bias, network[2].bias)
    assert not torch.equal(again[2].weight, network[2].weight)
    assert torch.equal(again[3].weight, network[3].weight)


def test_batch_statistics_of_one_picture_are_instance_statistics(generator):
    network = SNet(widths=(4, 8)).eval()
    changed = published.batch_normalised(network)
    pictures = torch.rand(3, 3, 16, 16, generator=generator)
    with torch.no_grad():
        own = network(pictures)
        alone = torch.cat([changed(one[None]) for one in pictures])
        together = changed(pictures)
    torch.testing.assert_close(alone, own, rtol=1e-4, atol=1e-5)
    assert (together - own).abs().max() > 1e-2


def test_rates_fall_within_and_between_halvings():
    rates = published.learning_rates(60)
    assert rates[0] == pytest.approx(2e-4 * (1 - 1 / 400))
    assert rates[18] == pytest.approx(2e-4 * (1 - 19 / 400))
    assert rates[19] == pytest.approx(1e-4 * (1 - 1 / 400))
    assert rates[38] == pytest.approx(0.5e-4 * (1 - 1 / 400))
    assert (np.diff(rates) < 0).all()


def test_one_kernel_is_in_both_sets():
    split = published.kernel_split()
    assert set(split.training) & set(split.validation) == {24_500}
    assert split.validation[-1] == 25_000 - 1


def test_the_interpolated_loss_is_equation_4(generator):
    restored, sharp = torch.rand(2, 2, 3, 12, 12, generator=generator)
    masks = torch.rand(2, 4, 12, 12, generator=generator)  # soft and overlapping, as published
    confidence = torch.rand(2, 4, generator=generator)
    ours = confidence * class_losses(restored, sharp, masks)
    torch.testing.assert_close(published.interpolated_losses(restored, sharp, masks, confidence), ours)


def test_dividing_by_the_weights_leaves_the_best_confidence():
    losses = torch.tensor([0.05, 0.02, 0.01, 0.03], dtype=torch.float64)
    weight = torch.tensor(published.CLASS_WEIGHTS, dtype=torch.float64)
    c = torch.linspace(1e-4, 1, 100_001, dtype=torch.float64)[:, None]
    best = c[(weight * c * losses - published.LOG_WEIGHT * c.log()).argmin(0), 0]
    expected = [closed_form(one, lam).item() for one, lam in zip(losses, published.effective_lambdas(), strict=True)]
    assert best.tolist() == pytest.approx(expected, abs=2e-5)


def test_noise_is_two_levels(generator):
    assert 255 * published.noise((100_000,), generator).std() == pytest.approx(2, rel=0.02)


def test_blurred_masks_leave_pixels_without_a_class(generator):
    labels = torch.zeros(1, 40, 40, dtype=torch.uint8)
    labels[:, :, 20:] = 10
    labels[:, 18:20, 18:20] = 4  # an eye of four pixels
    masks = masks_of(labels)
    still = torch.ones(1, 1, 1)
    assert torch.equal(published.blurred_masks(masks, still), masks)
    blurred = published.blurred_masks(masks, torch.full((1, 13, 13), 1 / 169))
    assert set(blurred.unique().tolist()) == {0, 1}
    assert blurred[:, 2].sum() == 0  # the eye is gone
    straight = blur.blur(masks[:, [0, 1, 3]], torch.full((1, 13, 13), 1 / 169)) > published.THRESHOLD
    assert torch.equal(blurred[:, [0, 1, 3]].bool(), straight)


def test_the_pooled_score_hides_a_missing_class():
    true = torch.zeros(1, 4, 10, 10)
    true[:, 0], true[:, 0, 0, 0], true[:, 2, 0, 0] = 1, 0, 1
    predicted = torch.zeros_like(true)
    predicted[:, 0] = 1  # everything background, the parts missed
    assert published.pooled_f_score(predicted, true).item() == pytest.approx(0.99)
    empty = torch.zeros(1, 4, 10, 10)
    assert published.pooled_f_score(empty, empty).item() == 1


def test_writing_cuts_levels():
    assert (255 * published.written(torch.tensor([0.0, 0.999 / 255, 1.999 / 255, 1.0, 1.2, -0.1]))).tolist() == (
        pytest.approx([0, 0, 1, 255, 255, 0])
    )


def test_the_widened_networks_cost_what_the_published_ones_do():
    snet, network = published.of_published_cost()
    found = [macs(snet)[""], macs(network)[""]]
    assert found == pytest.approx([published.SNET_MACS, published.ALL_MACS - published.SNET_MACS], rel=0.02)
