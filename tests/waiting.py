"""Waiting for an open page: its policy forbids the strings that Playwright's `wait_for_function` evaluates later."""

import time
from typing import Any


def until(page: Any, question: str, asked: Any = None, *, seconds: float = 30) -> None:
    """Ask a page again and again until the answer is true. Raises AssertionError after so many ``seconds``."""
    end = time.monotonic() + seconds
    while not page.evaluate(question, asked):
        assert time.monotonic() < end, f"never true: {question}"
        page.wait_for_timeout(50)
