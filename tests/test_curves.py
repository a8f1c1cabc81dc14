"""Learning curves: made-up power laws are found again, bands cover, and too few lengths give no number."""

import json

import numpy as np
import pandas as pd
import pytest

from umsn.experiments import curves
from umsn.files import InputError

TRUTH = curves.Fit(limit=27.0, scale=40.0, power=0.27)


def made(count=40, longest=100_000, noise=0.0, seed=0, power=None):
    """A curve of the truth, with noise."""
    images = np.linspace(longest / count, longest, count)
    truth = TRUTH if power is None else TRUTH._replace(power=power)
    value = truth(images) + np.random.default_rng(seed).normal(0, noise, count)
    columns = {"training": "made up", "seed": seed, "term": "validation psnr", "images": images, "value": value}
    return pd.DataFrame(columns)


@pytest.mark.parametrize("power", [0.1, 0.27, 0.7])
def test_a_power_law_without_noise_is_found_again(power):
    found = curves.extrapolated(made(power=power))
    assert json.loads(json.dumps(found)) == found  # a record holds it
    assert found["value"] == pytest.approx(float(TRUTH._replace(power=power)(curves.TARGET)), abs=0.02)
    assert found["power"] == pytest.approx(power, rel=0.05)
    assert abs(found["held out"]["error"]) < 0.01


def test_errors_that_fall_are_fitted_as_well():
    falling = made().assign(value=lambda t: 0.03 + 0.2 * t["images"] ** -0.4, term="l1")
    assert curves.extrapolated(falling)["value"] == pytest.approx(0.03 + 0.2 * curves.TARGET**-0.4, abs=2e-4)


def test_the_band_covers_the_truth_about_as_often_as_it_says():
    truth, inside = float(TRUTH(200_000)), 0
    for seed in range(40):
        points = made(noise=0.05, seed=seed)
        low, high = curves.band(points, np.array([200_000.0]), draws=100)
        inside += bool(low[0] <= truth <= high[0])
    assert 33 <= inside <= 40, "95% of 40 are 38"


def test_more_noise_makes_a_wider_band():
    width = [np.subtract(*curves.band(made(noise=noise), np.array([1e6]))[::-1])[0] for noise in (0.01, 0.1)]
    assert width[1] > 3 * width[0]


def test_seeds_that_disagree_make_a_wider_band():
    alike = pd.concat([made(noise=0.01, seed=seed) for seed in range(4)])
    apart = alike.assign(value=alike["value"] + 0.2 * alike["seed"])
    width = [np.subtract(*curves.band(points, np.array([1e5]))[::-1])[0] for points in (alike, apart)]
    assert width[1] > 3 * width[0]


def test_a_curve_that_is_no_power_law_fails_its_test():
    bent = made(noise=0.01).assign(value=lambda t: t["value"] + np.where(t["images"] > 60_000, 0.5, 0))
    found = curves.extrapolated(bent)["held out"]
    assert not found["inside"] and found["error"] == pytest.approx(-0.5, abs=0.1)


def test_too_few_lengths_give_no_number():
    found = curves.extrapolated(made(count=6))
    assert found["says"] == "too few lengths" and not {"value", "low", "high", "power"} & set(found)
    found = curves.extrapolated(made(count=10))
    assert "value" in found and found["held out"] == {"says": "too few lengths"}


def test_histories_are_read_from_records_checkpoints_and_validation_comes_first(tmp_path):
    history = [{"step": step, "l1": 0.05} for step in range(1, 11)]
    record = {"stages": {"umsn, gpu": {"history": history, "batch": 16, "seed": 3}, "parse-clean, gpu": {"batch": 16}}}
    seen = [{**row, **({"validation psnr": 25.0} if row["step"] % 5 == 0 else {})} for row in history]
    checkpoint = {"history": seen, "schedule": {"batch": 4}, "recipe": {"name": "cpu"}, "seed": 1}
    for name, content in (("record", record), ("bnet", checkpoint), ("none", {"history": []})):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    found = curves.points_of_file(tmp_path / "record.json")
    assert set(found["term"]) == {"l1"} and found["images"].tolist() == [16.0 * step for step in range(1, 11)]
    found = curves.points_of_file(tmp_path / "bnet.json")
    assert found[["training", "seed", "term"]].iloc[0].tolist() == ["bnet, cpu", 1, "validation psnr"]
    assert found["images"].tolist() == [20.0, 40.0]
    with pytest.raises(InputError, match=r"none\.json: no history"):
        curves.points_of_file(tmp_path / "none.json")


def test_the_record_is_of_the_committed_trainings():
    record = curves.measure()
    assert record["provenance"]["files"] == ["training.json", "training-equal.json"]
    assert {fit["training"] for fit in record["fits"]} == {
        f"{row}, {recipe}" for row in ("umsn", "bnet") for recipe in ("gpu-long", "gpu-short", "cpu")
    }
    assert {fit["term"] for fit in record["fits"] if "gpu-long" in fit["training"]} == {"validation psnr"}
    for fit in record["fits"]:
        assert fit["low"] <= fit["value"] <= fit["high"] and fit["lengths"] >= curves.FEWEST
