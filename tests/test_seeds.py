"""Seeds of an edition: folders beside it that hold the same record, and what they say together."""

import math

import pytest

from umsn.experiments import seeds
from umsn.files import write_json


def record(seed, gain=0.5):
    """A record of all rows; B-Net's PSNR is 20 + seed, each row ``gain`` above the row before it."""
    methods = [method for method in seeds.ROWS for _ in range(2)]
    psnr = [20 + seed + gain * seeds.ROWS.index(method) for method in methods]
    rows = {"method": methods, "face": ["a", "b"] * 5, "size": [13] * 10, "psnr": psnr}
    return {"provenance": {}, "rows": rows}


def test_the_same_recipe_on_the_same_faces_is_found_whatever_its_seed(tmp_path):
    names = ["gpu-0", "gpu-12", "gpu-3-my-faces", "gpu-short-4", "gpu-5"]
    for name in names:
        write_json(tmp_path / name / "records/ablation.json", record(0))
    write_json(tmp_path / "gpu-7/records/other.json", record(0))
    assert list(seeds.beside(tmp_path / "gpu-0", "gpu", "ablation")) == [0, 5, 12]
    assert list(seeds.beside(tmp_path / "gpu-3-my-faces", "gpu", "ablation")) == [3]
    assert list(seeds.beside(tmp_path / "gpu-short-4", "gpu-short", "ablation")) == [4]


def test_several_seeds_have_a_mean_a_spread_and_paired_gains():
    found = seeds.spread({seed: record(seed, gain) for seed, gain in enumerate((0.4, 0.5, 0.6))}).set_index("method")
    assert found.loc["bnet", "psnr"] == pytest.approx(21) and found.loc["bnet", "sd"] == pytest.approx(1)
    half = 4.3027 * 0.4 / math.sqrt(3)  # Student's t with two degrees of freedom, 97.5%; gains of 1.6, 2.0, 2.4
    assert found.loc["umsn", ["gain", "low", "high"]].tolist() == pytest.approx([2, 2 - half, 2 + half], abs=1e-3)
    assert found.loc["bnet", "gain"] == 0 and math.isnan(found.loc["bnet", "low"])
    assert (found["seeds"] == 3).all()


def test_one_seed_says_nothing_of_seeds():
    found = seeds.spread({4: record(4)}).set_index("method")
    assert found.loc["umsn", "psnr"] == pytest.approx(26) and found.loc["umsn", "gain"] == pytest.approx(2)
    assert all(math.isnan(found.loc["umsn", name]) for name in ("sd", "low", "high"))
