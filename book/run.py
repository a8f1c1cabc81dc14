"""Run one notebook of an edition and put its executed copy, whole, into book/executed; its figures lie beside it.

    python book/run.py notebooks/02_blur.ipynb [--recipe laptop] [-p device cuda] [-p faces FOLDER] [--into FOLDER]

``-p NAME VALUE`` is a parameter of the edition (`umsn.experiments.parameters`) that the notebook declares.

papermill executes, from the notebook's own folder. What its
exit code does not tell is asked here: a parameter that the notebook does not declare is an error, a kernel that dies
leaves nothing, and two runs that compute the same write the same bytes (no timings, no random ids). Widgets, which no
page can move, are left out. What the text cells point to beside the notebook (``../book/use.md``) is found from the
copy too, and its figures (``/figures/walk.svg``) are those that this run drew.
"""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from nbformat import ValidationError
from nbformat.reader import NotJSONError
from papermill.exceptions import PapermillExecutionError

from umsn.cli.options import LARGEST_SEED, Parser, number
from umsn.files import InputError, read_text, whole
from umsn.places import FIGURES
from umsn.recipes import recipe

#: How a cell's output says that it is a widget, which moves only beside a kernel; a page has none.
WIDGET = "application/vnd.jupyter.widget-view+json"
#: A figure's place in a text cell: the repository has those of an earlier run under the same name.
FIGURE = re.compile(r"(?<=\{figure\} )/figures/(\S+)")
#: A path to another folder, as the target of a link, an image or a figure.
ELSEWHERE = re.compile(r"""(?<=\]\()\.\./[^)\s#]+|(?<=\{figure\} )\.\./\S+|(?<=src=")\.\./[^"]+""")


def changed(path: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Those of ``given`` that differ from the notebook's own defaults.

    Raises InputError for a notebook that is missing, cut or declares nothing, and for what it does not declare, which
    it would ignore.
    """
    try:
        declared = papermill.inspect_notebook(str(read_notebook(path)))
    except (AttributeError, KeyError, TypeError, ValueError, NotJSONError, ValidationError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: no notebook ({str(error)[:80]}); a whole one (.ipynb) was expected") from None
    if not declared:
        raise InputError(f"{path}: no cell tagged 'parameters'; one with {', '.join(given)} was expected")
    if unknown := sorted(set(given) - set(declared)):
        raise InputError(f"{path}: no parameter {', '.join(unknown)}; it has {', '.join(sorted(declared))}")
    return {name: value for name, value in given.items() if ast.literal_eval(declared[name]["default"]) != value}


def typed(name: str, text: str) -> Any:
    """A parameter's value from a command line. Raises InputError where its type is another."""
    from umsn.experiments.parameters import PARAMETERS  # with torch, which most runs leave to the kernel

    kinds = PARAMETERS[name][1] if name in PARAMETERS else (str,)
    if str in kinds:
        return text
    try:
        return int(text) if float not in kinds else float(text)
    except ValueError:
        raise InputError(f"parameter {name} {text!r}: expected {kinds[0].__name__}") from None


def read_notebook(path: Path) -> Path:
    """The path of a notebook that can be read. Raises InputError for all else."""
    nbformat.reads(read_text(path, "a notebook (.ipynb) was expected"), as_version=4)
    return path


def moved(text: str, here: Path, there: Path) -> str:
    """A text cell's paths as seen from the folder ``there`` instead of ``here``; those that lead nowhere stay."""

    def relative(found: re.Match[str]) -> str:
        target = here / found[0]
        return Path(os.path.relpath(target, there)).as_posix() if target.exists() else found[0]

    def own(found: re.Match[str]) -> str:
        return f"figures/{found[1]}" if (there / "figures" / found[1]).exists() else found[0]

    return ELSEWHERE.sub(relative, FIGURE.sub(own, text))


def settled(notebook: nbformat.NotebookNode) -> str:
    """The notebook as text that depends on nothing but what was computed, and without widgets."""
    for name in ("papermill", "widgets"):
        notebook.metadata.pop(name, None)
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place}"
        cell.metadata.pop("papermill", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
    return json.dumps(json.loads(nbformat.writes(notebook)), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def run(path: Path, into: Path, **given: Any) -> Path:
    """Execute the notebook at ``path`` with the parameters ``given``; return where its executed copy lies.

    Raises InputError for parameters it does not declare, and papermill's errors when a cell or the kernel fails.
    """
    target = into / path.name
    parameters = changed(path, given)
    recipe(given["recipe"])
    os.environ[FIGURES] = str((into / "figures").resolve())
    with whole(target) as beside:
        notebook = papermill.execute_notebook(
            str(path),
            None,
            parameters,
            kernel_name="python3",
            cwd=path.parent,
            progress_bar=False,
            record_timing=False,
            extra_arguments=["--log-level=CRITICAL"],
        )
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = moved(cell.source, path.parent, into)
        beside.write_text(settled(notebook), encoding="utf-8")
    return target


def main() -> int:
    """Parse the command line, run, and say in one line what went wrong."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--recipe", default="laptop")
    parser.add_argument("--seed", type=number(0, LARGEST_SEED), default=0)
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), dest="parameters")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent / "executed")
    logging.getLogger("papermill").setLevel(logging.ERROR)
    os.environ.update(PYTHONHASHSEED="0", JUPYTER_PREFER_ENV_PATH="1")
    try:
        options = parser.parse_args()
        given = {name: typed(name, text) for name, text in options.parameters}
        run(options.notebook, options.into, **{"recipe": options.recipe, "seed": options.seed, **given})
    except DeadKernelError:
        print(f"{options.notebook}: its kernel died (out of memory?); nothing was written", file=sys.stderr)
        return 2
    except PapermillExecutionError as error:
        print(f"{error.evalue}" if error.ename == InputError.__name__ else error, file=sys.stderr)
        return 2
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
