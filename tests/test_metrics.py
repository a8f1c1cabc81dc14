"""PSNR and SSIM against scikit-image and SciPy; class measures and F-scores against their own laws."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from umsn.evaluation import metrics
from umsn.faces import K, masks_of


@pytest.fixture(scope="module")
def pair():
    """Smooth random images and noisy copies, 3 x (3, 41, 50)."""
    random = torch.Generator().manual_seed(3)
    small = torch.rand(3, 3, 9, 11, generator=random, dtype=torch.float64)
    sharp = torch.nn.functional.interpolate(small, size=(41, 50), mode="bicubic").clamp(0, 1)
    noise = torch.randn(sharp.shape, generator=random, dtype=torch.float64)
    return (sharp + torch.tensor([0.02, 0.1, 0.3], dtype=torch.float64)[:, None, None, None] * noise).clamp(0, 1), sharp


@pytest.fixture(scope="module")
def masks():
    """Labels in random 6 x 7 patches; the third image lacks hair."""
    labels = torch.randint(0, 11, (3, 7, 8), generator=torch.Generator().manual_seed(4))
    labels[2] = labels[2].clamp(max=9)
    labels = labels.repeat_interleave(6, 1).repeat_interleave(7, 2)[:, :41, :50]
    return masks_of(labels).double()


def test_psnr_is_scikit_images(pair):
    a, b = pair
    theirs = [peak_signal_noise_ratio(y.numpy(), x.numpy(), data_range=1) for x, y in zip(a, b, strict=True)]
    assert np.allclose(metrics.psnr(a, b), theirs, atol=1e-9)
    assert np.allclose(metrics.psnr(a.float(), b.float()), theirs, atol=1e-4)


def test_psnr_of_known_errors():
    black = torch.zeros(2, 3, 8, 8)
    assert metrics.psnr(black, black).tolist() == [math.inf, math.inf]
    assert metrics.psnr(black, black + 0.1).tolist() == pytest.approx([20, 20], abs=1e-4)


def test_a_shift_is_found_within_reach(pair):
    """A copy moved by (3, -2) agrees with the original; moved by 6 it does not, and no shift does worse than none."""
    noisy, sharp = pair
    moved = torch.roll(sharp, (3, -2), (2, 3))
    far = torch.roll(sharp, (6, 0), (2, 3))
    assert (metrics.psnr_shifted(moved, sharp) > 100).all()
    assert (metrics.psnr_shifted(far, sharp) < 40).all()
    assert (metrics.psnr_shifted(far, sharp, reach=6) > 100).all()
    assert (metrics.psnr_shifted(noisy, sharp) >= metrics.psnr(noisy, sharp)).all()
    torch.testing.assert_close(metrics.psnr_shifted(noisy, sharp, reach=0), metrics.psnr(noisy, sharp))
    with pytest.raises(ValueError, match="reach 41"):
        metrics.psnr_shifted(noisy, sharp, reach=41)


def test_ssim_is_scikit_images(pair):
    a, b = pair
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    both = zip(a.numpy(), b.numpy(), strict=True)
    theirs = [structural_similarity(x, y, data_range=1, channel_axis=0, **window) for x, y in both]
    assert np.allclose(metrics.ssim(a, b), theirs, atol=1e-10)
    assert np.allclose(metrics.ssim(a.float(), b.float()), theirs, atol=1e-4)


def volume_ssim(a, b):
    """MATLAB's ``ssim`` on an H x W x 3 array, straight from its documentation, with one dense 11x11x11 filter."""
    axis = np.arange(-5, 6)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    window = np.exp(-(x**2 + y**2 + z**2) / (2 * 1.5**2))
    window /= window.sum()

    def local(v):
        return correlate(v, window, mode="nearest")

    mean_a, mean_b = local(a), local(b)
    var_a, var_b, both = local(a * a) - mean_a**2, local(b * b) - mean_b**2, local(a * b) - mean_a * mean_b
    above = (2 * mean_a * mean_b + 0.01**2) * (2 * both + 0.03**2)
    return (above / ((mean_a**2 + mean_b**2 + 0.01**2) * (var_a + var_b + 0.03**2))).mean()


def test_volumetric_ssim_is_matlabs(pair):
    a, b = pair
    theirs = [volume_ssim(x.numpy(), y.numpy()) for x, y in zip(a, b, strict=True)]
    assert np.allclose(metrics.ssim_volumetric(a, b), theirs, atol=1e-10)
    assert np.allclose(metrics.ssim_volumetric(a.float(), b.float()), theirs, atol=1e-4)


@pytest.mark.parametrize("measure", [metrics.ssim, metrics.ssim_volumetric])
def test_ssim_is_symmetric_and_one_for_equals(pair, measure):
    a, b = pair
    assert torch.allclose(measure(a, b), measure(b, a))
    assert torch.allclose(measure(a, a), torch.ones(3, dtype=a.dtype))
    assert measure(a, b)[0] > measure(a, b)[1] > measure(a, b)[2]


def test_class_errors_sum_to_the_whole(pair, masks):
    """Classes partition the pixels: squared errors add up (Sec. III-D), and no class scores below the whole."""
    a, b = pair
    classes = metrics.class_psnr(a, b, masks)
    errors = torch.nan_to_num(10 ** (-classes / 10), nan=0).sum(1)
    assert torch.allclose(-10 * errors.log10(), metrics.psnr(a, b))
    assert (torch.nan_to_num(classes, nan=math.inf) >= metrics.psnr(a, b)[:, None]).all()


def test_within_class_errors_average_to_the_whole(pair, masks):
    a, b = pair
    area = masks.mean((2, 3))
    errors = torch.nan_to_num(10 ** (-metrics.class_psnr(a, b, masks, within=True) / 10), nan=0)
    assert torch.allclose(-10 * (area * errors).sum(1).log10(), metrics.psnr(a, b))
    one = torch.zeros(3, 2, 41, 50, dtype=a.dtype)
    one[:, 0, 5:20, 5:20] = 1
    direct = metrics.psnr(a[:, :, 5:20, 5:20], b[:, :, 5:20, 5:20])
    assert torch.allclose(metrics.class_psnr(a, b, one, within=True)[:, 0], direct)


@pytest.mark.parametrize("volumetric", [False, True])
def test_class_ssim_laws(pair, masks, volumetric):
    a, b = pair
    whole = metrics.ssim_volumetric(a, b) if volumetric else metrics.ssim(a, b)
    everything = torch.ones(3, 1, 41, 50, dtype=a.dtype)
    for within in (False, True):
        only = metrics.class_ssim(a, b, everything, within=within, volumetric=volumetric)[:, 0]
        assert torch.allclose(only, whole)
    inner = masks if volumetric else masks[..., 5:-5, 5:-5]
    parts = torch.nan_to_num(metrics.class_ssim(a, b, masks, within=True, volumetric=volumetric))
    assert torch.allclose((inner.mean((2, 3)) * parts).sum(1), whole)


def test_absent_class_is_nan(pair, masks):
    a, b = pair
    for values in (metrics.class_psnr(a, b, masks), metrics.class_ssim(a, b, masks)):
        assert values.shape == (3, K)
        assert values.isnan().nonzero().tolist() == [[2, 3]]


def test_f_score_from_its_definition():
    true = torch.tensor([[[0, 0, 1, 1], [2, 2, 2, 1]]])
    predicted = torch.tensor([[[0, 1, 1, 1], [2, 2, 0, 0]]])
    precision, recall = 2 / 3, 2 / 3
    expected = [2 * 1 / (3 + 2), 2 * precision * recall / (precision + recall), 2 * 2 / (2 + 3)]
    assert metrics.f_score(predicted, true)[0, :3].tolist() == pytest.approx(expected)
    assert metrics.f_score(predicted, true)[0, 3].isnan()
    assert metrics.f_score(true, true)[0, :3].tolist() == [1, 1, 1]
    assert metrics.f_score(torch.full_like(true, 3), true)[0].tolist() == [0, 0, 0, 0]


def test_half_precision_is_measured_in_single(pair):
    a, b = (x.half() for x in pair)
    assert metrics.ssim(a, b).dtype == torch.float32
    assert torch.allclose(metrics.psnr(a, b), metrics.psnr(a.float(), b.float()))


@pytest.mark.parametrize(
    ("a", "b", "word"),
    [
        (torch.zeros(3, 16, 16), torch.zeros(3, 16, 16), "one shape"),
        (torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 15), "one shape"),
        (torch.zeros(1, 3, 16, 16, dtype=torch.uint8), torch.zeros(1, 3, 16, 16), "floating"),
        (torch.full((1, 3, 16, 16), 1.5), torch.zeros(1, 3, 16, 16), "1.5"),
        (torch.full((1, 3, 16, 16), torch.nan), torch.zeros(1, 3, 16, 16), "nan"),
        (torch.zeros(1, 3, 16, 10), torch.zeros(1, 3, 16, 10), "needs 11x11"),
    ],
)
def test_what_cannot_be_measured_is_refused(a, b, word):
    with pytest.raises(ValueError, match=word):
        metrics.ssim(a, b)


def test_masks_and_class_maps_are_checked(pair):
    a, b = pair
    with pytest.raises(ValueError, match="masks"):
        metrics.class_psnr(a, b, torch.ones(3, K, 41, 49))
    with pytest.raises(ValueError, match=r"outside 0\.\.3"):
        metrics.f_score(torch.full((1, 2, 2), 4), torch.zeros(1, 2, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="integers"):
        metrics.f_score(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2))


def test_a_parser_that_knows_its_own_doubts_is_calibrated():
    """Labels drawn from the very probabilities lie on the diagonal; every pixel of every class is counted once."""
    random = torch.Generator().manual_seed(6)
    said = torch.randn(2, K, 60, 60, generator=random).mul(2).softmax(1)
    drawn = torch.multinomial(said.movedim(1, -1).reshape(-1, K), 1, generator=random).reshape(2, 60, 60)
    true = torch.nn.functional.one_hot(drawn, K).movedim(-1, 1).float()
    found = metrics.reliability(said, true)
    assert found.shape == (2, 10, 3)
    assert found.sum((0, 1)).tolist() == pytest.approx([2 * K * 3600, 2 * 3600, 2 * 3600], rel=1e-4)
    pixels, sure, right = found.sum(0).unbind(-1)
    edges = torch.arange(11, dtype=torch.double) / 10
    assert ((sure / pixels >= edges[:-1]) & (sure / pixels <= edges[1:])).all()
    assert ((right - sure).abs() < 4 * pixels.sqrt() / 2).all()
    surer = metrics.reliability(said.square() / said.square().sum(1, keepdim=True), true).sum(0)
    assert surer[-1, 2] / surer[-1, 0] < surer[-1, 1] / surer[-1, 0] - 0.03
    assert metrics.reliability(true, true)[:, -1, 1:].sum() == 2 * 2 * 3600  # certainty has the last bin
