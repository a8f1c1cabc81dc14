"""One law for each numbered equation of the paper, and for the two that have no number."""

import torch

from umsn.data.blur import blur, kernels
from umsn.faces import masks_of
from umsn.networks.confidence import closed_form
from umsn.networks.losses import class_losses, confidence_loss, perceptual_loss, reconstruction_loss, total_loss

G = torch.Generator().manual_seed(0)
SHARP, RESTORED = torch.rand(2, 4, 3, 20, 24, generator=G)
MASKS = masks_of(torch.randint(11, (4, 20, 24), generator=G))


def delta(size: int = 13) -> torch.Tensor:
    kernel = torch.zeros(1, size, size)
    kernel[0, size // 2, size // 2] = 1
    return kernel


def test_blur_model_a_delta_blurs_nothing():
    torch.testing.assert_close(blur(SHARP, delta()), SHARP, atol=1e-6, rtol=0)


def test_blur_model_is_linear_and_keeps_constants():
    k = kernels([13], G)
    together = blur(2 * SHARP - RESTORED, k)
    torch.testing.assert_close(together, 2 * blur(SHARP, k) - blur(RESTORED, k), atol=1e-5, rtol=0)
    torch.testing.assert_close(blur(torch.full((1, 3, 20, 20), 0.3), k), torch.full((1, 3, 20, 20), 0.3))


def test_blur_model_passes_the_adjoint_test():
    """<k * x, z> = <x, k flipped * z> for x and z that vanish near the border, where reflection plays no part."""
    x, z = torch.zeros(2, 1, 3, 64, 64)
    x[..., 20:44, 20:44] = torch.rand(3, 24, 24, generator=G)
    z[..., 20:44, 20:44] = torch.rand(3, 24, 24, generator=G)
    k = kernels([13], G)
    torch.testing.assert_close((blur(x, k) * z).sum(), (x * blur(z, k.flip(1, 2))).sum())


def test_a_face_is_the_sum_of_its_masked_images():
    torch.testing.assert_close((MASKS.unsqueeze(2) * SHARP.unsqueeze(1)).sum(1), SHARP)


def test_eq_1_is_zero_only_for_the_sharp_face():
    assert reconstruction_loss(SHARP, SHARP, MASKS) == 0
    assert reconstruction_loss(RESTORED, SHARP, MASKS) > 0


def test_eq_2_a_class_loss_sees_its_class_only():
    changed = torch.where(MASKS[:, 2:3] == 1, RESTORED, SHARP)
    losses = class_losses(changed, SHARP, MASKS)
    assert (losses[:, 2] > 0).all() and losses[:, [0, 1, 3]].abs().max() == 0


def test_eq_3_the_classes_add_up_to_the_l1_loss():
    torch.testing.assert_close(reconstruction_loss(RESTORED, SHARP, MASKS), (RESTORED - SHARP).abs().mean())


def test_eq_4_without_doubt_is_eq_3_and_its_minimum_is_the_closed_form():
    losses = class_losses(RESTORED, SHARP, MASKS)
    sure = confidence_loss(losses, torch.ones_like(losses), 0.01)
    torch.testing.assert_close(sure, reconstruction_loss(RESTORED, SHARP, MASKS))
    best = closed_form(losses, 0.01).requires_grad_()
    (slope,) = torch.autograd.grad(confidence_loss(losses, best, 0.01), best)
    assert slope[best < 1].abs().max() < 1e-6 and (slope[best == 1] <= 1e-6).all()


def test_eq_4_is_the_interpolation_of_the_published_code():
    """|C m x^ + (1 - C) m x - m x| = C m |x^ - x|: what the code computes is what the paper writes."""
    confidence = torch.rand(4, 4, generator=G)
    losses = class_losses(RESTORED, SHARP, MASKS)
    c, m = confidence[..., None, None, None], MASKS.unsqueeze(2)
    mixed = c * m * RESTORED.unsqueeze(1) + (1 - c) * m * SHARP.unsqueeze(1)
    interpolated = (mixed - m * SHARP.unsqueeze(1)).abs().mean((2, 3, 4))
    torch.testing.assert_close(interpolated, confidence * losses)


def test_eq_5_is_a_squared_distance_of_features():
    double = 2 * SHARP - RESTORED
    near = perceptual_loss(RESTORED, SHARP, lambda x: 3 * x)
    torch.testing.assert_close(near, 9 * (RESTORED - SHARP).pow(2).mean())
    torch.testing.assert_close(perceptual_loss(RESTORED, double, lambda x: x), 4 * near / 9)


def test_eq_6_is_a_weighted_sum():
    assert total_loss(torch.tensor(1.0), torch.tensor(5.0), 2e-4) == 1.001
