import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from umsn.faces import K, masks_of
from umsn.networks.deblurring import UMSN, VARIANTS, FirstStage, FNet, NestedResidual, build, parameters


def scene(height: int = 32, width: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(11, (2, height, width), generator=generator)
    return torch.rand(2, 3, height, width, generator=generator), masks_of(labels)


def test_the_paper_s_umsn_has_the_size_and_cost_of_appendix_a():
    network = build()
    assert 1.0e6 < parameters(network) < 1.15e6
    with FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 3, 128, 128), torch.rand(1, K, 128, 128))
    assert 6.0 < counter.get_total_flops() / 2e9 < 6.6


@pytest.mark.parametrize("width", [32, 64])
def test_the_rows_of_table_vi_have_equal_parameters(width):
    counts = [parameters(build(m, width=width)) for m in VARIANTS]
    assert max(counts) / min(counts) < 1.01


def test_the_rows_of_table_vi_differ_as_their_names_say():
    networks = [build(method, width=16) for method in VARIANTS]
    found = [(network.maps, network.nested is not None, len(network.streams)) for network in networks]
    assert found == [(False, False, 0), (True, False, 0), (True, True, 0), (True, True, K)]
    with pytest.raises(ValueError, match="expected one of"):
        build("other")
    with pytest.raises(ValueError, match="one stream for each"):
        UMSN(streams=[FNet()])


@pytest.mark.parametrize("method", VARIANTS)
@pytest.mark.parametrize("shape", [(32, 32), (31, 45)])
def test_any_size_comes_back_and_the_residual_is_what_was_added(method, shape):
    blurred, masks = scene(*shape)
    deblurred = build(method, width=16)(blurred, masks)
    assert deblurred.restored.shape == blurred.shape
    torch.testing.assert_close(deblurred.restored, blurred + deblurred.residual)


def test_b_net_does_not_look_at_masks_and_umsn_does():
    blurred, masks = scene()
    other = masks.roll(1, dims=1)
    for method in VARIANTS:
        network = build(method, width=16)
        same = torch.equal(network(blurred, masks).restored, network(blurred, other).restored)
        assert same == (method == "bnet")


def test_class_specific_residuals_add_up_to_what_is_used():
    blurred, masks = scene()
    nested = NestedResidual(5)
    parts = nested.by_class(blurred, masks)
    assert parts.shape == (2, K, 5, 32, 32)
    torch.testing.assert_close(parts.sum(1) + nested.of_class.bias[:, None, None], nested(blurred, masks))
    assert (parts * (1 - masks).unsqueeze(2)).abs().max() == 0


def test_f_net_is_the_first_stage_without_its_end():
    blurred, masks = scene()
    stage = FirstStage(FNet(channels=(16, 16, 8)))
    assert stage.fnet(blurred, masks[:, :1]).shape == (2, 8, 16, 16)
    assert stage(blurred, masks[:, :1]).restored.shape == blurred.shape
