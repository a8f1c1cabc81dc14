import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

from umsn.data import blur


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


KERNELS = blur.kernels(blur.SIZES * 12, seeded())


def test_kernels_are_positive_and_sum_to_one_inside_their_size():
    assert KERNELS.shape == (108, 29, 29) and (KERNELS >= 0).all()
    assert torch.allclose(KERNELS.sum((1, 2)), torch.ones(108))
    for size, kernel in zip(blur.SIZES * 12, KERNELS, strict=True):
        border = (29 - size) // 2
        outside = kernel.clone()
        outside[border : 29 - border, border : 29 - border] = 0
        assert outside.sum() == 0


def test_the_same_seed_draws_the_same_kernels():
    again = blur.kernels(blur.SIZES * 12, seeded())
    assert torch.equal(KERNELS, again)
    assert not torch.equal(KERNELS, blur.kernels(blur.SIZES * 12, seeded(1)))


def test_a_path_travels_exactly_its_length_and_a_calm_hand_walks_straight():
    lengths = torch.tensor([20.0, 60.0])
    paths = blur.trajectories(lengths, seeded(), anxiety=0.3)
    walked = paths.diff(dim=1).norm(dim=2).sum(1)
    torch.testing.assert_close(walked, lengths, rtol=1e-4, atol=0)
    straight = blur.trajectories(lengths, seeded(), anxiety=0)
    torch.testing.assert_close((straight[:, -1] - straight[:, 0]).norm(dim=1), lengths, rtol=1e-4, atol=1e-3)


def test_centres_are_what_they_are_called():
    sizes = [29] * 40
    middle = torch.arange(29.0) - 14
    mass = blur.kernels(sizes, seeded(), length=20, centre="mass")
    assert (mass.sum(2) @ middle).abs().max() < 0.05
    box = blur.kernels(sizes, seeded(), length=20, centre="box")
    for kernel in box:
        rows = torch.nonzero(kernel.sum(1))
        assert abs((rows[0] + rows[-1]).item() / 2 - 14) <= 1
    assert (box.sum(2) @ middle).abs().mean() > 0.3


def test_a_path_of_one_point_is_a_delta():
    kernel = blur.rasterise(torch.zeros(1, 5, 2), torch.tensor([13]), pad_to=13)[0]
    assert kernel[6, 6] == 1 and kernel.sum() == 1


@pytest.mark.parametrize(("sizes", "pad_to"), [([14], None), ([29], 27), ([13], 28)])
def test_even_or_oversized_kernels_are_refused(sizes, pad_to):
    with pytest.raises(ValueError, match="odd"):
        blur.kernels(sizes, seeded(), pad_to=pad_to)


def test_a_smaller_protocol_is_part_of_a_larger_one():
    small = blur.protocol_kernels((13, 27), 2, seed=3)
    large = blur.protocol_kernels((13, 27), 12, seed=3)
    assert [(s, n) for s, n, _ in small] == [(13, 1), (13, 2), (27, 1), (27, 2)] and len(large) == 24
    for size, number, kernel in small:
        match = next(k for s, n, k in large if (s, n) == (size, number))
        assert kernel.shape == (size, size) and torch.equal(kernel, match)


@pytest.mark.parametrize("size", [13, 21, 29])
def test_blur_is_scipys_mirrored_convolution(size):
    photos = torch.rand(2, 3, 40, 33)
    kernels = blur.kernels([size, size], seeded(size))
    expected = [
        [convolve(c.numpy(), k.numpy(), mode="mirror") for c in p] for p, k in zip(photos, kernels, strict=True)
    ]
    np.testing.assert_allclose(blur.blur(photos, kernels).numpy(), np.array(expected), atol=2e-6)


def test_padding_a_kernel_with_zeros_changes_nothing():
    photo = torch.rand(1, 3, 40, 40)
    small = blur.kernels([13], seeded(5))
    large = torch.nn.functional.pad(small, (8, 8, 8, 8))
    torch.testing.assert_close(blur.blur(photo, small), blur.blur(photo, large), atol=2e-6, rtol=0)


def test_what_cannot_be_blurred_is_refused():
    with pytest.raises(ValueError, match="cannot blur"):
        blur.blur(torch.rand(1, 3, 14, 40), KERNELS[:1])
    with pytest.raises(ValueError, match="cannot blur"):
        blur.blur(torch.rand(1, 3, 40, 40), torch.ones(1, 4, 4) / 16)


def test_noise_has_its_deviation_and_stays_in_range():
    grey = torch.full((2, 3, 128, 128), 0.5)
    noisy = blur.add_noise(grey, torch.tensor([0.01, 0.03]), seeded())
    torch.testing.assert_close(noisy.flatten(1).std(1), torch.tensor([0.01, 0.03]), rtol=0.02, atol=0)
    assert torch.equal(noisy, blur.add_noise(grey, torch.tensor([0.01, 0.03]), seeded()))
    assert blur.add_noise(torch.ones(1, 3, 8, 8), 0.5, seeded()).max() == 1


def test_kernels_of_the_protocol_are_kept_and_given_as_copies():
    with torch.inference_mode():
        first = blur.protocol_kernels((13,), 2, 77)
        first[0][2].zero_()
    again = blur.protocol_kernels((13,), 2, 77)
    assert torch.equal(first[1][2], again[1][2]) and float(again[0][2].sum()) == pytest.approx(1)
    assert not again[0][2].is_inference(), "a training may use them"
