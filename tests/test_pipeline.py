"""The pipeline redoes what an edit has made stale, and nothing else."""

import importlib.util
import json
from pathlib import Path

import pytest


@pytest.fixture
def dodo(home, monkeypatch):
    """dodo.py as a module, in the repository (its paths are relative)."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("PATH", "")
    spec = importlib.util.spec_from_file_location("dodo", home / "dodo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_notebook_depends_on_what_it_imports_and_reads(dodo, tmp_path):
    code = (
        "%matplotlib inline\nfrom umsn.data import blur\nfrom umsn.networks.weights import shipped\nmeasured('seeds')"
    )
    cells = [{"cell_type": "code", "source": code}, {"cell_type": "markdown", "source": "import umsn.data.synthetic"}]
    notebook = tmp_path / "asks.ipynb"
    notebook.write_text(json.dumps({"cells": cells}))
    found = dodo.inputs(notebook)
    assert notebook in found
    assert {Path("umsn/data/blur.py"), Path("umsn/networks/weights.py"), Path("umsn/files.py")} <= set(found)
    assert not [path for path in found if path.parts[:3] == ("umsn", "pages")]
    assert all(path.exists() for path in found)


def test_every_notebook_is_in_the_table_of_contents(dodo, home):
    toc = (home / "_toc.yml").read_text("utf-8")
    assert dodo.NOTEBOOKS
    for notebook in dodo.NOTEBOOKS:
        assert f"book/executed/{notebook.stem}\n" in toc


def test_what_the_live_page_is_fed_is_made_again_when_code_or_weights_change(dodo):
    task = dodo.task_live()
    needed = {
        "umsn/pages/live.py",
        "umsn/networks/onnx_export.py",
        "umsn/data/blur.py",
        "umsn/pretrained/umsn.safetensors",
    }
    assert needed <= {path.as_posix() for path in task["file_dep"]}
    assert set(task["targets"]) <= set(dodo.task_book()["file_dep"])
