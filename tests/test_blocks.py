import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from torch import nn

from umsn.networks.blocks import (
    ResBlock,
    SharedSmoothing,
    chain,
    compile_blocks,
    double,
    halve,
    pad_to,
    smooth_by_shifts,
)


def test_smoothing_starts_as_the_identity_with_one_filter_for_all_channels():
    smoothing = SharedSmoothing()
    x = torch.rand(2, 5, 8, 9)
    assert torch.equal(smoothing(x), x)
    assert sum(p.numel() for p in smoothing.parameters()) == 9
    assert SharedSmoothing(3).weight.shape[-2:] == (5, 5)


def test_smoothing_is_scipys_convolution():
    smoothing = SharedSmoothing()
    nn.init.normal_(smoothing.weight, generator=torch.Generator().manual_seed(0))
    x = torch.rand(1, 3, 8, 9)
    taps = smoothing.weight.detach()[0, 0].flip(0, 1).numpy()  # torch correlates
    expected = np.stack([convolve2d(c, taps, mode="same") for c in x[0].numpy()])
    np.testing.assert_allclose(smoothing(x)[0].detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("dilation", [2, 3])
def test_shifted_copies_smooth_as_the_convolution_does_gradients_too(dilation):
    smoothing = SharedSmoothing(dilation).double()
    nn.init.normal_(smoothing.weight, generator=torch.Generator().manual_seed(0))
    x = torch.rand(2, 3, 8, 9, dtype=torch.float64, requires_grad=True)
    found = []
    for y in (smoothing(x), smooth_by_shifts(x, smoothing.weight)):
        found.append((y, *torch.autograd.grad(y.square().sum(), (x, smoothing.weight))))
    torch.testing.assert_close(*found)


def test_compiled_blocks_smooth_by_shifts_whatever_torch_takes_itself_for(monkeypatch):
    """In torch 2.11 `is_exporting` is true inside of torch.compile; nothing may depend on it."""
    seen = []
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    monkeypatch.setattr("umsn.networks.blocks.smooth_by_shifts", lambda x, w: (seen.append(1), x + w.sum())[1])
    block, x = ResBlock(4, 4), torch.rand(1, 4, 6, 6)
    plain = block(x)
    assert torch.equal(plain, block(x)) and not seen
    monkeypatch.setattr(ResBlock, "compile", lambda block, dynamic: None)
    compile_blocks(block)
    assert torch.equal(plain, block(x)) and not seen  # nobody compiles now
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    block(x)
    assert len(seen) == 2


def test_smoothing_joins_the_grids_of_fig_4():
    """Without it, an output pixel of dilated convolutions depends on every second input pixel only."""

    def seen(smooth: bool) -> int:
        x = torch.zeros(1, 1, 21, 21, requires_grad=True)
        dilated = nn.Conv2d(1, 1, 3, padding=2, dilation=2, bias=False)
        smoothing = SharedSmoothing()
        nn.init.ones_(dilated.weight)
        nn.init.ones_(smoothing.weight)
        y = dilated(smoothing(dilated(smoothing(x)))) if smooth else dilated(dilated(x))
        y[0, 0, 10, 10].backward()
        return int((x.grad != 0).sum())

    assert seen(smooth=False) == 25
    assert seen(smooth=True) == 13 * 13


@pytest.mark.parametrize(("m", "n", "expansion"), [(3, 16, 1), (16, 16, 1), (16, 8, 3), (8, 8, 0.5)])
def test_a_block_has_the_layers_of_sec_3a(m, n, expansion):
    block = ResBlock(m, n, expansion=expansion)
    assert block(torch.rand(2, m, 12, 10)).shape == (2, n, 12, 10)
    convolutions = [c for c in block.body.modules() if isinstance(c, nn.Conv2d)]
    assert [c.kernel_size for c in convolutions] == [(1, 1), (3, 3), (3, 3), (3, 3)]
    assert [c.dilation for c in convolutions] == [(1, 1), (1, 1), (2, 2), (2, 2)]
    assert {c.in_channels for c in convolutions[1:]} == {round(expansion * n)}
    assert isinstance(block.shortcut, nn.Identity) == (m == n)


def test_an_image_block_keeps_contrast_and_a_plain_one_does_not():
    x = torch.rand(1, 3, 16, 16)
    for image in (True, False):
        first = ResBlock(3, 4, image=image).body[0]
        assert torch.allclose(first(x), first(0.5 * x), atol=1e-3) != image


def test_a_chain_has_one_expansion_a_block():
    blocks = chain([3, 8, 8], expansion=[1, 2], image=True)
    assert [b.body[1][-1].in_channels for b in blocks] == [8, 16]
    with pytest.raises(ValueError, match="zip"):
        chain([3, 8, 8], expansion=[1])


def test_halving_averages_and_doubling_keeps_constants():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert halve(x)[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert torch.equal(double(torch.full((1, 1, 3, 2), 7.0)), torch.full((1, 1, 6, 4), 7.0))


def test_padding_repeats_the_border():
    x = torch.rand(1, 3, 5, 8)
    padded = pad_to(x, 4)
    assert padded.shape == (1, 3, 8, 8)
    assert torch.equal(padded[..., :5, :], x) and torch.equal(padded[..., 7, :], x[..., 4, :])
