"""What the chapters share: the same faces for all of them, and statistics that hold for pictures known in advance."""

from dataclasses import replace

import pytest
import torch

from umsn.evaluation.command import UNSEEN
from umsn.faces import FaceSet
from umsn.figures.walk import DIFFERENCES, about, colour_labels, picture_statistics, snapshots, training, unseen
from umsn.recipes import recipe
from umsn.stages import train
from umsn.weights import Pipeline


def pictures(brightness, labels=None):
    photos = (brightness * 255).round().byte().unsqueeze(1).expand(-1, 3, -1, -1)
    return FaceSet([str(i) for i in range(len(photos))], photos, labels)


def test_faces_of_a_run_are_drawn_once(tmp_path):
    small = replace(recipe("smoke"), faces=2)
    run, faces = training(small, 3, tmp_path)
    (picture,) = (run.folder / "faces-2/images").glob("*-01.png")
    before = picture.stat().st_mtime_ns
    _, again = training(small, 3, tmp_path)
    assert torch.equal(faces.photos, again.photos)
    assert picture.stat().st_mtime_ns == before


def test_unseen_people_are_not_among_the_trained():
    faces, window = unseen(1, seed=0)
    assert faces.identities.tolist() == [UNSEEN]
    assert window.crop(faces.photos).shape == (1, 3, 128, 128)


def test_snapshots_are_in_the_order_of_training(tmp_path):
    plan = replace(recipe("smoke"), faces=2, snapshots=(0.34, 1.0))
    run, faces = training(plan, 0, tmp_path)
    train(run, faces, say=None)
    tasks = snapshots(run)
    assert list(tasks) == [1, 3]
    first, last = (task.network.to_image.weight for task in tasks.values())
    assert not torch.equal(first, last)


def test_every_label_has_its_colour():
    picture = colour_labels(torch.arange(11, dtype=torch.uint8).reshape(1, 11))
    assert picture.shape == (3, 1, 11)
    assert 0 <= float(picture.min()) <= float(picture.max()) <= 1
    assert len({tuple(colour) for colour in picture[:, 0].T.tolist()}) == 11


def test_networks_say_plain_facts_of_themselves():
    table = about(
        Pipeline(None, None, {"width": 32, "recipe": {"crop": 96}, "parsing_widths": [4]}, ""), caption="Them"
    )
    assert list(table.cells.index) == ["width"]
    assert table.caption == "Them"


def test_white_noise_has_a_flat_spectrum():
    noise = torch.rand(40, 64, 64, generator=torch.Generator().manual_seed(0))
    power = torch.tensor(picture_statistics(pictures(noise))["power"])
    assert len(power) == 32
    assert float(power.std() / power.mean()) < 0.15


def test_a_wave_has_its_power_at_its_frequency():
    wave = 0.5 + 0.4 * torch.sin(2 * torch.pi * 9 * torch.arange(64) / 64).expand(1, 64, 64)
    assert 1 + int(torch.tensor(picture_statistics(pictures(wave))["power"]).argmax()) == 9


def test_a_ramp_has_two_differences():
    ramp = (torch.arange(64) * 3 / 255).expand(1, 64, 64)
    density = torch.tensor(picture_statistics(pictures(ramp))["gradient"]) * DIFFERENCES.diff()
    at = torch.bucketize(torch.tensor([0.0, 3 / 255]), DIFFERENCES) - 1
    assert density[at].tolist() == pytest.approx([0.5, 0.5])
    assert float(density.sum()) == pytest.approx(1)


def test_shares_of_labels_sum_to_one():
    labels = torch.arange(64 * 64).reshape(1, 64, 64).remainder(11).to(torch.uint8)
    share = picture_statistics(pictures(torch.rand(1, 64, 64), labels))["share"]
    assert sum(share) == pytest.approx(1)
    assert len(share) == 11


def test_a_spectrum_needs_squares():
    with pytest.raises(ValueError, match="64x32"):
        picture_statistics(pictures(torch.rand(1, 64, 32)))
