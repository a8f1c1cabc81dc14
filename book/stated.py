"""What the notebooks' text states and a command can tell: how long a chapter reads, and what the solutions print.

    python book/stated.py            # write both into the notebooks anew
    python book/stated.py --check    # only say what is no longer true; the exit code is then 2

A solution is a piece of Python in a text cell. Each runs by itself; what it prints stands in a block of text under it.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import sys
import tempfile
from pathlib import Path

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
SOLUTION = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:^```text\n(?P<printed>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
READING = re.compile(r"Reading takes about \d+ minutes")
#: What is not read but worked on, looked at, or only tells a directive something.
UNREAD = re.compile(r"^## Exercises.*|\$\$.*?\$\$|^:{3,}.*?$|^:[a-z]+:.*?$", re.MULTILINE | re.DOTALL)
WORDS_A_MINUTE, MINUTES_A_FIGURE = 150, 0.5


def minutes(notebook: dict) -> int:
    """How long a chapter takes to read, its code and figures included, rounded up to five minutes."""
    everything = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
    figures = everything.count(":::{figure}")
    words = len(UNREAD.sub(" ", everything).split())
    return 5 * math.ceil((words / WORDS_A_MINUTE + MINUTES_A_FIGURE * figures) / 5)


def printed(code: str) -> str:
    """What a solution prints, run by itself in a folder where nothing is."""
    out, here = io.StringIO(), Path.cwd()
    with tempfile.TemporaryDirectory() as nowhere, contextlib.redirect_stdout(out):
        os.chdir(nowhere)
        try:
            exec(compile(code, "solution", "exec"), {"__name__": "solution"})
        finally:
            os.chdir(here)
    return out.getvalue()


def restated(cell: str, reading: int) -> str:
    """A text cell as it should be: what its solutions print, and the chapter's minutes. Raises what a solution does."""

    def run(found: re.Match[str]) -> str:
        said = printed(found["code"])
        return f"```python\n{found['code']}```\n" + (f"```text\n{said}```\n" if said else "")

    return READING.sub(f"Reading takes about {reading} minutes", SOLUTION.sub(run, cell))


def texts(notebook: dict) -> list[dict]:
    """The text cells of a notebook."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]


def restate(path: Path, *, check: bool) -> bool:
    """Write a notebook whose text is true; whether anything had to change. With ``check`` nothing is written."""
    before = path.read_text("utf-8")
    notebook = json.loads(before)
    for cell in texts(notebook):
        cell["source"] = restated("".join(cell["source"]), minutes(notebook)).splitlines(keepends=True)
    after = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    if after != before and not check:
        path.write_text(after, "utf-8")
    return after != before


def main() -> int:
    """Restate every notebook, and name those that changed."""
    check = "--check" in sys.argv[1:]
    changed = [path.name for path in NOTEBOOKS if restate(path, check=check)]
    print("\n".join([f"{name}: {'no longer true' if check else 'written'}" for name in changed] or ["all true"]))
    return 2 if changed and check else 0


if __name__ == "__main__":
    sys.exit(main())
