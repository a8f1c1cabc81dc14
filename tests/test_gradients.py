"""Every parameter learns in the stage that trains it, frozen ones do not, and no batch is thrown away.

The published trainer fails both: 46 of its 321 tensors never get a gradient, and every second batch is discarded.
"""

import pytest
import torch
from training import run_in, striped

from umsn.training.batches import Source
from umsn.training.stages import ALL, train

FACES = striped()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = run_in(tmp_path_factory.mktemp("run"))
    train(run, FACES, stages=[s for s in ALL if s.startswith(("parse", "stream"))], say=None)
    return run


@pytest.mark.parametrize("stage", ALL)
def test_every_parameter_gets_a_finite_gradient_that_is_not_zero(run, stage):
    task = run.task(stage)
    batch = Source.of(FACES, run.recipe, seed=0).batch(2, torch.Generator().manual_seed(0), only=task.only)
    task(batch)["loss"].backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        # An instance norm after it takes a bias away again, up to rounding.
        if not name.endswith("bias"):
            assert parameter.grad.abs().max() > 0, name


def test_the_parser_is_frozen_while_umsn_learns(run):
    names = {n.split(".")[0] for n, _ in run.task("umsn").named_parameters()}
    assert names == {"network", "confidence"}


def test_every_batch_changes_the_weights(run):
    task = run.task("umsn")
    source = Source.of(FACES, run.recipe, seed=0)
    optimiser = torch.optim.Adam(task.parameters(), 1e-3)
    before = task.network.to_image.weight.detach().clone()
    for step in range(4):
        optimiser.zero_grad()
        task(source.batch(2, torch.Generator().manual_seed(step)))["loss"].backward()
        optimiser.step()
        after = task.network.to_image.weight.detach().clone()
        assert not torch.equal(before, after)
        before = after
