import pytest
import torch

from umsn.networks.rivals.relativistic import DoubleScaleCritic, relativistic, relativistic_game

NARROW = 4


def critic():
    torch.manual_seed(0)
    return DoubleScaleCritic(width=NARROW)


def pairs(side=32):
    """Sharp images and blurred ones."""
    sharp = torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(0))
    return sharp, torch.nn.functional.avg_pool2d(sharp, 5, 1, 2)


def test_marks_that_are_one_apart_cost_nothing_and_equal_ones_cost_one():
    marks = torch.full((2, 1, 3, 3), 0.3)
    assert relativistic(marks + 1, marks) == pytest.approx(0, abs=1e-12)
    assert relativistic(marks, marks) == pytest.approx(1)
    assert relativistic(marks, marks + 1) == pytest.approx(4)


def test_only_differences_of_marks_count():
    a, b = torch.rand(2, 2, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(relativistic(a + 5, b + 5), relativistic(a, b))


def test_both_scales_mark_patches_of_images_of_any_size():
    few, many = critic()(torch.rand(2, 3, 128, 128)), critic()(torch.rand(2, 3, 7, 33))
    assert len(few) == len(many) == 2 and all(m.shape[:2] == (2, 1) for m in [*few, *many])
    assert few[0].shape[-1] > few[1].shape[-1]


def test_the_sum_of_both_losses_moves_each_part_by_its_own_alone():
    judge, (sharp, blurred) = critic(), pairs()
    shift = torch.nn.Parameter(torch.zeros(3, 1, 1))  # stands for the generator

    def gradients(choose):
        judge.zero_grad()
        shift.grad = None
        choose(relativistic_game(judge, blurred + shift, sharp)).backward()
        return [None if p.grad is None else p.grad.clone() for p in (shift, *judge.parameters())]

    both = gradients(lambda found: found.generator + found.critic)
    generator = gradients(lambda found: found.generator)
    judging = gradients(lambda found: found.critic)
    assert generator[0].abs().max() > 0 and all(g is None for g in generator[1:])
    assert judging[0] is None and all(g.abs().max() > 0 for g in judging[1:])
    torch.testing.assert_close(both[0], generator[0], rtol=0, atol=0)
    torch.testing.assert_close(both[1:], judging[1:], rtol=0, atol=0)


def test_the_losses_are_the_mean_over_both_scales():
    judge, (sharp, blurred) = critic(), pairs()
    real, fake, found = judge(sharp), judge(blurred), relativistic_game(judge, blurred, sharp)
    expected = [sum(relativistic(*m) for m in zip(*order, strict=True)) / 2 for order in ((fake, real), (real, fake))]
    torch.testing.assert_close(list(found), expected)


def test_every_parameter_of_the_critic_gets_a_finite_gradient():
    judge, (sharp, blurred) = critic(), pairs()
    relativistic_game(judge, blurred, sharp).critic.backward()
    for name, parameter in judge.named_parameters():
        assert bool(parameter.grad.isfinite().all()) and parameter.grad.abs().max() > 0, name


def test_the_critic_learns_to_tell_sharp_from_blurred():
    judge, (sharp, blurred) = critic(), pairs()
    optimiser = torch.optim.Adam(judge.parameters(), 2e-3)
    first = relativistic_game(judge, blurred, sharp).critic.item()
    for _ in range(40):
        optimiser.zero_grad()
        relativistic_game(judge, blurred, sharp).critic.backward()
        optimiser.step()
    last = relativistic_game(judge, blurred, sharp)
    assert last.critic < 0.2 * first and last.generator > 1
    assert all(real.mean() > fake.mean() for real, fake in zip(judge(sharp), judge(blurred), strict=True))
