"""A public function of many parameters says what each of them is."""

import ast
import re

import pytest

#: From so many parameters on, beside self and cls.
MANY = 6


def functions(tree, about=""):
    """The public functions and methods of a module or class, each with what its docstring says.

    What `__init__` takes is said in its class's docstring.
    """
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node, ast.get_docstring(node) or "")
        if isinstance(node, ast.FunctionDef) and (node.name == "__init__" or not node.name.startswith("_")):
            said = ast.get_docstring(node) or ""
            yield node, about + said if node.name == "__init__" else said


def unsaid(function, docstring):
    """The parameters that neither the docstring names nor an Annotated type explains, where there are many."""
    given = function.args
    named = [one for one in (*given.posonlyargs, *given.args, *given.kwonlyargs) if one.arg not in ("self", "cls")]
    kinds = {one.arg: ast.unparse(one.annotation) if one.annotation else "" for one in named}
    silent = [name for name, kind in kinds.items() if not kind.startswith("Annotated[")]
    return [name for name in silent if len(named) >= MANY and not re.search(rf"\b{name}\b", docstring)]


def test_each_of_many_parameters_is_named(home):
    silent = {}
    for source in sorted((home / "umsn").rglob("*.py")):
        for function, docstring in functions(ast.parse(source.read_text(encoding="utf-8"))):
            if names := unsaid(function, docstring):
                silent.setdefault(source.relative_to(home / "umsn").as_posix(), {})[function.name] = names
    assert not silent


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(a, b, c, d, e): ...", []),
        ("def f(a, b, c, d, e, g): 'a, b, c: numbers; d, e: words'", ["g"]),
        ("def f(a, b, c, d, e, *, g: Annotated[int, 'a number']): 'Of a, b and cd, e.'", ["c", "d"]),
        ("class C:\n    'a, b, c, d, e'\n    def __init__(self, a, b, c, d, e, g): ...", ["g"]),
    ],
)
def test_the_rule_is_found_by(source, names):
    ((function, docstring),) = functions(ast.parse(source))
    assert unsaid(function, docstring) == names
