"""What every test may ask for."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def home() -> Path:
    """The top of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def copy(home, tmp_path_factory) -> Path:
    """A copy of everything that notebooks and pages read or write, so that no test touches the real ones."""
    top = tmp_path_factory.mktemp("copy")
    for name in ("notebooks", "figures", "results", "book"):
        shutil.copytree(home / name, top / name, ignore=shutil.ignore_patterns("executed", "_build", "__pycache__"))
    for name in ("_config.yml", "_toc.yml"):
        shutil.copyfile(home / name, top / name)
    return top


@pytest.fixture(scope="session")
def executed(home, copy):
    """Runs a notebook of the copy under `smoke`, once: its name -> (executed file, what was printed)."""

    @cache
    def run(name: str) -> tuple[Path, str]:
        order = [sys.executable, "book/run.py", f"notebooks/{name}.ipynb", "--recipe", "smoke"]
        path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
        ran = subprocess.run(order, cwd=copy, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
        return copy / "book/executed" / f"{name}.ipynb", ran.stdout + ran.stderr

    return run
