"""A real browser, without a window."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install -e '.[dev]')")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FOUND = next(filter(None, map(shutil.which, BROWSERS)), None)

needs_browser = pytest.mark.skipif(FOUND is None, reason="no browser is installed (apt-get install chromium)")


@contextmanager
def launched() -> Iterator[Any]:
    """Chromium, that Playwright drives."""
    with playwright.sync_playwright() as player:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = player.chromium.launch(executable_path=FOUND, args=arguments)
        yield chromium
        chromium.close()
