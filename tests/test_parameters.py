"""Every parameter that a notebook declares and every value of a recipe is used; what would be ignored is refused."""

import ast
import importlib.util
import json
import os
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from umsn.experiments import edition
from umsn.experiments.edition import Edition, opened
from umsn.files import InputError
from umsn.recipes import Recipe, Schedule

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
#: Which field of an edition a parameter goes into, where it is not the one of its name.
FIELDS = {"layout": ["faces"], "test_layout": ["test"], "gallery_layout": ["gallery"]}
#: These every notebook declares: they name the edition that it is a chapter of.
NAMES = {"recipe", "seed"}


def attributes(tree: ast.AST, of: str) -> set[str]:
    """What is asked of whatever is called ``of``, or is the attribute of that name: ``recipe.X``, ``run.recipe.X``."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {node.attr for node in found if getattr(node.value, "id", getattr(node.value, "attr", None)) == of}


def reached(names: set[str]) -> set[str]:
    """The fields of an edition that these of its attributes need, however indirectly."""
    (body,) = [
        n.body for n in ast.parse(Path(edition.__file__).read_text("utf-8")).body if getattr(n, "name", "") == "Edition"
    ]
    needs = {part.name: attributes(part, "self") for part in body if isinstance(part, ast.FunctionDef)}
    waiting, found = set(names), set()
    while waiting:
        found.add(name := waiting.pop())
        waiting |= needs.get(name, set()) - found
    return found & {field.name for field in fields(Edition)}


def cells(path: Path) -> tuple[set[str], ast.Module]:
    """The names that a notebook declares, and the rest of its code."""
    code = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    (own,) = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]
    lines = [line for cell in code if cell is not own for line in "".join(cell["source"]).splitlines()]
    rest = "\n".join(line for line in lines if not line.lstrip().startswith("%"))
    return {line.targets[0].id for line in ast.parse("".join(own["source"])).body}, ast.parse(rest)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_every_parameter_that_it_declares(path):
    declared, rest = cells(path)
    asked = attributes(rest, "edition")
    used = reached(asked) | {node.id for node in ast.walk(rest) if isinstance(node, ast.Name)}
    idle = [name for name in declared - NAMES if not used & set(FIELDS.get(name, [name]))]
    assert idle == []


def test_what_an_attribute_needs_is_found_through_others():
    assert reached({"pipeline"}) >= {"weights", "recipe", "faces", "minutes", "device", "runs"}
    assert reached({"weights_in_words"}) == {"weights", "recipe"}


def test_every_value_of_a_recipe_is_used_by_the_library():
    found = set(), set()
    for path in Path(edition.__file__).parents[1].rglob("*.py"):
        if path.name != "recipes.py":
            tree = ast.parse(path.read_text("utf-8"))
            found[0].update(attributes(tree, "recipe"), attributes(tree, "chosen_recipe"))
            found[1].update(attributes(tree, "schedule"))
    from umsn.training.stages import STAGES

    schedules = {stage.schedule for stage in STAGES.values()}
    assert {field.name for field in fields(Recipe)} - found[0] - schedules == set()
    assert {field.name for field in fields(Schedule)} - found[1] == set()


def test_papermill_puts_nothing_in_that_the_notebook_would_ignore():
    own = 'recipe = "laptop"  # how much\nseed = 0'
    with pytest.raises(InputError, match="parameter 'faces': this notebook does not use it; it has recipe, seed"):
        opened({"In": ["", own, '# Parameters\nrecipe = "smoke"\nfaces = "."', "edition = opened(vars())"]})


def test_the_runner_refuses_what_the_notebook_would_ignore_before_any_work(home, tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("run", home / "book/run.py")
    spec.loader.exec_module(run := importlib.util.module_from_spec(spec))
    words = [str(home / "notebooks/02_blur.ipynb"), "--into", str(tmp_path / "into"), "-p", "faces", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["run.py", *words])
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert run.main() == 2 and not list(tmp_path.iterdir())
    (line,) = capsys.readouterr().err.splitlines()
    assert "no parameter faces; it has recipe, seed, test" in line
