"""The library is a house: a module imports only from floors below its own."""

import ast

FLOORS = (
    {"files"},
    {"places", "records", "recipes", "faces", "metrics", "blocks"},
    {"synthetic", "datasets", "photographs", "finding", "blur", "parsing", "deblurring", "confidence"},
    {"losses", "weights", "summary", "source"},
    {"fitting", "rivals", "published", "recognition", "exported"},
    {"stages", "evaluation", "restore"},
    {"figures", "interactive"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
FLOOR = {module: floor for floor, modules in enumerate(FLOORS, start=-1) for module in modules}


def imported(tree):
    """The umsn modules (top level only) that a parsed source file imports, lazily or not."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: import from umsn by its full name"
            names = [f"{node.module}.{name}" for name in names]
        yield from (name.split(".")[1] for name in names if name.startswith("umsn."))


def test_imports_only_go_down(home):
    sources = [p for p in (home / "umsn").rglob("*.py") if p != home / "umsn/__init__.py"]
    assert sources
    for source in sources:
        module = source.relative_to(home / "umsn").parts[0].removesuffix(".py")
        assert module in FLOOR, f"umsn/{module} has no floor yet"
        for other in set(imported(ast.parse(source.read_text(encoding="utf-8")))) - {module}:
            assert FLOOR[other] < FLOOR[module], f"{source.name} (floor {FLOOR[module]}) imports umsn.{other}"
