"""The pipeline redoes what an edit has made stale, and nothing else."""

import base64
import hashlib
import importlib.util
import io
import json
import subprocess
import tarfile
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


def test_trainings_wait_for_each_other_and_never_for_what_does_not_train(dodo):
    waits = dodo.in_turn()
    assert sorted(waits) == dodo.NOTEBOOKS
    begun = [f"notebooks:{notebook.stem}" for notebook in waits]
    train = [f"notebooks:{n.stem}" for n in dodo.NOTEBOOKS if "edition.train(" in dodo.code_of(n)]
    assert train and begun[: len(train)] == train
    for place, (notebook, before) in enumerate(waits.items()):
        assert set(before) <= set(begun[:place])
        assert f"notebooks:{notebook.stem}" not in train or before == begun[max(0, place - 1) : place]
        assert "edition.training_faces" not in dodo.code_of(notebook) or train[0] in before or place < len(train)


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


def test_another_package_than_the_pinned_one_is_not_kept(dodo, tmp_path, monkeypatch):
    """npm that fetches something else, and nothing."""

    def npm(command, cwd, **_):
        Path(cwd, "package.tgz").write_bytes(b"something else")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(dodo.subprocess, "run", npm)
    monkeypatch.setattr(dodo, "RECOGNISER", tmp_path / "recogniser")
    assert "not the pinned" in str(dodo.recogniser()) and not list(tmp_path.iterdir())
    monkeypatch.setattr(dodo.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 1, "", "no\nnetwork"))
    assert "npm could not fetch it (no network)" in str(dodo.recogniser()) and not list(tmp_path.iterdir())


def test_of_the_recogniser_two_networks_are_kept(dodo, tmp_path, monkeypatch):
    """A package whose digest is pinned leaves its networks and its licence, and nothing else of it."""
    with tarfile.open(tmp_path / "made.tgz", "w:gz") as package:
        for name in (*dodo.KEPT, "dist/face-api.js"):
            package.addfile(tarfile.TarInfo(f"package/{name}"), io.BytesIO())
    made = (tmp_path / "made.tgz").read_bytes()

    def npm(command, cwd, **_):
        Path(cwd, "package.tgz").write_bytes(made)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(dodo.subprocess, "run", npm)
    monkeypatch.setattr(dodo, "INTEGRITY", base64.b64encode(hashlib.sha512(made).digest()).decode())
    monkeypatch.setattr(dodo, "RECOGNISER", tmp_path / "recogniser")
    assert dodo.recogniser() is None
    found = {path.relative_to(tmp_path / "recogniser").as_posix() for path in (tmp_path / "recogniser").rglob("*.*")}
    assert found | {"LICENSE"} == set(dodo.KEPT) and (tmp_path / "recogniser/LICENSE").is_file()
