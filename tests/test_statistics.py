"""How faces are distributed: statistics that hold for images known in advance."""

import pytest
import torch

from umsn.data.statistics import DIFFERENCES, face_statistics
from umsn.faces import FaceSet


def pictures(brightness, labels=None):
    photos = (brightness * 255).round().byte().unsqueeze(1).expand(-1, 3, -1, -1)
    return FaceSet([str(i) for i in range(len(photos))], photos, labels)


def test_white_noise_has_a_flat_spectrum():
    noise = torch.rand(40, 64, 64, generator=torch.Generator().manual_seed(0))
    power = torch.tensor(face_statistics(pictures(noise))["power"])
    assert len(power) == 32
    assert float(power.std() / power.mean()) < 0.15


def test_a_wave_has_its_power_at_its_frequency():
    wave = 0.5 + 0.4 * torch.sin(2 * torch.pi * 9 * torch.arange(64) / 64).expand(1, 64, 64)
    assert 1 + int(torch.tensor(face_statistics(pictures(wave))["power"]).argmax()) == 9


def test_a_ramp_has_two_differences():
    ramp = (torch.arange(64) * 3 / 255).expand(1, 64, 64)
    density = torch.tensor(face_statistics(pictures(ramp))["gradient"]) * DIFFERENCES.diff()
    at = torch.bucketize(torch.tensor([0.0, 3 / 255]), DIFFERENCES) - 1
    assert density[at].tolist() == pytest.approx([0.5, 0.5])
    assert float(density.sum()) == pytest.approx(1)


def test_shares_of_labels_sum_to_one():
    labels = torch.arange(64 * 64).reshape(1, 64, 64).remainder(11).to(torch.uint8)
    share = face_statistics(pictures(torch.rand(1, 64, 64), labels))["share"]
    assert sum(share) == pytest.approx(1)
    assert len(share) == 11


def test_a_spectrum_needs_squares():
    with pytest.raises(ValueError, match="64x32"):
        face_statistics(pictures(torch.rand(1, 64, 32)))
