"""What every test may ask for."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from umsn.pages.serving import served

#: Triton's kernels run in its interpreter where there is no GPU; it asks when it is imported, which torch may do first.
os.environ.setdefault("TRITON_INTERPRET", "0" if Path("/dev/nvidia0").exists() else "1")

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

#: Modules that read executed notebooks or the pages, which take minutes and are made once: all are one process's work.
PAGES = {"test_book", "test_comforts", "test_hover", "test_live", "test_notebooks"}
#: The groups that take longest. They begin first, so that the processes of `make test` end at about the same time.
LONGEST = ["pages", "test_edition"]


def group(nodeid: str) -> str:
    """What a process of `make test` takes on as a whole: a module, or all `PAGES`."""
    module = Path(nodeid.partition("::")[0]).stem
    return "pages" if module in PAGES else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each process one group after the other, in the order of the items."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    config.option.loadscopereorder = False
    return Groups(config, log)


def pytest_collection_modifyitems(config, items):
    """Put the longest groups first, and refuse a module that would make the pages once more."""
    for item in items:
        if {"copy", "executed", "html", "site"} & set(item.fixturenames) and group(item.nodeid) != "pages":
            raise pytest.UsageError(f"{item.path.name} reads the pages: tests/conftest.py must name it in PAGES")
    if hasattr(config, "workerinput"):
        places = {name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: places.get(group(item.nodeid), len(places)))


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
    (top / "umsn/pages").mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml", "umsn/pages/strip.js"):
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


@pytest.fixture(scope="session")
def chapters(home) -> list[str]:
    """The pages in the order of the book."""
    toc = yaml.safe_load((home / "_toc.yml").read_text("utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


@pytest.fixture(scope="session")
def html(home, copy, executed):
    """The folder of pages, built with warnings as errors from notebooks run under `smoke`."""
    if not (copy / "book/_static/vendor/tex-svg.js").exists():
        pytest.fail("book/_static/vendor is missing: `doit vendor` fetches the pages' scripts")
    if not (copy / "book/_static/live/manifest.json").exists():
        pytest.fail("book/_static/live is missing: `doit live` makes what the live page is fed")
    for notebook in sorted((home / "notebooks").glob("*.ipynb")):
        result, printed = executed(notebook.stem)
        assert result.exists(), printed
    order = [Path(sys.executable).with_name("jupyter-book"), "build", ".", "--path-output", "book"]
    order += ["--all", "-W", "--keep-going", "-q"]
    built = subprocess.run(order, cwd=copy, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-4000:]
    return copy / "book/_build/html"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is, or a skip that says there is none."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    program = next(filter(None, found), None)
    if program is None:
        pytest.skip("no Chromium on this machine: pages were built but not opened")
    return program


@pytest.fixture(scope="session")
def browser(chromium):
    """Chromium with a camera that films a pattern, or a skip that says there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", *CAMERA])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def site(html):
    """The address at which the pages are served."""
    with served(html) as address:
        yield address
