"""Parameters and MACs, against a count that looks at every layer as it runs."""

import pytest
import torch
from torch import nn

from umsn.faces import K
from umsn.networks import cost
from umsn.networks.blocks import SharedSmoothing
from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.deblurring import FNet, build, parameters
from umsn.networks.parsing import SNet
from umsn.recipes import recipe


def counted(network, *inputs):
    """MACs of all convolutions and linear layers, from the shapes of what they return."""
    total = 0

    def add(layer, _, output):
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += output.numel() * layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
        elif isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features
        else:  # the shared smoothing filter
            total += output.numel() * layer.weight.shape[-1] ** 2

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) or type(layer).__name__ == "SharedSmoothing":
            layer.register_forward_hook(add)
    with torch.no_grad():
        network(*inputs)
    return total


def pictures(*channels, size=32):
    return [torch.rand(1, count, size, size) for count in channels]


@pytest.mark.parametrize(
    ("network", "inputs"),
    [
        (SNet(widths=(4, 6, 8)), (3,)),
        (FNet(), (3, 1)),
        (build("umsn", width=16), (3, K)),
        (build("nrl", width=16, equal=False), (3, K)),
        (ConfidenceNetwork(), (3, 3, K)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_macs_are_those_of_the_layers(network, inputs):
    assert cost.macs(network, size=32)[""] == counted(network, *pictures(*inputs))


def test_a_multiplication_and_an_addition_are_one_mac():
    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 5, 3, padding=1)

        def forward(self, image):
            return self.layer(image)

    assert cost.macs(One(), size=10)[""] == 10 * 10 * 5 * 3 * 9


def test_blocks_add_up_to_the_whole_and_nothing_is_moved():
    network = build("umsn", width=16)
    table = cost.blocks(network, size=32)
    parts, whole = table.iloc[:-1], table.iloc[-1]
    assert parts["parameters"].sum() == whole["parameters"] == parameters(network)
    assert parts["macs"].sum() == whole["macs"]
    assert len(parts) == K + 1 + 7 + 3
    assert all(weight.device.type == "cpu" for weight in network.parameters())


def test_the_papers_widths_cost_what_the_book_says():
    table = cost.networks(recipe("paper")).set_index("network")
    umsn, snet = table.loc["UMSN"], table.loc["S-Net"]
    assert 1.0e6 < umsn["parameters"] < 1.2e6
    assert 6.0e9 < umsn["macs"] < 6.8e9
    assert snet["parameters"] <= 1.5e6
    assert snet["macs"] <= 6e9
    rows = table.loc[["B-Net", "+ semantic maps", "+ nested residuals"], "parameters"]
    assert ((rows - umsn["parameters"]).abs() / umsn["parameters"]).max() < 0.01


def test_other_arguments_are_refused():
    with pytest.raises(ValueError, match=r"Linear\.forward takes input"):
        cost.macs(nn.Linear(2, 2))


def test_what_a_step_moves_is_counted():
    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Conv2d(3, 5, 3, padding=1)
            self.smooth = SharedSmoothing()

        def forward(self, image):
            return self.smooth(torch.relu(self.body(image)))

    # input, output, weights; then the gradient of the output, input, weights again, and the gradients of the weights
    inside, outside, weights, bias = 3 * 64, 5 * 64, 5 * 3 * 9, 5
    forward, backward = inside + outside + weights + bias, outside + inside + 2 * weights + bias
    assert cost.moved(One(), size=8, learns=False) == 2 * forward / 2**20
    assert cost.moved(One(), size=8) == 2 * (forward + backward) / 2**20
    with pytest.raises(ValueError, match="images or masks"):
        cost.moved(nn.Linear(3, 3))


def test_what_is_kept_for_the_gradients_is_counted():
    """A convolution keeps its input, a ReLU its output; weights, and what never learns, are not counted."""

    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 5, 3, padding=1)

        def forward(self, image):
            return self.layer(image).relu()

    assert cost.kept(One(), size=16) == 4 * 16 * 16 * (3 + 5) / 2**20
    assert cost.kept(One().requires_grad_(False), size=16) == 0
    network = build("umsn", width=8)
    assert 3.5 < cost.kept(network, size=64) / cost.kept(network, size=32) <= 4
