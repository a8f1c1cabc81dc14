"""A notebook finds its records and the look of its figures from notebooks/, from the top, and alone in any folder."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from umsn import places
from umsn.files import InputError
from umsn.places import path_of

RECORD = "results/measured/speed.json"


def test_the_repository_is_known_from_notebooks_and_from_its_top(home, monkeypatch):
    monkeypatch.chdir(home / "notebooks")
    assert path_of(RECORD) == Path("..") / RECORD
    monkeypatch.chdir(home)
    assert path_of(RECORD) == Path(RECORD)


def test_alone_the_copy_of_the_package_is_read_and_figures_stay_here(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert path_of(RECORD) == home / RECORD
    assert places.home() == Path(".")


def test_what_is_nowhere_is_an_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"results/measured/nothing\.json: not here"):
        path_of("results/measured/nothing.json")


def test_all_that_notebooks_read_is_installed_with_the_package(home, tmp_path):
    """A wheel is built, and every file that a code cell names is looked for in it."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copyfile(home / name, tmp_path / name)
    for name in ("umsn", "results", "figures"):
        shutil.copytree(home / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.svg"))
    order = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        "out",
        ".",
    ]
    subprocess.run(order, cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "out").glob("*.whl")
    packed = {name.partition("/share/umsn/")[2] for name in zipfile.ZipFile(wheel).namelist()}
    read = set()
    for path in (home / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert "../results" not in code, path.name
        read |= {f"results/measured/{name}.json" for name in re.findall(r'measured\("([^"]+)"\)', code)}
        read |= {f"results/reported/{name}.csv" for name in re.findall(r'reported\("([^"]+)"\)', code)}
    assert places.MARK in packed and len(read) > 3
    assert read <= packed
    files = [*(home / "results/measured").glob("*.json"), *(home / "results/reported").glob("*.csv")]
    assert {str(path.relative_to(home)) for path in files} <= packed
