"""What a fresh machine installs is written down once, exactly, and every file that repeats it agrees."""

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: The packages that the book is made with; whoever reads environment.yml learns of them there.
CARD = {
    "jupyterlab",
    "jupyter-book",
    "torch",
    "matplotlib",
    "seaborn",
    "ipywidgets",
    "papermill",
    "scikit-image",
}


@pytest.fixture
def project(home):
    return tomllib.loads((home / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture
def lock(home):
    lines = (home / "requirements.lock").read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


@pytest.fixture
def asked(project):
    """Everything pyproject.toml asks for, extras included."""
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [asked for group in groups for asked in map(Requirement, group) if asked.name != "umsn"]


def test_the_lock_names_exact_versions(lock):
    names = [canonicalize_name(locked.name) for locked in lock]
    assert len(names) == len(set(names))
    for locked in lock:
        assert re.fullmatch(r"==[0-9][^*,]*", str(locked.specifier)), str(locked)
        assert locked.url is None


def test_the_lock_holds_all_that_the_project_asks_for_but_torch(lock, asked):
    versions = {canonicalize_name(locked.name): str(locked.specifier).removeprefix("==") for locked in lock}
    assert "torch" not in versions
    for wanted in asked:
        if wanted.name != "torch":
            assert wanted.specifier.contains(versions[canonicalize_name(wanted.name)]), str(wanted)


def test_environment_and_makefile_install_the_same(home, project, asked, lock):
    environment = yaml.safe_load((home / "environment.yml").read_text("utf-8"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    (torch,) = re.findall(r"^TORCH \?= (\S+)$", (home / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    assert [pip[0], *pip[-2:]] == [torch, "--requirement requirements.lock", "--editable ."]
    assert {Requirement(line).name for line in pip[:-2]} == CARD
    assert {str(locked) for locked in lock} >= set(pip[1:-2])
    (wanted,) = [wanted for wanted in asked if wanted.name == "torch"]
    assert wanted.specifier.contains(torch.removeprefix("torch=="))
    (python,) = [entry for entry in environment["dependencies"] if str(entry).startswith("python=")]
    assert Requirement(f"python{project['requires-python']}").specifier.contains(python.removeprefix("python="))


def test_the_pages_scripts_are_locked_and_name_no_host(home):
    asked = json.loads((home / "package.json").read_text("utf-8"))
    packages = json.loads((home / "package-lock.json").read_text("utf-8"))["packages"]
    kinds = ("dependencies", "devDependencies")
    assert [packages[""][kind] for kind in kinds] == [asked[kind] for kind in kinds]
    for name, version in (asked["dependencies"] | asked["devDependencies"]).items():
        assert packages[f"node_modules/{name}"]["version"] == version
    for name, package in packages.items():
        assert "resolved" not in package
        assert name == "" or package["integrity"].startswith("sha512-"), name


#: Says how long threads spin at the moment when torch begins to be imported, and stops there.
LOOK = """
import os, sys
class Look:
    def find_spec(self, name, *_):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"))
            sys.exit(0)
sys.meta_path.insert(0, Look())
import {module}
"""


@pytest.mark.parametrize("module", ["umsn.networks.weights", "umsn.experiments.edition", "umsn.processes"])
def test_threads_are_told_not_to_spin_before_torch_is_imported(home, module):
    for given, expected in (({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7")):
        clean = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
        order = [sys.executable, "-c", LOOK.format(module=module)]
        ran = subprocess.run(order, cwd=home, env=clean | given, capture_output=True, text=True)
        assert ran.stdout.strip() == expected, ran.stderr


def test_every_notebook_imports_umsn_first(home):
    for path in sorted((home / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        lines = [line for cell in cells if cell["cell_type"] == "code" for line in "".join(cell["source"]).splitlines()]
        first = next(line for line in lines if line.startswith(("import ", "from ")))
        assert first.split()[1].startswith("umsn"), path.name
