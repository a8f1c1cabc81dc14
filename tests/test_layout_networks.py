"""The layout for a GPU computes what the plain networks compute: its operations, its blocks, its networks."""

import copy

import pytest
import torch
from torch import nn

from umsn.networks import blocks, weights
from umsn.networks.deblurring import VARIANTS, FirstStage, FNet, build
from umsn.networks.parsing import FrozenParser, SNet
from umsn.training.layout import operations
from umsn.training.layout.convolutions import places
from umsn.training.layout.networks import NoLayoutError, laid_out, laid_out_task
from umsn.training.stages import Parsing, Stream


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def image(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=seeded(), dtype=torch.float64)


def plain_conv(channels: int, *, smooth: bool) -> nn.Sequential:
    """What comes before a convolution in the plain networks; its filter is no longer the identity."""
    layers = blocks.conv(channels, 1, 3, dilation=2 if smooth else 1)[:-1].double()
    for filters in layers.parameters():
        nn.init.normal_(filters, generator=seeded())
    return layers


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("backend", [None, "aot_eager"])
def test_norm_relu_and_smoothing_in_one_are_the_plain_three(smooth, backend):
    """Also as a compiler sees it, where smoothing is a sum of shifted copies; "aot_eager" needs no compiler."""
    plain = plain_conv(5, smooth=smooth)
    operation = torch.compile(operations.rectified, backend=backend) if backend else operations.rectified
    x = image(2, 5, 9, 8).requires_grad_()
    filters = [plain[-1].weight[0]] if smooth else []
    both = []
    for y in (plain(x), operation(x, *filters)):
        loss = y.pow(2).mul(torch.arange(8)).sum()
        both.append((y, *torch.autograd.grad(loss, (x, *plain.parameters()))))
    torch.testing.assert_close(*both, rtol=1e-10, atol=1e-10)


def test_each_group_of_channels_has_its_own_filter():
    x, filters = image(1, 6, 7, 7), image(2, 3, 3)
    parts = [operations.smoothed(part, filters[i : i + 1]) for i, part in enumerate(x.split(3, 1))]
    torch.testing.assert_close(operations.smoothed(x, filters), torch.cat(parts, 1))


@pytest.mark.parametrize("name", ["halve", "double"])
def test_pooling_and_upsampling_as_sums_are_torch_s(name):
    x = image(2, 3, 6, 10).requires_grad_()
    ours, plain = (getattr(module, name)(x) for module in (operations, blocks))
    torch.testing.assert_close(ours, plain)
    slope = torch.rand_like(plain)
    torch.testing.assert_close(*(torch.autograd.grad((y * slope).sum(), x) for y in (ours, plain)))


def test_padding_is_zeros_that_can_be_left_out_again():
    x = image(2, 6, 3, 3)
    wide = torch.cat([operations.padded(part) for part in x.split(3, 1)], 1)
    assert wide.shape == (2, 16, 3, 3) and wide[:, 3:8].abs().sum() == 0
    assert torch.equal(operations.unpadded(wide, 3, groups=2), x)
    assert operations.rounded_up(8) == 8 and operations.rounded_up(71) == 72


def filled(network: nn.Module) -> nn.Module:
    laid = laid_out(network)
    with torch.no_grad():
        for own, plain, index in places(laid):
            own[index] = plain
    return laid


def disturbed(network: nn.Module) -> nn.Module:
    """Smoothing filters that are no identity, and biases that are not zero."""
    generator = seeded()
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return network


BLURRED, MASKS = image(2, 3, 18, 26), image(2, 4, 18, 26).softmax(1)
NETWORKS = {
    **{f"{v}, width 16": lambda v=v: build(v, width=16, expansion=1.5) for v in VARIANTS},
    "umsn, width 64": lambda: build("umsn"),
    "first stage": lambda: FirstStage(FNet(channels=(16, 8, 8, 8, 4))),
    "S-Net": lambda: SNet(widths=(4, 12, 24)),
}


def results(name: str, network: nn.Module) -> torch.Tensor:
    if name == "S-Net":
        return network(BLURRED)
    return network(BLURRED, MASKS[:, :1] if name == "first stage" else MASKS).restored


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_in_the_layout_is_the_plain_one(name):
    """In 64 bits, where hardly a ReLU flips by rounding: results and all gradients, at a size that needs padding."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = disturbed(NETWORKS[name]()).double()
    laid = filled(network)
    plain, ours = results(name, network), results(name, laid)
    torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-10)
    slope = torch.rand(plain.shape, generator=seeded(), dtype=plain.dtype)
    expected = torch.autograd.grad((plain * slope).sum(), list(network.parameters()))
    own = list(laid.parameters())
    found = dict(zip(own, torch.autograd.grad((ours * slope).sum(), own), strict=True))
    of = {plain: found[own][index] for own, plain, index in places(laid)}
    scale = torch.stack([g.norm() for g in expected]).norm()
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        assert (of[parameter] - gradient).norm() < 1e-9 * scale
    for own, gradient in found.items():  # what belongs to no plain parameter has no gradient
        used = torch.zeros_like(own, dtype=torch.bool)
        for mine, _, index in places(laid):
            if mine is own:
                used[index] = True
        assert gradient[~used].abs().sum() == 0


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


def test_umsn_agrees_in_32_bits_to_a_millionth():
    """With trained weights. With new ones the plain network itself is further from its result in 64 bits."""
    generator = seeded()
    blurred = torch.rand(2, 3, 64, 64, generator=generator)
    masks = torch.rand(2, 4, 64, 64, generator=generator).softmax(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trained, new = weights.shipped().network, build("umsn")
    with torch.no_grad():
        assert apart(filled(trained)(blurred, masks).restored, trained(blurred, masks).restored) < 1e-6
        exact = copy.deepcopy(new).double()(blurred.double(), masks.double()).restored
        ours, plain = (network(blurred, masks).restored.double() for network in (filled(new), new))
    assert apart(ours, exact) < 2 * apart(plain, exact)


def test_s_net_that_makes_the_masks_is_laid_out_and_frozen():
    parser = FrozenParser(SNet(widths=(4, 8)).double())
    task = Stream(FirstStage(FNet(channels=(8, 8, 8))).double(), 2, parser, None, 0)
    laid = laid_out_task(task, torch.float32, torch.contiguous_format)
    torch.testing.assert_close(laid.parse(BLURRED), parser(BLURRED))
    assert not any(p.requires_grad for p in laid.parse.__self__.parameters())
    assert isinstance(task.network, FirstStage), "the task itself is left alone"


def test_a_network_without_a_layout_is_named():
    task = Parsing(SNet(widths=(4, 8)), blurry=False)
    task.head = nn.Conv2d(4, 4, 1)
    with pytest.raises(NoLayoutError, match="Conv2d has no layout"):
        laid_out_task(task, torch.float32, torch.contiguous_format)
    del task.head
    task.scale = nn.Parameter(torch.ones(()))
    with pytest.raises(NoLayoutError, match="parameters outside"):
        laid_out_task(task, torch.float32, torch.contiguous_format)
