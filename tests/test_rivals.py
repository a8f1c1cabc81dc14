"""A rival of Table III: the known kernel undone, the unknown one found."""

import numpy as np
import pandas as pd
import pytest
import skimage.restoration
import torch
import torch.nn.functional as F

from umsn.data import blur, synthetic
from umsn.evaluation import metrics, rivals
from umsn.evaluation.rivals import normalised_sparsity, spectra, unnatural_sparsity
from umsn.experiments import evaluate
from umsn.experiments.claims import restoring
from umsn.files import InputError, read_json, write_json

SIZE = 17
BLIND = pytest.mark.parametrize("method", [normalised_sparsity, unnatural_sparsity])


@pytest.fixture(scope="module")
def shaken():
    """A synthetic person blurred by a known kernel: sharp and blurred (1, 3, 128, 128), kernel (1, 17, 17)."""
    sharp = synthetic.draw(2_000_003, 0, seed=5, margin=16).photo[None]
    return _shaken(sharp, 0.01)


@pytest.fixture(scope="module")
def textured():
    """Rectangles of all sizes and colours one upon the other, blurred, with little noise."""
    draw = np.random.default_rng(0)
    sharp = np.full((3, 160, 160), 0.5, np.float32)
    for top, left, high, wide in zip(*draw.integers(-20, 150, (2, 120)), *draw.integers(6, 40, (2, 120)), strict=True):
        sharp[:, max(top, 0) : max(top, 0) + high, max(left, 0) : max(left, 0) + wide] = draw.uniform(0, 1, (3, 1, 1))
    return _shaken(torch.from_numpy(sharp)[None], 0.002)


def _shaken(sharp, noise):
    generator = torch.Generator().manual_seed(7)
    kernel = blur.kernels([SIZE], generator, centre="mass")
    blurred = blur.add_noise(blur.blur(sharp, kernel), noise, generator)
    return sharp[..., 16:-16, 16:-16], blurred[..., 16:-16, 16:-16].contiguous(), kernel


def resemblance(a, b):
    """The normalised cross-correlation of two kernels at their best shift: 1 where they are the same."""
    spectra_of = [torch.fft.rfft2(k, s=(64, 64)) for k in (a, b)]
    largest = torch.fft.irfft2(spectra_of[0].conj() * spectra_of[1], s=(64, 64)).amax()
    return float(largest / (a.square().sum() * b.square().sum()).sqrt())


def aligned(found, sharp, reach=8):
    """The PSNR inside the border at the best shift of whole pixels: a blurred image does not say where it was."""
    inner = sharp[..., reach:-reach, reach:-reach]
    high, wide = inner.shape[-2:]
    moved = found.unfold(-2, high, 1).unfold(-2, wide, 1).flatten(2, 3)[0].movedim(1, 0)
    return float(metrics.psnr(moved.clamp(0, 1), inner.expand_as(moved)).max())


def test_what_the_camera_sees_and_its_adjoints():
    """<k * x, r> = <x, k' r> = <k, x' r>, and k * x is the plain convolution inside."""
    generator = torch.Generator().manual_seed(0)
    x, k, r = (torch.rand(1, 1, *s, generator=generator, dtype=torch.double) for s in ((24, 20), (5, 5), (20, 16)))
    sides = spectra.grid(20, 16, 5)
    forward = spectra.photograph(spectra.spectrum(x, sides) * spectra.spectrum(k, sides), sides, 5, (20, 16))
    torch.testing.assert_close(forward, F.conv2d(x, k.flip(-1, -2)))
    residual = spectra.seen(r, sides, 5)
    scene = spectra.adjoint(residual, spectra.spectrum(k, sides), sides, (24, 20))
    kernel = spectra.adjoint(residual, spectra.spectrum(x, sides), sides, (5, 5))
    torch.testing.assert_close((x * scene).sum(), (forward * r).sum())
    torch.testing.assert_close((k * kernel).sum(), (forward * r).sum())


def test_a_known_kernel_is_undone(shaken):
    """Decibels above the blurred image, and above Wiener's filter at its best weight."""
    sharp, blurred, kernel = shaken
    restored = metrics.psnr(rivals.deconvolve(blurred, kernel), sharp).item()
    assert restored > metrics.psnr(blurred, sharp).item() + 3
    wide = F.pad(blurred, (30,) * 4, mode="reflect")[0].double().numpy()
    for balance in (0.01, 0.03, 0.1, 0.3):
        found = np.stack([skimage.restoration.wiener(c, kernel[0].double().numpy(), balance) for c in wide])
        found = torch.from_numpy(found[None, :, 30:-30, 30:-30]).float().clamp(0, 1)
        assert restored > metrics.psnr(found, sharp).item()


@BLIND
@pytest.mark.parametrize("picture", ["shaken", "textured"])
def test_an_unknown_kernel_is_found(method, picture, request):
    """It resembles the true one more than a pixel or a box does, and what it undoes is nearer to the truth."""
    sharp, blurred, true = request.getfixturevalue(picture)
    found = method.estimate_kernel(blurred)
    assert found.shape == (1, rivals.LARGEST, rivals.LARGEST)
    assert found.min() >= 0
    torch.testing.assert_close(found.sum(), torch.tensor(1.0))
    pixel, box = torch.ones(1, 1, 1), torch.ones(1, SIZE, SIZE)
    assert resemblance(found, true) > 0.15 + max(resemblance(pixel, true), resemblance(box, true))
    assert aligned(rivals.deconvolve(blurred, found), sharp) > aligned(blurred, sharp) + 1


@BLIND
def test_a_picture_does_not_depend_on_its_neighbours(method, shaken, textured):
    """The same twice, and alone or in a batch."""
    one, other = shaken[1], textured[1]
    both = method.estimate_kernel(torch.cat([one, other]), largest=13)
    again = method.estimate_kernel(torch.cat([one, other]), largest=13)
    assert torch.equal(both, again)
    assert resemblance(both[1], method.estimate_kernel(other, largest=13)[0]) > 0.98


@BLIND
def test_a_flat_picture_stays(method):
    flat = torch.full((1, 3, 64, 64), 0.4)
    torch.testing.assert_close(method.deblur(flat, largest=9), flat, atol=1e-3, rtol=0)


@BLIND
@pytest.mark.parametrize("largest", [1, 8, 65])
def test_bad_kernels_are_refused(method, largest):
    with pytest.raises(ValueError, match=f"largest {largest}"):
        method.deblur(torch.rand(1, 3, 64, 64), largest=largest)


def test_bad_pictures_are_refused():
    with pytest.raises(ValueError, match="expected floating"):
        normalised_sparsity.deblur(torch.rand(3, 64, 64))
    with pytest.raises(ValueError, match="kernels"):
        rivals.deconvolve(torch.rand(1, 3, 64, 64), torch.ones(1, 4, 4))


def test_evaluate_runs_them():
    record = evaluate.measure(method="krishnan,xu", faces="1", sizes="13", kernels=1)
    assert set(record["rows"]["method"]) == {"krishnan", "xu"}
    assert record["provenance"]["weights"] == {}
    with pytest.raises(InputError, match="'krishna'"):
        evaluate.measure(method="krishna", faces="1")


def test_the_claim_follows_the_record(home, tmp_path):
    """UMSN against a rival that is UMSN gains nothing; without a record nobody knows."""
    both = read_json(home / "results/measured/evaluate-centred-real.json")
    write_json(tmp_path / "evaluate-centred-real.json", both)
    assert restoring.rivals(tmp_path).state == "not yet"
    rows = pd.DataFrame(both["rows"]).query("method == 'umsn'").assign(method="krishnan")
    write_json(
        tmp_path / "evaluate-rivals-centred-real.json",
        both | {"rows": rows.astype(object).where(rows.notna(), None).to_dict("list")},
    )
    assert restoring.rivals(tmp_path).state == "inconclusive"
    assert restoring.rivals(home / "results/measured").state == "partly"
