from dataclasses import replace

import pytest

from umsn.files import InputError
from umsn.recipes import PAPER, RECIPES, Recipe, recipe


def test_the_paper_s_numbers():
    assert recipe("paper") is PAPER
    schedules = (PAPER.parse_clean, PAPER.parse_blurry, PAPER.stream, PAPER.whole)
    assert [s.iterations for s in schedules] == [60_000, 30_000, 50_000, 100_000]
    assert [s.learning_rate for s in schedules] == [2e-4, 1e-5, 2e-4, 2e-4]
    assert (PAPER.whole.batch, PAPER.lam, PAPER.lam1, PAPER.sigma) == (16, 0.01, 2e-4, (0.03, 0.03))
    assert (PAPER.faces, PAPER.kernels, PAPER.crop, PAPER.width) == (27_000, 25_000, 128, 64)
    marks = [round(f * PAPER.whole.iterations) for f in PAPER.snapshots]
    assert marks == [3_000, 50_000, 100_000]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_goes_by_its_name_and_keeps_the_paper_s_losses(name):
    found = recipe(name)
    assert isinstance(found, Recipe) and found.name == name
    assert (found.lam, found.lam1) == (PAPER.lam, PAPER.lam1)
    assert replace(found, name="x") != found


def test_an_unknown_recipe_is_named():
    with pytest.raises(InputError, match=r"'papr'.*paper"):
        recipe("papr")
