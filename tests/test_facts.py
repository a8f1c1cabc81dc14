"""Records are listed as they are, absent ones say so, and lines hold what they were given."""

import numpy as np
import pandas as pd
import pytest
import torch

from umsn import evaluation, recipes
from umsn.data import blur
from umsn.evaluation import Protocol, metrics
from umsn.evaluation.intervals import in_words
from umsn.experiments.evaluate import to_record
from umsn.faces import FaceSet
from umsn.files import write_json
from umsn.networks.weights import Pipeline
from umsn.pages import figures
from umsn.pages.figures import curves, facts, tables, titles
from umsn.training.stages import STAGES


@pytest.fixture
def measured(tmp_path):
    """A folder with the record of an evaluation."""
    photos = torch.randint(0, 256, (2, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    faces = FaceSet(["one", "two"], photos, None)
    rows = evaluation.evaluate({"blurred": lambda y: y}, faces, Protocol(sizes=(13, 15), per_size=1))
    write_json(tmp_path / "evaluate-blurred.json", to_record(rows, seconds=1.5))
    return tmp_path


def test_what_is_recorded_is_shown_and_what_is_not_says_so(measured):
    table = facts.recorded(["evaluate-blurred", "evaluate-umsn"], measured)
    mean = facts.summary("evaluate-blurred", measured).set_index("measure").loc["psnr", "mean"]
    assert table["psnr"][0].startswith(f"{mean:.2f} (")
    assert table["images"][0] == 4
    assert (table.iloc[1, 1:] == tables.NOT_YET).all()
    assert facts.summary("evaluate-umsn", measured).empty


def test_facts_are_leaves_and_long_lists_are_left_out(tmp_path):
    write_json(tmp_path / "training.json", {"a": {"b": 0.25, "c": [1, 2]}, "d": list(range(9)), "rows": {"x": 1}})
    table = facts.facts("training", tmp_path)
    assert table.to_numpy().tolist() == [["a · b", "0.25"], ["a · c", "1, 2"]]
    assert facts.facts("nothing", tmp_path)["value"].tolist() == [tables.NOT_YET]


def test_intervals_in_words():
    assert in_words(21.304, 20.951, 21.66) == "21.30 (20.95 to 21.66)"
    assert in_words(0.8, 0.75, 0.85) == "0.800 (0.750 to 0.850)"
    assert in_words(21.3, np.nan, np.nan) == "21.30"


def test_schedules_are_the_recipes():
    table = facts.schedules({"paper": recipes.PAPER})
    assert table.loc["UMSN, and each row of Table VI", "paper"] == "100,000 x 16 at 0.0002, constant"
    assert len(table) == 4


def test_trainings_are_told_by_their_last_step():
    steps = [{"step": 5, "seconds": 2.0, "loss": 0.5}, {"step": 10, "seconds": 5.0, "loss": 0.25}]
    table = facts.trainings({"parse-clean": steps, "nothing": []})
    assert table.loc["S-Net, sharp faces"].tolist() == [10, 0.5, 0.25]
    assert list(table.index) == ["S-Net, sharp faces"]


def test_stages_have_titles():
    assert all(titles.stage(name) != name for name in STAGES)
    assert titles.stage("umsn, gpu-short") == "UMSN (gpu-short)" and titles.stage("else") == "else"


def test_shaken_pictures_follow_the_protocol():
    photo = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
    pictures = blur.shaken(photo, (13, 19), sigma=0.0, seed=3)
    for picture, (_, _, kernel) in zip(pictures, blur.protocol_kernels((13, 19), 1, 3), strict=True):
        torch.testing.assert_close(picture, blur.blur(photo[None], kernel)[0].clamp(0, 1))
    expected = f"{metrics.psnr(pictures[:1], photo[None]).item():.1f} dB"
    assert figures.decibels(metrics.psnr_of_each([pictures[0]], photo)) == [expected]


def test_lines_hold_their_numbers():
    figure = curves.lines({"a": ([0, 1], [2, 3]), "b": ([0, 1], [4, 5])}, xlabel="x", ylabel="y", yscale="log")
    (axes,) = figure.axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[2, 3], [4, 5]]
    assert axes.get_yscale() == "log"
    assert axes.get_legend() is not None


def test_every_picture_is_one_point_of_two_ssims():
    rows = pd.DataFrame({"method": ["a", "a", "b"], "ssim": [0.5, 0.6, 0.7], "ssim_volumetric": [0.7, 0.8, 0.9]})
    (axes,) = curves.two_ssims(rows).axes
    assert [len(line.get_xdata()) for line in axes.lines] == [2, 1, 2]


def test_every_label_has_its_colour():
    picture = figures.colour_labels(torch.arange(11, dtype=torch.uint8).reshape(1, 11))
    assert picture.shape == (3, 1, 11)
    assert 0 <= float(picture.min()) <= float(picture.max()) <= 1
    assert len({tuple(colour) for colour in picture[:, 0].T.tolist()}) == 11


def test_networks_say_plain_facts_of_themselves():
    known = {"width": 32, "recipe": {"crop": 96}, "parsing_widths": [4]}
    table = facts.about(Pipeline(None, None, known, ""), caption="Them")
    assert list(table.cells.index) == ["width"]
    assert table.caption == "Them"
