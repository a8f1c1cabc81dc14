"""Print the whole book, built as a single page, into one PDF with Chromium: `make pdf`.

python book/paper.py build/_build/singlehtml build/book.pdf
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from umsn.files import InputError, whole
from umsn.pages.serving import HOST, served

TYPESET = "MathJax.startup?.promise?.then(() => true)"
#: Links to the page itself lead on within the PDF; what leads to a file on that server leads nowhere on paper.
UNLINK = f"""for (const link of [...document.links].filter((link) => link.hostname === "{HOST}"))
    if ([location.pathname, "/book/index.html"].includes(link.pathname)) link.setAttribute("href", link.hash);
    else link.removeAttribute("href")"""
LAYOUT = {"format": "A4", "scale": 0.8, "print_background": True, "outline": True, "tagged": True}
MARGIN = {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}
FOOTER = '<div style="width: 100%; font-size: 8px; text-align: center"><span class="pageNumber"></span></div>'


def print_pages(folder: Path, target: Path, program: str) -> None:
    """Open the single page in ``folder``, wait for its equations (there are some), and print it to ``target``, whole.

    Sphinx writes it to book/index.html, with links that hold one folder higher. Raises InputError when a file that it
    needs is missing.
    """
    shutil.copyfile(folder / "book/index.html", folder / "whole.html")
    missing: list[str] = []
    with served(folder) as address, sync_playwright() as playwright, whole(target) as beside:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(color_scheme="light", bypass_csp=True)  # the policy forbids how Playwright waits
        page.on("response", lambda answer: missing.append(answer.url) if answer.status >= 400 else None)
        page.goto(f"{address}whole.html", wait_until="networkidle")
        if missing:
            raise InputError(f"{folder}: the page misses {', '.join(missing)}; build it again")
        page.wait_for_function(TYPESET)
        page.evaluate(UNLINK)
        words = {"display_header_footer": True, "header_template": "<span></span>", "footer_template": FOOTER}
        page.pdf(path=beside, margin=MARGIN, **words, **LAYOUT)
        browser.close()


def main() -> int:
    """Read the two paths, look for Chromium, print; say in one line what is missing."""
    folder, target = map(Path, sys.argv[1:])
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        print("no Chromium on this machine: it prints the pages", file=sys.stderr)
        return 2
    target.parent.mkdir(parents=True, exist_ok=True)
    print_pages(folder, target, program)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
