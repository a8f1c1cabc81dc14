"""What pages offer besides their text: figures as files, how to cite, what a public address brings, and lightness.

A Sphinx extension, named in _config.yml. Nothing here knows an address: once ``repository: {url: ...}`` stands in
_config.yml, chapters can be launched in Binder and Colab, and every page has a button to ask or to report something.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config

#: Chapters are built from executed copies; the repository has the notebooks themselves.
EXECUTED, NOTEBOOKS = "book/executed/", "notebooks/"

SERVICES = {"binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com"}

#: What lies beside a figure, by the end of its name, and how a link calls it.
FILES = {".svg": "figure (SVG)", ".csv": "data (CSV)"}


def follow_repository(app: Sphinx, config: Config) -> None:
    """With a repository's address: launch buttons, a link to the repository, and one to its issues."""
    options = config.html_theme_options
    if options.get("repository_url"):
        options["launch_buttons"] = {**options.get("launch_buttons", {}), **SERVICES}
        options.update(use_repository_button=True, use_issues_button=True)


def offer_files(app: Sphinx, doctree: nodes.document) -> None:
    """Under every figure kept in figures/: links to its SVG and, where it shows numbers, to them as CSV."""
    for figure in doctree.findall(nodes.figure):
        image = next(figure.findall(nodes.image), None)
        path = Path(app.srcdir, app.env.relfn2path(image["uri"])[0]) if image else Path()
        found = [path.with_suffix(end) for end in FILES if path.with_suffix(end).is_file()]
        if path.parent.name == "figures" and found:
            figure += nodes.legend("", nodes.paragraph("", "", *_links(found, app), classes=["files"]))


def _links(paths: list[Path], app: Sphinx) -> list[nodes.Node]:
    links: list[nodes.Node] = [nodes.Text("Download: ")]
    for path in paths:
        target = "/" + path.relative_to(app.srcdir).as_posix()
        link = addnodes.download_reference("", FILES[path.suffix], reftarget=target, refdoc=app.env.docname)
        links += [nodes.Text(", "), link] if len(links) > 1 else [link]
    return links


def finish_buttons(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """A button to the page on citing; and what launches a chapter launches the notebook that the repository has."""
    buttons = context.get("header_buttons", [])
    for button in [one for group in buttons for one in group.get("buttons", [])]:
        if any(button.get("url", "").startswith(address) for address in SERVICES.values()):
            button["url"] = button["url"].replace(EXECUTED, NOTEBOOKS)
    there = context["pathto"]("book/bibliography").removesuffix("#")  # of a page, to itself: "#"
    cite = {"type": "link", "url": f"{there}#cite", "tooltip": "Cite this book"}
    buttons.append({**cite, "icon": "fas fa-quote-right", "label": "cite-button"})


def lighten(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """No equation, no MathJax: Sphinx would load its 2 MB for the first page too, since other chapters have some.

    And no Thebe anywhere: Jupyter Book brings it along unasked, twice, with the address of another machine in it.
    """
    unused = ["thebe", "THEBE"]
    if doctree and not any(doctree.findall(lambda node: isinstance(node, nodes.math | nodes.math_block))):
        unused += [app.config.mathjax_path, "MathJax"]
    for kind in ("script_files", "css_files"):
        context[kind] = [file for file in context[kind] if not any(word in _said(file) for word in unused)]


def _said(file: Any) -> str:
    """The name of a script or style sheet, or what a script without a name says."""
    return f"{file.filename} {file.attributes.get('body', '')}"


def name_roles(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """The bibliography's entries are the items of a list, by the names that ARIA has for both today."""
    context["body"] = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx: figures before their downloads are collected (500), pages after the theme has made them."""
    app.connect("config-inited", follow_repository)
    app.connect("doctree-read", offer_files, priority=400)
    for finish in (finish_buttons, lighten, name_roles):
        app.connect("html-page-context", finish, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
