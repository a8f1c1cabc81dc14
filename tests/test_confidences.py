"""Confidences over a training and over kernels: what the tables of Tables VII and VIII say of made-up rows."""

import numpy as np
import pandas as pd
import pytest
import torch

from umsn.data import synthetic
from umsn.evaluation import Protocol, blurred_batches
from umsn.experiments import confidences
from umsn.experiments.confidences import Learned
from umsn.faces import CLASSES
from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.deblurring import build


@pytest.fixture(scope="module")
def rows():
    """Every class's confidence is 0.5 after 3 steps and 0.9 - size / 100 after 100, give or take the kernel's own."""
    random = np.random.default_rng(0)
    keys = [
        (step, face, size, kernel)
        for step in (3, 100)
        for face in range(5)
        for size in (17, 27)
        for kernel in (1, 2, 3)
    ]
    made = pd.DataFrame(keys, columns=["step", "face", "size", "kernel"])
    level = np.where(made["step"] == 3, 0.5, 0.9 - made["size"] / 100)
    own = {(size, kernel): random.normal(0, 0.05) for size in (17, 27) for kernel in (1, 2, 3)}
    level = level + [own[pair] for pair in zip(made["size"], made["kernel"], strict=True)]
    columns = {f"{what}_{name}": level for what in ("C", "best") for name in CLASSES}
    return made.assign(**columns, psnr=25.0)


def test_what_grew_and_what_is_lower_are_differences_of_the_same_images(rows):
    found = {name: pd.DataFrame(table) for name, table in confidences.tables(rows, "auto").items()}
    grown = 0.9 - (0.17 + 0.27) / 2 - 0.5  # the kernel's own part is in both and goes away
    assert np.allclose(found["grown"]["mean"], grown, atol=1e-4)
    last = rows[rows["step"] == 100].groupby("size")["C_skin"].mean()
    assert np.allclose(found["lower"]["mean"], last[17] - last[27], atol=1e-4)
    assert set(found["training"]["step"]) == {3, 100} and set(found["size"]["size"]) == {17, 27}


def test_with_several_kernels_a_size_intervals_draw_kernels_too(rows):
    both, faces = (pd.DataFrame(confidences.tables(rows, how)["lower"]) for how in ("auto", "faces"))
    assert set(both["resampled"]) == {"faces and kernels"}
    assert (faces["high"] - faces["low"] < 1e-3).all(), "all faces are alike here"
    assert (both["high"] - both["low"] > 0.01).all(), "kernels are not"


def test_a_row_says_what_the_networks_say(rows):
    faces = synthetic.faces(2, seed=0, size=48, shots_per_identity=1)
    torch.manual_seed(0)
    learned = [Learned(step, build("bnet", width=8).eval(), ConfidenceNetwork().eval(), 0.01) for step in (1, 2)]
    masks = lambda blurred: torch.full((len(blurred), 4, *blurred.shape[-2:]), 0.25)  # noqa: E731
    protocol = Protocol(sizes=(17, 27), per_size=2)
    said = confidences.rows_of_times(learned, faces, protocol, masks)
    assert len(said) == 2 * 2 * 4 and set(zip(said["size"], said["kernel"], strict=True)) == {
        (size, kernel) for size in (17, 27) for kernel in (1, 2)
    }
    some = next(blurred_batches(faces, protocol))
    with torch.inference_mode():
        restored = learned[1].network(some.blurred, masks(some.blurred)).restored
        sure = learned[1].confidence(restored, some.sharp, some.masks)
    first = said[said["step"] == 2].iloc[: len(some.faces)]
    there = (some.masks.sum((2, 3)) > 0).numpy()
    assert np.allclose(first[[f"C_{name}" for name in CLASSES]].to_numpy()[there], sure.numpy()[there])
    assert said[[f"best_{name}" for name in CLASSES]].max().max() <= 1
