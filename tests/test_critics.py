"""Two players in one step: each loss moves its own parameters alone, as if they were trained apart."""

import math

import pytest
import torch
from torch import nn

from umsn.networks.rivals.critics import DCGAN, NAH, Critic, game, judged


@pytest.fixture
def players():
    """A generator and a critic, blurred and sharp images."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield nn.Conv2d(3, 3, 3, padding=1), Critic(width=8), torch.rand(2, 3, 24, 24), torch.rand(2, 3, 24, 24)


def gradients(loss, *networks):
    parameters = [parameter for network in networks for parameter in network.parameters()]
    return torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)


def test_each_loss_moves_its_own_parameters_alone(players):
    generator, critic, blurred, sharp = players
    played = game(critic, generator(blurred), sharp)
    assert all(g is None for g in gradients(played.generator, critic))
    assert all(g is None for g in gradients(played.critic, generator))
    assert all(float(g.abs().max()) > 0 for g in gradients(played.generator, generator))
    assert all(float(g.abs().max()) > 0 for g in gradients(played.critic, critic))


def test_the_gradients_of_the_sum_are_those_of_players_trained_apart(players):
    """An oracle written the usual way, with two passes and two losses."""
    generator, critic, blurred, sharp = players
    restored = generator(blurred)
    played = game(critic, restored, sharp)
    both = gradients(0.3 * played.generator + played.critic, generator, critic)
    entropy = nn.functional.softplus
    apart = gradients(0.3 * entropy(-critic(restored)).mean(), generator)
    told = (entropy(-critic(sharp)).mean() + entropy(critic(restored.detach())).mean()) / 2
    for found, expected in zip(both, (*apart, *gradients(told, critic)), strict=True):
        torch.testing.assert_close(found, expected)


def test_a_critic_that_says_nothing_costs_the_logarithm_of_two(players):
    generator, critic, blurred, sharp = players
    nn.init.zeros_(critic.judge.weight)
    nn.init.zeros_(critic.judge.bias)
    played = game(critic, generator(blurred), sharp)
    assert [float(loss.detach()) for loss in played] == pytest.approx([math.log(2)] * 2)


def test_what_is_judged_is_what_the_critic_says(players):
    _, critic, blurred, _ = players
    assert torch.equal(judged(critic, blurred), critic(blurred))
    assert all(parameter.requires_grad for parameter in critic.parameters())


@pytest.mark.parametrize("layers", [NAH, DCGAN], ids=["nah", "dcgan"])
@pytest.mark.parametrize("shape", [(24, 24), (33, 47)])
def test_one_logit_an_image_of_any_size(layers, shape):
    assert Critic(layers, width=4)(torch.rand(3, 3, *shape)).shape == (3,)


def test_a_critic_is_trained_to_tell_blurred_from_sharp(players):
    _, critic, _, sharp = players
    blurred = nn.functional.avg_pool2d(sharp, 5, 1, padding=2)
    optimiser = torch.optim.Adam(critic.parameters(), 2e-3)
    for _ in range(60):
        optimiser.zero_grad()
        game(critic, blurred, sharp).critic.backward()
        optimiser.step()
    with torch.no_grad():
        assert critic(sharp).min() > critic(blurred).max()
