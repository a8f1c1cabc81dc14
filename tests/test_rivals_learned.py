"""The learned rivals: any size, every scale, every parameter, one batch by heart, and the sizes that are published."""

import pytest
import torch
from torch import nn

from umsn.faces import K, masks_of
from umsn.networks import cost
from umsn.networks.blocks import halve
from umsn.networks.deblurring import parameters
from umsn.networks.rivals import LEARNED, nah, shen
from umsn.networks.rivals.multiscale import ResBlock, scaled

WIDTH = 8


def scene(height=24, width=24):
    """Blurred and sharp images, and masks of stripes."""
    coarse = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    sharp = nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    blurred = nn.functional.avg_pool2d(nn.functional.pad(sharp, (3,) * 4, mode="replicate"), 7, 1)
    labels = (torch.arange(width) * 11 // width).expand(2, height, width)
    return blurred, sharp, masks_of(labels)


def made(name, width=WIDTH, seed=0):
    """Network and objective, small, the same for the same seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LEARNED[name].network(width), LEARNED[name].objective(width)


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("shape", [(24, 24), (31, 45)])
def test_any_size_comes_back_and_the_residual_is_the_difference(name, shape):
    blurred, sharp, masks = scene(*shape)
    network, objective = made(name)
    found = network(blurred, masks)
    assert found.restored.shape == blurred.shape
    torch.testing.assert_close(found.restored, blurred + found.residual)
    assert all(bool(term.isfinite()) and term.ndim == 0 for term in objective(found, sharp, masks).values())


@pytest.mark.parametrize("name", LEARNED)
def test_the_same_seed_gives_the_same_bits(name):
    blurred, _, masks = scene()
    first, again, other = (made(name, seed=seed)[0](blurred, masks).restored for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("name", LEARNED)
def test_every_parameter_gets_a_finite_gradient_that_is_not_zero(name):
    blurred, sharp, masks = scene()
    network, objective = made(name)
    objective(network(blurred, masks), sharp, masks)["loss"].backward()
    for key, parameter in nn.ModuleList([network, objective]).named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key
        if not key.endswith("bias"):  # a normalisation after it may take a bias away again
            assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", LEARNED)
def test_one_batch_can_be_learned_by_heart(name):
    """The squared error on one fixed batch falls below half of that of the blurred images."""
    blurred, sharp, masks = scene()
    network, objective = made(name)
    optimiser = torch.optim.Adam([*network.parameters(), *objective.parameters()], 1e-3)
    before, errors = (blurred - sharp).square().mean(), []
    while len(errors) < 300 and (not errors or errors[-1] >= before / 2):
        optimiser.zero_grad()
        found = network(blurred, masks)
        objective(found, sharp, masks)["loss"].backward()
        optimiser.step()
        errors.append((found.restored.detach() - sharp).square().mean())
    assert errors[0] > before / 2 > errors[-1]


def test_the_sizes_are_the_published_ones():
    """Nah et al.: 11.7 million numbers and 84 GMAC. Shen et al.: two scales of sixteen convolutions each."""
    network = LEARNED["nah"].network(64)
    assert parameters(network) == pytest.approx(11.7e6, rel=0.005)
    assert cost.macs(network)[""] == pytest.approx(84e9, rel=0.005)
    assert [sum(isinstance(part, ResBlock) for part in body) for body in network.bodies] == [19] * 3
    network = LEARNED["shen"].network(64)
    assert [sum(isinstance(m, nn.Conv2d) for m in part.modules()) for part in (network.coarse, network.fine)] == [
        16,
        16,
    ]


def test_a_width_scales_the_channels():
    for name, learned in LEARNED.items():
        half, whole = (parameters(learned.network(width)) for width in (32, 64))
        assert 2 < whole / half < 4.2, name


def test_scales_are_means_of_the_ones_before():
    image = torch.rand(2, 3, 30, 45)
    whole, half, quarter = scaled(image, 3)
    assert [tuple(x.shape[-2:]) for x in (whole, half, quarter)] == [(32, 48), (16, 24), (8, 12)]
    assert torch.equal(whole[..., :30, :45], image)
    assert torch.equal(half, halve(whole)) and torch.equal(quarter, halve(half))
    torch.testing.assert_close(quarter[..., :7, :11].mean(), image[..., :28, :44].mean())


def test_coarser_scales_come_along_and_are_trained():
    """Each scale's image is compared with the sharp one of its size: a wrong one there makes the loss larger."""
    blurred, sharp, masks = scene(30, 44)
    for name, expected in (("nah", [(16, 22), (8, 11)]), ("shen", [(15, 22)])):
        network, objective = made(name)
        found = network(blurred, masks)
        assert [tuple(x.shape[-2:]) for x in found.coarser] == expected
        truths = scaled(sharp, len(expected) + 1)[1:]
        perfect = found._replace(restored=sharp, coarser=tuple(truths))
        assert float(objective(perfect, sharp, masks)["content"]) == 0
        for i, truth in enumerate(truths):
            coarser = tuple(t + 0.1 if t is truth else t for t in truths)
            assert float(objective(perfect._replace(coarser=coarser), sharp, masks)["content"]) > 1e-4, (name, i)


def test_the_residual_block_is_its_input_where_its_body_is_nothing():
    """Nothing is rectified after the sum: negative values pass."""
    block = ResBlock(4)
    nn.init.zeros_(block.body[-1].weight)
    nn.init.zeros_(block.body[-1].bias)
    x = torch.randn(1, 4, 8, 8)
    assert torch.equal(block(x), x)


def test_a_coarse_scale_reaches_the_finest_one():
    blurred, _, masks = scene()
    for network, coarsest in ((nah.Nah(channels=4, blocks=1), "bodies.2"), (shen.Shen(channels=4, blocks=1), "coarse")):
        before = network(blurred, masks).restored
        with torch.no_grad():
            for parameter in network.get_submodule(coarsest).parameters():
                parameter.add_(0.1)
        assert not torch.equal(before, network(blurred, masks).restored)


def test_only_shen_looks_at_the_masks():
    blurred, _, masks = scene()
    for name, looks in (("nah", False), ("shen", True), ("shen-gan", True)):
        network, _ = made(name)
        moved = network(blurred, masks.roll(1, dims=1)).restored
        assert torch.equal(network(blurred, masks).restored, moved) != looks
    assert masks.shape[1] == K


def test_the_structural_loss_is_the_error_of_the_parts_alone():
    _, sharp, masks = scene()
    objective = shen.Objective(adversarial=False)
    wrong = sharp + 0.1 * masks[:, 2:3]
    for image, expected in ((wrong, 0.1 * masks[:, 2].mean()), (sharp + 0.1 * masks[:, 1:2], 0.0)):
        found = shen.MultiScale(image, image - sharp, (scaled(sharp, 2)[1],))
        torch.testing.assert_close(objective(found, sharp, masks)["structural"], torch.as_tensor(expected))
