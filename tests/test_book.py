"""The book builds without a warning, and its pages ask no other machine for anything and can be read by everyone."""

from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import unquote, urldefrag

import pytest

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
    """The links, ids and pictures of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.pictures = [], set(), []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.add(found.get("id"))
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
