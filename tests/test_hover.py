"""A card shows what a reference leads to, by pointer and by keyboard, and asks no other machine for it."""

from types import SimpleNamespace

import pytest
from waiting import until

CARD = "#hover-card"
EQUATION = '.bd-article a.reference[href="#equation-eq-confidence"]'
CITATION = '.bd-article a[href*="bibliography.html#"]'
#: A reference to a figure of another page, at the end of the first paragraph.
REFER = """() => {
    const line = document.querySelector(".bd-article p");
    line.innerHTML += ' <a class="reference internal" href="06_confidence.html#fig-closed-form">figure</a>';
}"""
FIGURE = '.bd-article a[href*="#fig-closed-form"]'


@pytest.fixture
def chapter(browser, site):
    """A function that opens a chapter and notes what it asks for."""
    pages = []

    def open_(name, **options):
        page, requests = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options}), []
        pages.append(page)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{site}book/executed/{name}.html", wait_until="networkidle")
        return SimpleNamespace(page=page, card=page.locator(CARD), requests=requests)

    yield open_
    for page in pages:
        page.close()


def focus_by_keyboard(page, link):
    """Focus comes as from the Tab key, so that the browser calls it visible."""
    page.keyboard.press("Tab")
    page.locator(link).first.focus()


def test_a_figure_of_another_page_comes_with_its_picture_when_pointed_at(chapter, site):
    opened = chapter("02_blur")
    opened.page.evaluate(REFER)
    assert not [url for url in opened.requests if "06_confidence" in url]
    opened.page.hover(FIGURE)
    opened.card.wait_for(state="visible")
    opened.card.locator("figcaption").wait_for(state="visible")
    until(opened.page, "document.querySelector('#hover-card img')?.naturalWidth > 100")
    assert len([url for url in opened.requests if url.endswith("06_confidence.html")]) == 1
    assert [url for url in opened.requests if not url.startswith((site, "data:", "blob:"))] == []
    opened.page.wait_for_selector(f"{FIGURE}[aria-describedby=hover-card]")
    opened.card.hover()  # the card stays while the pointer is on it
    opened.page.wait_for_timeout(400)
    assert opened.card.is_visible() and opened.card.locator("[id], [href]").count() == 0
    opened.page.mouse.move(1270, 890)
    opened.card.wait_for(state="hidden")


def test_a_link_that_codes_nothing_brings_no_card_and_throws_nothing(chapter):
    opened, thrown = chapter("02_blur"), []
    opened.page.on("pageerror", lambda error: thrown.append(str(error)))
    opened.page.evaluate(REFER.replace("06_confidence.html#fig-closed-form", "#%"))
    opened.page.hover('.bd-article a[href="#%"]')
    opened.page.wait_for_timeout(600)
    opened.page.click('.bd-article a[href="#%"]')
    opened.page.wait_for_timeout(100)
    assert opened.page.url.endswith("#%")
    assert (opened.card.count(), thrown) == (0, [])


def test_a_citation_comes_by_keyboard_and_goes_by_escape(chapter, home):
    opened = chapter("02_blur")
    focus_by_keyboard(opened.page, CITATION)
    opened.card.wait_for(state="visible")
    assert "Boracchi" in opened.card.inner_text()
    opened.page.wait_for_selector(f"{CITATION}[aria-describedby=hover-card]")
    axe = home / "build/axe.min.js"
    opened.page.evaluate(axe.read_text("utf-8"))
    found = opened.page.evaluate("axe.run(document).then(found => found.violations)")
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    opened.page.keyboard.press("Escape")
    assert not opened.card.is_visible()
    assert opened.page.locator("[aria-describedby=hover-card]").count() == 0
    assert opened.page.evaluate("document.activeElement.href").endswith("bibliography.html#id6")


@pytest.mark.parametrize("width", [1280, 360])
def test_an_equation_is_typeset_and_fits(chapter, width):
    opened = chapter("06_confidence", viewport={"width": width, "height": 800})
    opened.page.locator(EQUATION).first.hover()
    opened.card.locator("mjx-container svg").first.wait_for(state="visible")
    opened.page.wait_for_selector(f"{EQUATION}[aria-describedby=hover-card]")
    box = opened.card.bounding_box()
    assert 0 <= box["x"] and box["x"] + box["width"] <= width


def test_a_record_comes_with_what_made_it(chapter):
    opened = chapter("07_training")
    opened.page.locator('.bd-article p a[href*="14_record.html#training"]').first.hover()
    opened.card.locator("code").first.wait_for(state="visible")
    assert "hardware" in opened.card.inner_text()
    assert opened.card.locator("a, button, [tabindex]").count() == 0
