"""Notebooks ask and the library answers: they define nothing, carry no outputs, and all run under `smoke`."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


def python(cell):
    """The cell as Python, without its magics."""
    return "\n".join(line for line in "".join(cell["source"]).splitlines() if not line.lstrip().startswith("%"))


@each
def test_is_committed_without_outputs(path):
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code_cells(path))


@each
def test_names_each_cell_once(path):
    names = [cell["id"] for cell in json.loads(path.read_text("utf-8"))["cells"]]
    assert len(set(names)) == len(names)


@each
def test_declares_recipe_and_seed(path):
    (declared,) = [cell for cell in code_cells(path) if "parameters" in cell["metadata"].get("tags", [])]
    names = {target.id for line in ast.parse(python(declared)).body for target in line.targets}
    assert {"recipe", "seed"} <= names


@each
def test_defines_and_installs_nothing(path):
    for cell in code_cells(path):
        tree = ast.parse(python(cell))  # a line with ! is no Python and fails here
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert "%pip" not in "".join(cell["source"])


@each
def test_is_short(path):
    cells = ["".join(cell["source"]).splitlines() for cell in code_cells(path)]
    lengths = [len([line for line in cell if not line.startswith(("from ", "import "))]) for cell in cells]
    assert len(lengths) <= 14
    assert max(lengths) <= 20


@each
def test_runs_under_smoke(path, executed):
    result, printed = executed(path.stem)
    assert result.exists(), printed


@pytest.fixture
def notebook(tmp_path):
    """A function that writes a small notebook with the given parameters and last cell, and returns its path."""

    def write(parameters: str, last: str, tag: str = "parameters") -> Path:
        cells = [("parameters", parameters, [tag]), ("last", last, [])]
        words = "![A synthetic face](../figures/face.svg), [itself](../notebooks/asks.ipynb), [nothing](../none.md)"
        content = {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "cells": [
                {"cell_type": "code", "id": name, "metadata": {"tags": tags}, "source": source}
                | {"outputs": [], "execution_count": None}
                for name, source, tags in cells
            ]
            + [{"cell_type": "markdown", "id": "words", "metadata": {}, "source": words}],
        }
        path = tmp_path / "notebooks/asks.ipynb"
        path.parent.mkdir()
        path.write_text(json.dumps(content))
        return path

    return write


def run(home, path, into):
    order = [sys.executable, home / "book/run.py", path, "--recipe", "smoke", "--into", into]
    return subprocess.run(order, cwd=home, capture_output=True, text=True)


def test_the_runner_passes_parameters_repeats_its_bytes_and_keeps_no_widget(home, notebook, tmp_path):
    widgets = "import ipywidgets as w\nprint(recipe, seed)\nw.VBox([w.IntSlider(), w.HTML('x')])"
    path = notebook('recipe = "laptop"\nseed = 0', widgets)
    for into in ("once", "again"):
        assert run(home, path, tmp_path / into).returncode == 0
    once = (tmp_path / "once/asks.ipynb").read_bytes()
    assert b"smoke 0" in once
    assert b"jupyter.widget" not in once
    assert once == (tmp_path / "again/asks.ipynb").read_bytes()


def test_the_runner_keeps_links_true(home, notebook, tmp_path):
    draws = "from pathlib import Path\nPath('../figures').mkdir()\nPath('../figures/face.svg').touch()"
    run(home, notebook('recipe = "laptop"\nseed = 0', draws), tmp_path / "book/executed")
    words = json.loads((tmp_path / "book/executed/asks.ipynb").read_text())["cells"][-1]["source"]
    assert "(../../figures/face.svg)" in "".join(words)
    assert "(../../notebooks/asks.ipynb)" in "".join(words)
    assert "(../none.md)" in "".join(words)


@pytest.mark.parametrize(
    ("parameters", "last", "tag", "word"),
    [
        ('recip = "laptop"\nseed = 0', "1", "parameters", "no parameter recipe"),
        ('recipe = "laptop"\nseed = 0', "1", "anything", "no cell tagged"),
        ('recipe = "laptop"\nseed = 0', "1 / 0", "parameters", "ZeroDivisionError"),
        ('recipe = "laptop"\nseed = 0', "import os; os._exit(9)", "parameters", "kernel died"),
    ],
)
def test_the_runner_fails_aloud_and_leaves_nothing(home, notebook, tmp_path, parameters, last, tag, word):
    ran = run(home, notebook(parameters, last, tag), tmp_path / "into")
    assert ran.returncode == 2
    assert word in ran.stderr
    assert not list((tmp_path / "into").glob("*"))


#: A caption that says it stands for figures of the paper, and a table's caption with its number.
STANDS_FOR = re.compile(r"(?:the paper's|in place of) Fig\. (\d+)(?: and (\d+))?", re.IGNORECASE)
FIGURE = re.compile(r":::\{figure\}.*?\n:::", re.DOTALL)
TABLE = re.compile(r'"Table ([IVX]+)[:.,] ')


def test_every_figure_and_table_of_the_paper_has_one_maker():
    """Found in the captions. Fig. 4 has three rows, of which two directives show two and one."""
    figures, tables = {}, {}
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            text = "".join(cell["source"])
            for caption in FIGURE.findall(text):
                assert f"notebooks/{path.name}" in caption
                for number in (n for found in STANDS_FOR.findall(caption) for n in found if n):
                    figures.setdefault(int(number), []).append(path.stem)
            if cell["cell_type"] == "code":
                for numeral in TABLE.findall(text):
                    tables.setdefault(numeral, set()).add(path.stem)
    expected = dict.fromkeys(range(1, 19), 1) | {4: 2}
    for missing in (10, 13):  # photographs of real blur, and PubFig, of which there are none here
        del expected[missing]
    assert {number: len(makers) for number, makers in figures.items()} == expected
    assert len(set(figures[4])) == 1
    assert {numeral: len(makers) for numeral, makers in tables.items()} == dict.fromkeys(
        ("I", "II", "III", "IV", "V", "VI", "VII", "VIII"), 1
    )


def test_every_figure_has_one_maker(home):
    figures = [path.stem for path in (home / "figures").glob("*.svg")]
    code = {path.stem: "\n".join(python(cell) for cell in code_cells(path)) for path in NOTEBOOKS}
    makers = {figure: [name for name, cells in code.items() if f'"{figure}"' in cells] for figure in figures}
    assert {figure: names for figure, names in makers.items() if len(names) != 1} == {}
