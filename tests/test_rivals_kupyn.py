import copy

import pytest
import torch
from torch import nn

from umsn.files import InputError
from umsn.networks.deblurring import Deblurred, parameters
from umsn.networks.rivals.kupyn import Kupyn, Objective
from umsn.networks.rivals.mobilenet import InvertedResidual, MobileNetV2, convolution, load_imagenet

NARROW = 8  #: an eighth of the published channels


def network(width=NARROW):
    torch.manual_seed(0)
    return Kupyn(width=width)


def images(height=64, width=64, count=2):
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


def torchvision_s(backbone):
    """A state dict with the names and shapes that torchvision's mobilenet_v2 has, with other numbers in it."""
    found = {name: torch.randn_like(tensor) for name, tensor in backbone.state_dict().items()}
    for name in [name for name in found if name.endswith("bias")]:
        norm = name.removesuffix("bias")
        found |= {f"{norm}running_mean": found[name], f"{norm}running_var": found[name].exp()}
        found[f"{norm}num_batches_tracked"] = torch.tensor(7)
    return found | {
        "features.18.0.weight": torch.zeros(1280, 320, 1, 1),
        "classifier.1.weight": torch.zeros(1000, 1280),
    }


def test_the_cut_points_have_the_paper_s_channels_and_scales():
    backbone = MobileNetV2()
    assert backbone.outputs == (16, 24, 32, 64, 160)
    with torch.no_grad():
        maps = backbone(torch.zeros(1, 3, 128, 96))
    assert [tuple(e.shape) for e in maps] == [
        (1, c, 128 // 2**i, 96 // 2**i) for i, c in enumerate(backbone.outputs, 1)
    ]


def test_the_parameters_are_the_published_ones_without_those_that_compute_nothing():
    """3.3 million, of which the backbone's last three layers give nothing to the pyramid; to within 1 percent."""
    never = (160, 160), (160, 320)
    unused = [InvertedResidual(m, n, expansion=6, stride=1) for m, n in never] + [convolution(320, 1280, 1)]
    whole = parameters(Kupyn()) + sum(map(parameters, unused))
    assert whole == pytest.approx(3.3e6, rel=0.01)
    assert parameters(Kupyn()) == pytest.approx(2.1e6, rel=0.01)


@pytest.mark.parametrize("size", [(64, 64), (33, 70), (20, 17), (5, 40)])
def test_any_size_is_restored_within_range_and_alone_as_in_company(size):
    pyramid, blurred = network().eval(), images(*size)
    found = pyramid(blurred, None)
    assert found.restored.shape == found.residual.shape == blurred.shape
    assert 0 <= found.restored.min() and found.restored.max() <= 1 and found.residual.abs().max() <= 0.5
    torch.testing.assert_close(pyramid(blurred[:1], None).restored, found.restored[:1])
    assert torch.equal(pyramid(blurred, None).restored, found.restored)


def test_the_residual_is_bounded_whatever_the_weights_are():
    pyramid = network()
    with torch.no_grad():
        pyramid.to_image.bias.fill_(1e6)
    found = pyramid(images(), None)
    assert torch.equal(found.restored, (images() + 0.5).clamp(0, 1))


def test_heads_and_backbone_normalise_each_image_by_itself():
    kinds = {type(m) for m in network().modules() if "Norm" in type(m).__name__}
    assert kinds == {nn.InstanceNorm2d} and not list(network().buffers())


def test_every_parameter_gets_a_finite_gradient_that_is_not_zero():
    pyramid, sharp = network(), images()
    (pyramid(sharp.roll(2, -1), None).restored - sharp).square().mean().backward()
    for name, parameter in pyramid.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name
        assert parameter.grad.abs().max() > 0, name


def test_the_content_loss_is_in_units_of_imagenet_s_deviations():
    sharp = images(24, 24)
    off = sharp + torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    objective = Objective(width=4)
    terms = {name: term.item() for name, term in objective(Deblurred(off, off - sharp), sharp, None).items()}
    assert terms["content"] == pytest.approx(0.5) and set(terms) == {"loss", "content", "generator", "critic"}
    assert objective(Deblurred(sharp, sharp), sharp, None)["content"] == 0
    assert terms["loss"] == pytest.approx(terms["content"] + 1e-3 * terms["generator"] + terms["critic"])


def test_torchvision_s_file_fills_the_backbone(tmp_path):
    backbone = MobileNetV2(width=NARROW)
    given = torchvision_s(backbone)
    torch.save(given, tmp_path / "mobilenet.pth")
    load_imagenet(backbone, tmp_path / "mobilenet.pth")
    assert all(torch.equal(tensor, given[name]) for name, tensor in backbone.state_dict().items())
    assert {"features.0.0.weight", "features.1.conv.0.0.weight", "features.1.conv.2.bias"} <= set(backbone.state_dict())
    assert {"features.2.conv.1.0.weight", "features.15.conv.3.weight"} <= set(backbone.state_dict())
    assert all(parameter.requires_grad for parameter in backbone.parameters())


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda given: given.pop("features.7.conv.2.weight"), r"no features\.7\.conv\.2\.weight \(1 of \d+ tensors"),
        (lambda given: given.update({"features.0.0.weight": torch.zeros(2)}), r"features\.0\.0\.weight is \(2,\)"),
        (lambda given: given["features.0.1.bias"].fill_(torch.nan), r"features\.0\.1\.bias holds numbers that are not"),
        (lambda given: given.clear(), r"torchvision's mobilenet_v2, features\.0\.0\.weight and so on, was expected"),
    ],
)
def test_another_file_is_one_clear_error_and_changes_nothing(tmp_path, spoil, said):
    backbone = MobileNetV2(width=NARROW)
    before, given = copy.deepcopy(backbone.state_dict()), torchvision_s(backbone)
    spoil(given)
    torch.save(given, tmp_path / "mobilenet.pth")
    with pytest.raises(InputError, match=rf"mobilenet\.pth: .*{said}"):
        load_imagenet(backbone, tmp_path / "mobilenet.pth")
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())
