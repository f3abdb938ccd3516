"""Windows of a real Chromium, for the tests of pages."""

import shutil
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}


class Window:
    """A page in a context of its own: what it complains of, and what it asks for.

    Args:
        browser: from the fixture of that name.
        url: of the page.
        size: a key of `SIZES`.
        options: of the context, as Playwright takes them.
    """

    def __init__(self, browser: Any, url: str, size: str = "desktop", **options: Any) -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(viewport={"width": width, "height": height}, **options)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        """Uncaught errors."""
        self.complaints: list[str] = []
        """What the console shows as errors or warnings."""
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type != "log" else None
        )
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)

    def abroad(self, home: str) -> list[str]:
        """What it asked for elsewhere than on its own server."""
        return [url for url in self.requests if not url.startswith((home, "blob:", "data:"))]
