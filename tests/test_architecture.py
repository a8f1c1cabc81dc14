"""The library is a house of wings: a wing imports only from the floors below its own, and no modules in a circle."""

import ast

#: Flat modules and wings, from the ground up.
FLOORS = (
    {"memory"},
    {"files"},
    {"faces", "marks", "pictures", "places", "processes", "recipes", "schema"},
    {"records"},
    {"data", "networks"},
    {"evaluation", "photos", "recognition"},
    {"training"},
    {"experiments"},
    {"pages"},
    {"cli"},
    {"__main__"},
)
FLOOR = {module: floor for floor, modules in enumerate(FLOORS) for module in modules}


def imported(tree):
    """The umsn modules (dotted, without "umsn.") that a parsed source file imports, lazily or not."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: import from umsn by its full name"
            names = [f"{node.module}.{name}" for name in names]
        yield from (name.removeprefix("umsn.") for name in names if name.startswith("umsn."))


def rooms(home):
    """Every module's dotted name, and the wings and modules that it imports."""
    for source in sorted((home / "umsn").rglob("*.py")):
        name = ".".join(source.relative_to(home / "umsn").with_suffix("").parts)
        if name != "__init__":
            yield name, set(imported(ast.parse(source.read_text(encoding="utf-8"))))


def test_imports_only_go_down(home):
    found = list(rooms(home))
    assert found
    for name, others in found:
        wing = name.split(".")[0]
        assert wing in FLOOR, f"umsn/{wing} has no floor yet"
        for other in {other.split(".")[0] for other in others} - {wing}:
            assert FLOOR[other] < FLOOR[wing], f"umsn.{name} (floor {FLOOR[wing]}) imports umsn.{other}"


def test_no_circle_inside_a_wing(home):
    """Modules of one wing can be put in an order in which each imports only from those before it."""
    modules = {name.removesuffix(".__init__"): others for name, others in rooms(home)}

    def module_of(dotted):
        parts = dotted.split(".")
        return next((".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in modules), None)

    waiting = {n: {module_of(o) for o in others} - {n, None} for n, others in modules.items()}
    while waiting:
        ready = {name for name, others in waiting.items() if not others & set(waiting)}
        assert ready, f"a circle among {sorted(waiting)}"
        waiting = {name: others for name, others in waiting.items() if name not in ready}
