"""What intervals cover: as often as they say, of faces few and many, and of kernels too where they draw them."""

import numpy as np
import pandas as pd
import pytest

from umsn import evaluation
from umsn.experiments.evaluate import from_record, to_record
from umsn.files import InputError, read_json
from umsn.records import rows_of

NUMBERS = ("mean", "low", "high", "rows", "faces")


def crossed(values, sizes=None):
    """Rows of a table (faces, kernels); kernels are one of each size, or as many of each as there are per size."""
    faces, kernels = (index.ravel() for index in np.indices(values.shape))
    per_size = 1 if sizes is None else values.shape[1] // sizes
    keys = {"method": "m", "face": faces, "size": kernels // per_size, "kernel": kernels % per_size + 1}
    return pd.DataFrame({**keys, "psnr": values.ravel()})


def drawn(random, faces, kernels, face, kernel, sizes=None):
    """Deviations by face and by kernel, of the spreads given, and noise of 1 in every cell; the mean is 0."""
    noise = random.normal(size=(faces, kernels))
    return crossed(random.normal(0, face, (faces, 1)) + random.normal(0, kernel, kernels) + noise, sizes)


def coverage(resample, faces, kernels, **how):
    """The share of 1,000 samples (300 where there are several kernels) whose 95% interval holds the mean."""
    random, covered, trials = np.random.default_rng(0), 0, 1000 if kernels == 1 else 300
    for _ in range(trials):
        one = evaluation.summarise(drawn(random, faces, kernels, **how), resample=resample, draws=600).iloc[0]
        covered += one["low"] <= 0 <= one["high"]
    return covered / trials


@pytest.mark.parametrize(
    ("resample", "how"),
    [
        ("faces, t", {"faces": 6, "kernels": 1, "face": 1, "kernel": 0}),
        ("faces, t", {"faces": 6, "kernels": 8, "face": 1, "kernel": 0}),
        ("auto", {"faces": 12, "kernels": 1, "face": 1, "kernel": 0}),
        ("auto", {"faces": 100, "kernels": 1, "face": 1, "kernel": 0}),
        ("faces and kernels", {"faces": 6, "kernels": 8, "face": 1, "kernel": 0}),
        ("faces and kernels", {"faces": 12, "kernels": 8, "face": 1, "kernel": 1}),
        ("faces and kernels", {"faces": 100, "kernels": 8, "face": 1, "kernel": 0.1}),
        ("auto", {"faces": 100, "kernels": 8, "face": 1, "kernel": 1}),
        ("faces and kernels", {"faces": 40, "kernels": 80, "face": 1, "kernel": 0.5, "sizes": 8}),
    ],
)
def test_intervals_cover_what_they_say(resample, how):
    """Nominally 95%."""
    assert 0.92 <= coverage(resample, **how) <= 0.98


def test_percentiles_of_faces_alone_do_not():
    """Why few faces have Student's t, and why claims draw kernels as well."""
    assert coverage("faces", faces=6, kernels=1, face=1, kernel=0) < 0.90
    assert coverage("faces", faces=100, kernels=8, face=1, kernel=1) < 0.60


def test_what_was_drawn_is_said():
    random = np.random.default_rng(0)
    for faces, kernels, said in ((6, 1, "faces, t"), (20, 1, "faces"), (6, 8, "faces and kernels")):
        rows = drawn(random, faces, kernels, 1, 1)
        assert evaluation.summarise(rows, resample="auto")["resampled"].tolist() == [said]
        assert evaluation.summarise(rows)["resampled"].tolist() == ["faces"]
    with pytest.raises(InputError, match="columns size, kernel"):
        evaluation.summarise(rows.drop(columns=["size", "kernel"]), resample="faces and kernels")


def test_kernels_are_drawn_within_their_sizes():
    """Where only the size matters, other kernels of the same sizes change nothing; one of each size would."""
    values = np.repeat(np.arange(4.0), 2) + np.random.default_rng(0).normal(0, 1, (30, 1))
    within, across = (
        evaluation.summarise(crossed(values, sizes), resample="faces and kernels").iloc[0] for sizes in (4, None)
    )
    alone = evaluation.summarise(crossed(values)).iloc[0]
    width = {name: one["high"] - one["low"] for name, one in (("in", within), ("across", across), ("alone", alone))}
    assert width["in"] == pytest.approx(width["alone"], rel=0.1)
    assert width["across"] > 2 * width["alone"]


def test_same_seed_same_interval_and_nothing_said_of_one():
    rows = drawn(np.random.default_rng(3), 5, 4, 1, 1)
    for resample in ("faces", "faces, t", "faces and kernels"):
        ours = evaluation.summarise(rows, resample=resample)
        assert ours.equals(evaluation.summarise(rows, resample=resample))
        assert ours["mean"].item() == pytest.approx(rows["psnr"].mean())
        assert evaluation.summarise(rows[rows["face"] == 0], resample=resample)[["low", "high"]].isna().all(axis=None)
    one = evaluation.summarise(rows[rows["kernel"] == 1].query("size == 0"), resample="faces and kernels")
    assert one[["low", "high"]].isna().all(axis=None)


def test_few_faces_with_gaps_weigh_by_their_rows():
    """A face without the class is left out; Student's t of what remains, by hand."""
    values = np.array([[20.0, 22.0], [np.nan, np.nan], [24.0, 26.0], [30.0, 30.0]])
    one = evaluation.summarise(crossed(values), resample="faces, t").iloc[0]
    means = np.array([21.0, 25.0, 30.0])
    half = 4.302653 * means.std(ddof=1) / 3**0.5  # t, 2 degrees of freedom
    assert one["mean"] == pytest.approx(means.mean())
    assert one["high"] - one["mean"] == pytest.approx(half, rel=1e-5)


def test_records_state_what_they_stated(home):
    """The summary of a record is that of its rows, to the last digit that it keeps, and does not say what it drew."""
    kept = read_json(home / "results/measured/evaluate-umsn-real.json")
    again = to_record(from_record(kept))["summary"]
    for before, now in zip(kept["summary"]["by_method"], again["by_method"], strict=True):
        assert now.keys() == before.keys()
        assert [now[name] for name in NUMBERS] == pytest.approx([before[name] for name in NUMBERS], abs=1e-5)
    rows = from_record(kept)
    assert "resampled" not in rows_of(evaluation.summarise(rows))[0]
    assert rows_of(evaluation.summarise(rows, resample="auto"))[0]["resampled"] == "faces and kernels"
