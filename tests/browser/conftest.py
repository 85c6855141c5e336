"""A real Chromium for the tests of the web page, or the reason why there is none.

Playwright drives it, from PyPI (`pip install .[browser]`); the browser is Debian's or the user's own, also at
the path that CHROMIUM names. `pytest -m browser` runs these tests.
"""

import os
import shutil
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.browser.window import Open

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
SWITCHES = (
    "--no-sandbox",  # root in a container has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator["Browser"]:
    """One Chromium for all tests."""
    module = pytest.importorskip("playwright.async_api", reason="no playwright: pip install .[browser]")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is here, and CHROMIUM names none")
    async with module.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(SWITCHES))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_window(browser: "Browser") -> AsyncIterator["Open"]:
    """Opens the page at an address, in a profile of its own. At the end no window may have had a fault."""
    from tests.browser.window import Window

    windows: list[Window] = []

    async def open_window(url: str, **options: object) -> Window:
        context = await browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        windows.append(Window(await context.new_page()))
        await windows[-1].page.goto(url)
        return windows[-1]

    yield open_window
    for window in windows:
        await window.page.context.close()
    assert [fault for window in windows for fault in window.faults] == []


@pytest.fixture
def own_address() -> str:
    """An address of this machine that is not loopback: to a browser it is another machine's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: the system only says by which address it would
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address: str = probe.getsockname()[0]
        return address
