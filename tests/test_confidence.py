import torch

from umsn.faces import K, masks_of
from umsn.networks.confidence import ConfidenceNetwork, closed_form
from umsn.networks.losses import class_losses, confidence_loss


def test_one_confidence_for_each_class_of_each_image():
    masks = masks_of(torch.randint(11, (3, 24, 31)))
    confidence = ConfidenceNetwork()(torch.rand(3, 3, 24, 31), torch.rand(3, 3, 24, 31), masks)
    assert confidence.shape == (3, K)
    assert (0 < confidence).all() and (confidence < 1).all()


def test_the_closed_form_is_the_minimiser_of_eq_4():
    losses = torch.tensor([[0.001, 0.01, 0.02, 0.5]])
    best = closed_form(losses, 0.01)
    torch.testing.assert_close(best, torch.tensor([[1, 1, 0.5, 0.02]]))
    grid = torch.linspace(1e-3, 1, 4000)
    for i in range(4):
        values = grid * losses[0, i] - 0.01 * grid.log()
        assert abs(grid[values.argmin()] - best[0, i]) < 1e-3


def test_the_network_learns_to_trust_what_is_right_and_to_doubt_what_is_not():
    """Trained by Eq. 4 alone on two fixed images, its confidences approach the closed form's order."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ConfidenceNetwork()
        sharp = torch.rand(2, 3, 32, 32)
        restored = torch.stack([sharp[0] + 0.002, 1 - sharp[1]]).clamp(0, 1)
    masks = masks_of(torch.arange(11).repeat(2, 32, 3)[:, :, :32])
    losses = class_losses(restored, sharp, masks)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        confidence_loss(losses, network(restored, sharp, masks), 0.01).backward()
        optimiser.step()
    learned = network(restored, sharp, masks).detach()
    assert (learned[0] > 0.8).all() and (learned[1, 2] < 0.4)
    assert (learned - closed_form(losses, 0.01)).abs().mean() < 0.15
