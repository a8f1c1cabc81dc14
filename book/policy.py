"""A content security policy in every page: a reader's browser holds the page to what the book promises.

Nothing is fetched from another machine, and no script runs but the book's own files and those that stood in the page
when it was built, which are known by their hashes. It stands in the page, for static file servers send no headers; so
it comes last, when all pages are written. A Sphinx extension, named in _config.yml.

Styles stay 'unsafe-inline': MathJax, the sliders and tables of pandas write theirs into the page. Handlers of events,
which the theme writes into its buttons, are taken out: book/_static/buttons.js knows them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

#: What a page may load, besides its scripts.
ALLOWED = {
    "default-src": "'none'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "media-src": "'self' blob:",
    "worker-src": "'self'",
    "base-uri": "'self'",
    "form-action": "'self'",
}

#: What an element says it is whose content runs; all other types are data.
RUN = ("", "module", "text/javascript", "application/javascript")
#: By this script a page is known that compiles WebAssembly.
COMPILES = "_static/live.js"

HEAD = re.compile(r"<head\b[^>]*>")
OLD = re.compile(r'\n? *<meta http-equiv="Content-Security-Policy"[^>]*>')
#: The theme's handlers, and what is left of them.
HANDLER, PRESSED = re.compile(r'\bonclick="([^"]*)"'), r'data-press="\1"'


class Scripts(HTMLParser):
    """What runs in a page: scripts that stand in it, and the files it names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.files: list[str] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if tag == "script" and "src" in found:
            self.files.append(found["src"])
        elif tag == "script" and found.get("type", "").lower() in RUN:
            self.inside = True
            self.inline.append("")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.inline[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "script"


def hash_of(script: str) -> str:
    """A script as a policy names it; browsers hash it with the line ends of HTML."""
    text = script.replace("\r\n", "\n").replace("\r", "\n")
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy_of(page: str) -> str:
    """The policy of a page of HTML: as little as it needs."""
    scripts = Scripts(page)
    allowed = ["'self'", *sorted({hash_of(script) for script in scripts.inline})]
    allowed += ["'wasm-unsafe-eval'"] if any(name.endswith(COMPILES) for name in scripts.files) else []
    return "; ".join(f"{name} {what}" for name, what in {**ALLOWED, "script-src": " ".join(allowed)}.items())


def guarded(page: str) -> str:
    """A page with its policy, before anything that it loads."""
    page = HANDLER.sub(PRESSED, OLD.sub("", page))
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy_of(page)}">'
    return HEAD.sub(lambda head: f"{head[0]}\n    {meta}", page, count=1)


def guard(app: Sphinx, error: Exception | None) -> None:
    """Put its policy into every page that was built."""
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        if "_static" not in path.relative_to(app.outdir).parts:
            path.write_text(guarded(path.read_text("utf-8")), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx, after all that still writes pages."""
    app.connect("build-finished", guard, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
