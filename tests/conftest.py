"""What every test may ask for."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def home() -> Path:
    """The top of the repository."""
    return Path(__file__).resolve().parent.parent
