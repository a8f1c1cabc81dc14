"""How long does the live page keep its reader waiting? In a real browser, from the book as it was built:

    python benchmarks/live.py --json results/measured/live.json

The book must be there (`make book`). Each turn opens the page anew with an empty cache, presses the button, waits for
the first result, and then moves the slider of the kernel's size a few times. Files come from this machine, so what a
reader's line adds is not in it; the record has the bytes. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from umsn.files import InputError, read_json, write_json
from umsn.pages.serving import served
from umsn.records import provenance

BOOK = Path(__file__).resolve().parent.parent / "book"
#: How to make the record again.
AGAIN = "build the book, then run the command on an idle machine. Seconds are the machine's own"
REMEMBER = """() => {
    window.seconds = [];
    document.getElementById("live").addEventListener("live:result", ({detail}) => window.seconds.push(detail.seconds));
}"""


def turn(browser: Browser, address: str, moves: int) -> list[float]:
    """Seconds from the button to the first result, then of each of the next."""
    page = browser.new_context(bypass_csp=True).new_page()  # the policy forbids how Playwright waits
    page.goto(address, wait_until="networkidle")
    page.evaluate(REMEMBER)
    page.click("#live-start")
    for count in range(moves + 1):
        page.wait_for_function("(n) => window.seconds.length > n", arg=count, timeout=300_000)
        page.focus("#live-size")
        page.keyboard.press("ArrowRight" if count % 2 else "ArrowLeft")
    found = page.evaluate("window.seconds")
    page.context.close()
    return found[: moves + 1]


def measure(html: Path, *, turns: int, moves: int) -> tuple[str, list[list[float]]]:
    """The browser's name and version, and the seconds of each turn."""
    if not (html / "book/live.html").exists():
        raise InputError(f"{html.name}/book/live.html: no such file; the built book was expected (make book)")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with served(html) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        taken = [turn(browser, f"{site}book/live.html", moves) for _ in range(turns)]
        version = f"Chromium {browser.version.split('.')[0]}"
    return version, taken


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--json", type=Path, required=True)
    words.add_argument("--html", type=Path, default=BOOK / "_build/html", help="the built book")
    words.add_argument("--turns", type=int, default=5)
    words.add_argument("--moves", type=int, default=4, help="of the slider, after the first result")
    chosen = words.parse_args()
    version, taken = measure(chosen.html, turns=chosen.turns, moves=chosen.moves)
    static = chosen.html / "_static"
    model, runtime = read_json(static / "live/manifest.json")["model"], static / "vendor/ort-wasm-simd-threaded.wasm"
    kinds = {"first result, from the button": [t[0] for t in taken], "next result": [s for t in taken for s in t[1:]]}
    rows = [
        {"what": what, "seconds (median)": round(statistics.median(s), 2), "longest": round(max(s), 2), "times": len(s)}
        for what, s in kinds.items()
    ]
    fetched = {"networks": round(model["bytes"] / 1e6, 1), "runtime": round(runtime.stat().st_size / 1e6, 1)}
    made = provenance(turns=chosen.turns, moves=chosen.moves, weights={"umsn": model["weights"]}, again=AGAIN)
    write_json(chosen.json, {"provenance": made, "browser": version, "fetched": fetched, "rows": rows})
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
