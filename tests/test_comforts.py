"""Pages are light, can be read by everyone and move where they say; what they offer to take along is true."""

import io
import json
import subprocess
import sys
import tomllib
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from umsn.pages.interactive import strip

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 800}
AXE = "options => axe.run(document, options).then(found => found.violations)"
#: The folder for images of pages, to be looked at.
SHOTS = "build/screenshots"


class Files(HTMLParser):
    """The links under each figure of a page: figure's id -> files."""

    def __init__(self, path):
        super().__init__()
        self.found, self.figure = {}, None
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        if tag == "figure":
            self.figure = known.get("id")
        if tag == "a" and "download" in known.get("class", "") and self.figure:
            self.found.setdefault(self.figure, []).append(known["href"])

    def handle_endtag(self, tag):
        self.figure = None if tag == "figure" else self.figure


@pytest.fixture
def opened(browser):
    """A function that opens an address in a window of its own."""
    contexts = []

    def open_(address, **options):
        contexts.append(browser.new_context(**{"viewport": WIDE, "reduced_motion": "reduce", **options}))
        page = contexts[-1].new_page()
        page.goto(address, wait_until="networkidle")
        return page

    yield open_
    for context in contexts:
        context.close()


def test_the_first_page_is_small_and_soon_there(browser, site, chapters):
    context = browser.new_context(viewport=WIDE)
    page, sizes = context.new_page(), {}
    page.on("requestfinished", lambda request: sizes.update({request.url: len(request.response().body())}))
    page.goto(f"{site}{chapters[0]}.html", wait_until="networkidle")
    assert len(sizes) > 10
    assert sum(sizes.values()) < 1_000_000, sorted(((n, url) for url, n in sizes.items()), reverse=True)[:5]
    assert page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd") < 2000
    context.close()


def test_equations_alone_bring_mathjax(html, chapters):
    pages = {chapter: (html / f"{chapter}.html").read_text("utf-8") for chapter in chapters}
    wanted = {name for name, page in pages.items() if 'class="math' in page}
    assert wanted == {name for name, page in pages.items() if "tex-svg.js" in page}
    assert chapters[0] not in wanted


def grave(page, script, **options):
    """What axe finds on an open page that would keep somebody from reading it: rule and place."""
    page.evaluate(script.read_text("utf-8"))
    found = page.evaluate(AXE, {"resultTypes": ["violations"], **options})
    return [(one["id"], one["nodes"][0]["target"]) for one in found if one["impact"] in ("serious", "critical")]


@pytest.fixture(scope="module")
def axe(home):
    if not (home / "build/axe.min.js").exists():
        pytest.fail("build/axe.min.js is missing: `doit vendor` fetches it")
    return home / "build/axe.min.js"


def test_axe_finds_nothing_grave(axe, opened, site, chapters):
    found, page = {}, opened("about:blank")
    for chapter in chapters:
        page.goto(f"{site}{chapter}.html")
        found[chapter] = grave(page, axe)
    assert {chapter: errors for chapter, errors in found.items() if errors} == {}


@pytest.mark.parametrize("name", ["index", "executed/02_blur", "executed/06_confidence", "readings", "bibliography"])
def test_night_can_be_read_too(axe, opened, site, name):
    page = opened(f"{site}book/{name}.html", color_scheme="dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert grave(page, axe, runOnly=["color-contrast"]) == []


def seen(figure):
    """What a reader has of a slider: its images as they look, and its words."""
    return figure.locator(".strip-row").screenshot(), figure.locator("output").inner_text()


def move(page, figure):
    """Move one slider by keys and by pointer, and check that images and words follow every time."""
    slider, words = figure.locator("input[type=range]"), figure.locator("output")
    assert figure.locator("label").inner_text() and words.get_attribute("aria-live") == "polite"
    slider.focus()
    page.keyboard.press("Home")
    first = seen(figure)
    page.keyboard.press("ArrowRight")
    second = seen(figure)
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    last = seen(figure)
    assert len({first[0], second[0], last[0]}) == len({first[1], second[1], last[1]}) == 3
    assert slider.input_value() == slider.get_attribute("max")
    assert slider.get_attribute("aria-valuetext") == last[1]
    assert any(digit.isdigit() for digit in last[1])


@pytest.mark.parametrize(
    ("chapter", "sliders"), [("00_walk", 1), ("02_blur", 1), ("03_parsing", 1), ("06_confidence", 2), ("08_results", 1)]
)
def test_every_slider_moves_its_pictures(opened, site, chapter, sliders):
    page = opened(f"{site}book/executed/{chapter}.html", viewport=PHONE)
    figures = page.locator("figure.strip.is-live")
    assert figures.count() == sliders
    for figure in figures.all():
        move(page, figure)


def test_a_strip_moves_where_no_page_brings_its_script(opened):
    flat = [torch.full((3, 32, 40), level) for level in (0.1, 0.5, 0.9)]
    page = opened("about:blank")
    page.set_content(strip({"a": flat, "b": flat}, values=[1, 2, 3], label="n", alt="Grey").data)
    page.wait_for_selector("figure.is-live")
    move(page, page.locator("figure.strip"))
    assert page.locator(".strip-view").first.evaluate("view => view.clientWidth") == 60
    assert page.locator("input").count() == 1


def test_figures_can_be_taken_along_and_curves_with_their_numbers(html):
    folder = html / "book/executed"
    found = Files(folder / "02_blur.html").found
    assert len(found) >= 4
    assert all(files[0].endswith(".svg") for files in found.values())
    assert len(found["fig-kernels"]) == 1
    numbers = pd.read_csv((folder / found["fig-blur-by-size"][1]).resolve())
    assert list(numbers["x"]) == list(range(13, 30, 2))
    assert (numbers["low"] <= numbers["y"]).all() and (numbers["y"] <= numbers["high"]).all()


def test_the_blocks_to_cite_are_copied_and_true(home, opened, site):
    page = opened(f"{site}book/bibliography.html", permissions=["clipboard-read", "clipboard-write"])
    copied = []
    for button in page.locator("#cite .copybtn").all():
        button.focus()
        page.keyboard.press("Enter")
        copied.append(page.evaluate("navigator.clipboard.readText()").strip())
    paper, own = copied
    assert paper in (home / "book/references.bib").read_text("utf-8")
    assert own == (home / "book/companion.bib").read_text("utf-8").strip()
    known = yaml.safe_load((home / "CITATION.cff").read_text("utf-8"))
    assert known["preferred-citation"]["title"] in paper
    assert known["title"] in own.replace("{UMSN}", "UMSN")
    assert f"{{{known['version']}}}" in own and f"{{{known['date-released'].year}}}" in own
    assert known["version"] == tomllib.loads((home / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def test_every_page_leads_to_how_to_cite(html, chapters):
    for chapter in chapters:
        link = '"#cite' if chapter == "book/bibliography" else "bibliography.html#cite"
        assert f'{link}"' in (html / f"{chapter}.html").read_text("utf-8"), chapter


@pytest.mark.parametrize("address", ["", "https://github.com/someone/companion"])
def test_a_public_address_brings_what_launches_the_repositorys_notebooks(home, tmp_path, address):
    page = tmp_path / "book/executed/02_blur.ipynb"
    page.parent.mkdir(parents=True)
    page.write_bytes((home / "notebooks/02_blur.ipynb").read_bytes())
    theme = {"repository_url": address, "repository_branch": "main"}
    theme["launch_buttons"] = {"notebook_interface": "jupyterlab", "binderhub_url": "", "colab_url": ""}
    settings = {"extensions": ["myst_nb", "comforts"], "html_theme": "sphinx_book_theme", "html_theme_options": theme}
    settings |= {"nb_execution_mode": "off", "root_doc": "book/executed/02_blur"}
    lines = [f"import sys\nsys.path.append({str(home / 'book')!r})", *(f"{k} = {v!r}" for k, v in settings.items())]
    (tmp_path / "conf.py").write_text("\n".join(lines))
    order = [sys.executable, "-m", "sphinx", "-q", str(tmp_path), str(tmp_path / "html")]
    subprocess.run(order, check=True, capture_output=True)
    made = (tmp_path / "html/book/executed/02_blur.html").read_text("utf-8")
    links = [
        "https://mybinder.org/v2/gh/someone/companion/main?urlpath=lab/tree/notebooks/02_blur.ipynb",
        "https://colab.research.google.com/github/someone/companion/blob/main/notebooks/02_blur.ipynb",
        "https://github.com/someone/companion/issues/new",
    ]
    assert [link in made for link in links] == [bool(address)] * 3
    assert address or "github.com" not in made


def test_the_book_names_no_address_that_it_does_not_have(home, html, chapters):
    address = yaml.safe_load((home / "_config.yml").read_text("utf-8"))["repository"]["url"]
    pages = "".join((html / f"{chapter}.html").read_text("utf-8") for chapter in chapters)
    assert ("/issues/new" in pages) == bool(address)


def test_motion_stops_for_those_who_ask(opened, site, chapters):
    page = opened(f"{site}{chapters[0]}.html")
    longest = "Math.max(...[...document.all].map(e => parseFloat(getComputedStyle(e).transitionDuration) || 0))"
    assert page.evaluate(longest) < 0.001
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_the_main_pages_are_kept_to_be_looked_at(home, opened, site):
    """By day on a desk and by night on a phone, which is darker."""
    (home / SHOTS).mkdir(parents=True, exist_ok=True)
    for name in ("index", "executed/06_confidence", "executed/08_results"):
        brightness = []
        for scheme, view in (("light", WIDE), ("dark", PHONE)):
            page = opened(f"{site}book/{name}.html", viewport=view, color_scheme=scheme)
            shot = page.screenshot(path=home / SHOTS / f"{name.rpartition('/')[2]}-{scheme}.png", full_page=True)
            brightness.append(np.asarray(Image.open(io.BytesIO(shot)).convert("L")).mean())
        assert brightness[1] < brightness[0] - 60, name


def test_on_paper_the_book_is_a_pdf(home, html, tmp_path, browser):
    """The first page stands for the whole, which would take long."""
    folder = tmp_path / "pages"
    (folder / "book").mkdir(parents=True)
    for name in ("_static", "_images"):
        (folder / name).symlink_to(html / name)
    chapter = (html / "book/executed/02_blur.html").read_text("utf-8").replace("../../_", "_")
    (folder / "book/index.html").write_text(chapter, encoding="utf-8")
    order = [sys.executable, home / "book/paper.py", folder, tmp_path / "out/book.pdf"]
    ran = subprocess.run(order, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    content = (tmp_path / "out/book.pdf").read_bytes()
    assert content.startswith(b"%PDF-") and len(content) > 100_000
    assert b"127.0.0.1" not in content


def test_what_the_tests_alone_need_is_not_in_the_pages(home, html):
    assert list(html.rglob("axe*")) == []
    assert set(json.loads((home / "package.json").read_text("utf-8"))["devDependencies"]) == {"axe-core"}
