"""Every chapter opens with what one will be able to do and closes with exercises; what their text states is true."""

import json
import re
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).parent.parent
sys.path.insert(0, str(HOME / "book"))
from stated import NOTEBOOKS, SOLUTION, minutes, printed, restate, texts  # noqa: E402

#: The chapters 00 to 13 teach; a notebook after them, such as a list of records, need not.
CHAPTERS = [path for path in NOTEBOOKS if path.stem < "14"]
each = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
EXERCISE = re.compile(r"^\*\*(\d)\. [^*]+\*\* \((easy|medium|longer|research)\)\. ", re.MULTILINE)
LEVELS = ("easy", "medium", "longer", "research")


def notebook(path):
    return json.loads(path.read_text("utf-8"))


def exercises(path):
    """The text of a chapter's exercises, which stand in one cell of their own."""
    (cell,) = [text for cell in texts(notebook(path)) if (text := "".join(cell["source"])).startswith("## Exercises\n")]
    return cell


def solutions():
    for path in CHAPTERS:
        for number, found in enumerate(SOLUTION.finditer(exercises(path)), start=1):
            yield pytest.param(found["code"], found["printed"], id=f"{path.stem}-{number}")


@each
def test_a_chapter_says_after_its_question_what_one_can_do_then(path):
    title, question, box, *_ = "".join(notebook(path)["cells"][0]["source"]).split("\n\n")
    assert title.startswith("# ") and question.startswith("*") and question.endswith("?*")
    assert box.startswith(":::{admonition} After this chapter you can\n:class: you-will\n- ")
    assert 2 <= box.count("\n- ") <= 4


@each
def test_the_time_that_a_chapter_states_follows_from_its_words(path):
    """The only number in the box is this one: `python book/stated.py` writes it."""
    box = "".join(notebook(path)["cells"][0]["source"]).partition("you-will\n")[2].partition("\n:::")[0]
    assert re.findall(r"\d+", box.partition("Reading")[2]) == [str(minutes(notebook(path)))]


@each
def test_exercises_rise_from_easy_to_research(path):
    numbers, levels = zip(*EXERCISE.findall(exercises(path)), strict=True)
    assert [int(number) for number in numbers] == list(range(1, len(numbers) + 1))
    assert 3 <= len(numbers) <= 6
    assert [*levels] == sorted(levels, key=LEVELS.index) and levels[0] == "easy" and levels[-1] == "research"


@each
def test_hints_and_solutions_are_folded_and_belong_to_an_exercise(path):
    parts = EXERCISE.split(exercises(path))[1:]
    for number, level, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        folded = re.findall(r"^:::\{admonition\} (.+)\n:class: dropdown\n", text, re.MULTILINE)
        assert set(folded) <= {f"Hint for {number}", f"Solution of {number}"}
        assert text.count(":::{") == len(folded)
        assert f"{'Hint for' if level == 'research' else 'Solution of'} {number}" in folded


@pytest.mark.parametrize(("code", "stated"), solutions())
def test_a_solution_prints_what_stands_under_it(code, stated):
    assert "assert " in code or stated
    assert max(map(len, code.splitlines())) <= 120
    assert printed(code) == (stated or "")


def test_a_false_number_is_found_and_written_anew(tmp_path):
    path = tmp_path / "asks.ipynb"
    source = [
        "Reading takes about 90 minutes.\n",
        "```python\n",
        "print(6 * 7)\n",
        "```\n",
        "```text\n",
        "41\n",
        "```\n",
    ]
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": source}]}))
    assert restate(path, check=True) and "41" in path.read_text()
    assert restate(path, check=False)
    text = "".join(notebook(path)["cells"][0]["source"])
    assert "about 5 minutes" in text and "```text\n42\n```" in text
    assert not restate(path, check=True)
