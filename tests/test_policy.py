"""A page runs what it was built with, from its own machine, and nothing that came into it later."""

import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import pytest

from umsn.pages.serving import served

RST = """
Page
====

.. raw:: html

   <script>window.own = 1;</script>
   <script type="application/json">{"data": "is not run"}</script>
   <button id="print" onclick="window.print()">Print</button>
"""

#: Everything that a policy is there to stop, tried in an open page: what was run, and which directives spoke.
ATTACK = """async (foreign) => {
    const seen = [];
    document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
    const put = (tag, what) => document.body.append(Object.assign(document.createElement(tag), what));
    window.bad = [];
    const answer = await fetch(foreign).then(() => "came", () => "refused");
    put("img", { src: foreign });
    put("script", { src: foreign });
    put("script", { textContent: "window.bad.push('script')" });
    put("div", { innerHTML: "<b id=later onclick=\\"window.bad.push('handler')\\">x</b>" });
    document.getElementById("later").click();
    put("iframe", { src: foreign });
    put("object", { data: foreign });
    await new Promise((done) => setTimeout(done, 300));
    return { answer, bad: window.bad, seen: [...new Set(seen)].sort() };
}"""
STOPPED = ["connect-src", "frame-src", "img-src", "object-src", "script-src-attr", "script-src-elem"]


@pytest.fixture(scope="module")
def policy(home):
    spec = importlib.util.spec_from_file_location("policy", home / "book/policy.py")
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module


@pytest.fixture(scope="module")
def built(home, tmp_path_factory):
    """A page of plain Sphinx with the extension."""
    top = tmp_path_factory.mktemp("policy")
    (top / "index.rst").write_text(RST)
    (top / "conf.py").write_text(
        f"import sys\nsys.path.append({str(home / 'book')!r})\nextensions = ['policy']\nroot_doc = 'index'\n"
        f"html_static_path = [{str(home / 'book/_static/buttons.js')!r}]\n"
        "html_js_files = [('buttons.js', {'defer': 'defer'})]\n"
    )
    for _ in range(2):  # the second time pages have a policy already
        order = [sys.executable, "-m", "sphinx", "-q", str(top), str(top / "html")]
        subprocess.run(order, check=True, capture_output=True)
    return top / "html"


def test_a_page_is_held_to_what_it_was_built_with(browser, built, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with served(built) as site, served(tmp_path) as other:
        page, thrown = browser.new_page(), []
        page.on("pageerror", lambda error: thrown.append(str(error)))
        page.on("console", lambda line: thrown.append(line.text) if "Content Security Policy" in line.text else None)
        page.add_init_script("window.print = () => { window.printed = true; }")
        page.goto(f"{site}index.html", wait_until="networkidle")
        page.click("#print")
        assert page.evaluate("[window.own, window.printed]") == [1, True]
        assert thrown == []
        assert page.context.request.get(f"{other}a.png").ok  # it is there for who may ask
        found = SimpleNamespace(**page.evaluate(ATTACK, f"{other}a.png"))
        page.close()
    assert (found.answer, found.bad, found.seen) == ("refused", [], STOPPED)


def test_every_page_has_one_policy_before_all_that_it_loads(built):
    for path in built.rglob("*.html"):
        text = path.read_text("utf-8")
        if "_static" not in path.parts:
            assert text.count("Content-Security-Policy") == 1
            first = min(text.find(f"<{tag}") for tag in ("link", "script", "style") if f"<{tag}" in text)
            assert text.find("Content-Security-Policy") < first
            assert "onclick" not in text


def test_scripts_are_known_by_their_hashes_and_data_is_no_script(policy):
    page = "<head></head><script>a()</script><script type=module>\r\nb()</script><script type='text/x'>c</script>"
    said = policy.policy_of(page)
    assert said.count("sha256-") == 2
    assert policy.hash_of("\r\nb()") == policy.hash_of("\nb()")
    # echo -n 'a()' | openssl dgst -sha256 -binary | base64
    assert "'sha256-qVpDBgj7bpq5hMAcGp3AOc79J3Y1Z4HvySTwKrWDoy4='" in said
    assert "wasm" not in said and "wasm-unsafe-eval" in policy.policy_of('<script src="../_static/live.js"></script>')
    assert policy.guarded(policy.guarded(page)) == policy.guarded(page)
