"""The book builds without a warning, and its pages ask no other machine for anything and can be read by everyone."""

from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import unquote, urldefrag

import pytest

from umsn.pages.serving import served

PHONE = {"width": 360, "height": 800}
#: How far the page itself can be scrolled sideways, in pixels.
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Visit(NamedTuple):
    """What happened while one page was open."""

    requests: list[str]
    failed: list[str]
    errors: list[str]
    overflow: int


class Page(HTMLParser):
    """The links, ids and images of a page, its policies, and what its buttons do."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.pictures = [], set(), []
        self.policies, self.handlers, self.presses = [], [], []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.add(found.get("id"))
        self.handlers += [name for name in found if name.startswith("on")]
        self.presses += [found["data-press"]] if "data-press" in found else []
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policies.append(found["content"])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "img":
            self.pictures.append(found)


@pytest.fixture(scope="module")
def visits(browser, site, chapters):
    """Every chapter, opened once on a phone's width, with all requests to other machines refused and noted."""
    seen = {}
    for chapter in chapters:
        page = browser.new_page(viewport=PHONE)
        visit = Visit([], [], [], 0)
        page.on("request", lambda request, to=visit.requests: to.append(request.url))
        page.on("response", lambda answer, to=visit.failed: to.append(answer.url) if answer.status >= 400 else None)
        page.on("console", lambda line, to=visit.errors: to.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error, to=visit.errors: to.append(str(error)))
        page.route(lambda url: not url.startswith((site, "data:", "blob:")), lambda route: route.abort())
        page.goto(f"{site}{chapter}.html", wait_until="networkidle")
        page.evaluate("location.hash = '#%'")  # which codes nothing
        page.wait_for_timeout(50)
        seen[chapter] = visit._replace(overflow=page.evaluate(OVERFLOW))
        page.close()
    return seen


def test_every_chapter_is_built(html, chapters):
    assert [chapter for chapter in chapters if not (html / f"{chapter}.html").exists()] == []


def test_no_page_asks_another_machine(visits, site):
    away = {
        name: [url for url in visit.requests if not url.startswith((site, "data:", "blob:"))]
        for name, visit in visits.items()
    }
    assert {name: urls for name, urls in away.items() if urls} == {}
    assert {name: visit.failed for name, visit in visits.items() if visit.failed} == {}


def test_no_page_logs_an_error(visits):
    assert {name: visit.errors for name, visit in visits.items() if visit.errors} == {}


def test_every_page_is_held_to_its_policy(html, chapters):
    """It names no other machine, lets WebAssembly run where it is needed, and leaves no handler in a page."""
    known = (html / "_static/buttons.js").read_text("utf-8")
    for path in [html / f"{name}.html" for name in [*chapters, "search", "genindex"]]:
        page = Page(path)
        (policy,) = page.policies
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert "://" not in policy and "*" not in policy and rules["default-src"] == "'none'"
        assert "'unsafe-" not in rules["script-src"].replace("'wasm-unsafe-eval'", "")
        assert ("'wasm-unsafe-eval'" in rules["script-src"]) == (path.name == "live.html"), path.name
        assert page.handlers == []
        assert page.presses and all(f'"{press}"' in known for press in page.presses), path.name


def test_an_open_page_can_ask_no_other_machine(browser, site, tmp_path, chapters):
    (tmp_path / "a.txt").write_text("here")
    with served(tmp_path) as other:
        page = browser.new_page()
        page.goto(f"{site}{chapters[0]}.html", wait_until="networkidle")
        ask = "(url) => fetch(url).then(() => 'came', () => 'refused')"
        assert page.context.request.get(f"{other}a.txt").text() == "here"
        assert page.evaluate(ask, f"{site}index.html") == "came"
        page.on("console", lambda line: said.append(line.text))
        said = []
        assert page.evaluate(ask, f"{other}a.txt") == "refused"
        page.close()
    assert any("Content Security Policy" in line for line in said)


def test_a_search_finds_and_says_so_without_an_error(browser, site):
    """The search reads the pages that it found, whose handlers and scripts its own policy does not know."""
    page, errors = browser.new_page(), []
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{site}search.html?q=kernel", wait_until="networkidle")
    page.locator("#search-results li p.context").first.wait_for()
    page.close()
    assert errors == []


def test_no_page_scrolls_sideways_on_a_phone(visits):
    assert {name: visit.overflow for name, visit in visits.items() if visit.overflow > 0} == {}


def test_every_picture_says_what_it_shows(html, chapters):
    silent = {}
    for chapter in chapters:
        for picture in Page(html / f"{chapter}.html").pictures:
            alt = (picture.get("alt") or "").strip()
            if len(alt) < 10 or "_images/" in alt or alt.endswith((".png", ".svg", ".webp")):
                silent.setdefault(chapter, []).append(picture["src"][:80])
    assert silent == {}


def test_every_link_inside_the_book_leads_somewhere(html):
    pages = {path.resolve(): Page(path) for path in html.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            target, anchor = urldefrag(link)
            if "://" in target or target.startswith(("mailto:", "data:")):
                continue
            to = (path.parent / unquote(target)).resolve() if target else path
            known = to in pages and (not anchor or unquote(anchor) in pages[to].ids)
            if not (known or (to.is_file() and to not in pages)):
                broken.append(f"{path.name} -> {link}")
    assert broken == []


def test_records_are_filtered_and_found(browser, site):
    """Words leave the rows that hold them; a link to another row brings all back; without scripts all stand."""
    page, thrown = browser.new_page(viewport=PHONE), []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    page.goto(f"{site}book/executed/14_record.html", wait_until="networkidle")
    rows, seen = page.locator("table.records tbody tr"), page.locator("table.records tbody tr:visible")
    total = rows.count()
    page.get_by_label("Show records that say").fill("umsn evaluate drawn")
    assert 0 < seen.count() < total
    assert all("drawn" in words for words in seen.all_inner_texts())
    assert page.locator(".records-filter output").inner_text() == f"{seen.count()} of {total}"
    page.evaluate("location.hash = 'speed'")
    page.locator("#speed").wait_for(state="visible")
    assert seen.count() == total
    page.evaluate("location.hash = '%'")  # which codes nothing
    page.wait_for_timeout(100)
    assert not thrown
    page.close()
    plain = browser.new_context(java_script_enabled=False)
    page = plain.new_page()
    page.goto(f"{site}book/executed/14_record.html")
    assert page.locator("table.records tbody tr:visible").count() == total
    plain.close()
