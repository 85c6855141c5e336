"""Window: the web page as a person has it before them. What a test waits for is what can be seen."""

import asyncio
import re
from pathlib import Path
from typing import Any, Protocol

from playwright.async_api import ConsoleMessage, Locator, Page, expect

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
"""axe-core from npm: `npm ci --prefix tests/browser`."""

expect.set_options(timeout=15_000)


class Open(Protocol):
    """The fixture that opens a window; keyword arguments are Playwright's for a new context."""

    async def __call__(self, url: str, **options: object) -> "Window": ...


class Window:
    """One page. `faults` are what its scripts did wrong: a test in which there are any fails.

    A request without an answer is printed. ERR_NETWORK_CHANGED is the machine's: a network interface came or
    went (a container's, say), and Chromium breaks off all that it loads. The page goes on after that, and so
    does a test that holds for what is asked for twice.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        page.on("requestfailed", lambda request: print(f"{request.url}: {request.failure}"))
        page.on("dialog", lambda dialog: self.faults.append(f"a dialog of the browser: {dialog.message}"))

    @property
    def prompt(self) -> Locator:
        """Where one writes."""
        return self.page.get_by_label("What should be painted?")

    @property
    def jobs(self) -> Locator:
        """The cards of jobs."""
        return self.page.locator(".job")

    @property
    def pictures(self) -> Locator:
        """The pictures on the wall."""
        return self.page.locator("#wall .item:not(.job)")

    @property
    def viewer(self) -> Locator:
        """The large view."""
        return self.page.get_by_role("dialog")

    def job(self, prompt: str) -> Locator:
        """The card of this prompt."""
        return self.jobs.filter(has=self.page.locator(".prompt", has_text=prompt))

    def picture(self, prompt: str) -> Locator:
        """The picture of this prompt."""
        return self.pictures.filter(has=self.page.locator(".prompt", has_text=prompt))

    async def another(self) -> "Window":
        """One more tab of the same browser, with nothing in it yet."""
        return type(self)(await self.page.context.new_page())

    async def paint(self, *prompts: str) -> None:
        """Write each and press Enter, once the page can hear it; waits for its card."""
        await expect(self.page.get_by_role("group", name="Shape")).to_be_visible()  # its scripts are there
        for prompt in prompts:
            await self.prompt.fill(prompt)
            await self.prompt.press("Enter")
            await expect(self.job(prompt).or_(self.picture(prompt)).first).to_be_visible()

    async def press(self, within: Locator, name: str) -> None:
        """Press a button."""
        await within.get_by_role("button", name=name, exact=True).click()

    async def sees(self, where: Locator, text: str) -> None:
        """Wait until this can be read there."""
        await expect(where).to_contain_text(text, use_inner_text=True)

    async def sees_picture(self, prompt: str, count: int = 1) -> None:
        """Wait until the picture of this prompt hangs on the wall, and its card is gone."""
        await expect(self.picture(prompt)).to_have_count(count)
        await expect(self.job(prompt)).to_have_count(0)
        await expect(self.picture(prompt).first.get_by_role("img", name=prompt)).to_be_visible()

    async def sees_title(self, text: str) -> None:
        """Wait until the window is called so."""
        await expect(self.page).to_have_title(text)

    async def sees_number(self, where: Locator, count: int) -> None:
        """Wait until there are so many of it."""
        await expect(where).to_have_count(count)

    async def sees_description(self, where: Locator, text: str) -> None:
        """Wait until a screen reader reads this behind its name."""
        await expect(where).to_have_accessible_description(re.compile(re.escape(text)))

    async def sees_whole(self, where: Locator) -> None:
        """Wait until all of it is on the screen."""
        await expect(where).to_be_in_viewport(ratio=1)

    async def sees_focus(self, where: Locator) -> None:
        """Wait until the keyboard is there."""
        await expect(where).to_be_focused()

    async def saved(self, picture: Locator) -> tuple[str, bytes]:
        """Download this picture: its file's name, and what is in it."""
        async with self.page.expect_download() as download:
            await self.press(picture, "Download")
        saved = await download.value
        path = Path(await saved.path())
        return saved.suggested_filename, await asyncio.to_thread(path.read_bytes)

    async def hide(self, is_hidden: bool = True) -> None:
        """Hide this tab, or show it again: without a screen Chromium hides none."""
        await self.page.evaluate(
            """(isHidden) => {
                Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            is_hidden,
        )

    async def keep_copies(self, count: int) -> None:
        """Have the browser keep so many more pictures like its first, as if other tabs had painted them.

        By a module of its own: the page's may have been lost, and loaded by another address.
        """
        await self.page.evaluate(
            """async (count) => {
                const { store } = await import("/static/store.js?copies");
                const { pictures } = store;
                const [oldest] = await pictures.all();
                const request = { ...oldest.request, input: "another" };
                for (let at = 1; at <= count; at++) {
                    await pictures.put({ ...oldest, request, key: `${at}`, at: oldest.at + at });
                }
            }""",
            count,
        )

    async def fill_gallery(self, oldest: str) -> None:
        """Paint this, and have the browser keep as many pictures behind it as it may."""
        await self.paint(oldest)
        await self.sees_picture(oldest)
        await self.keep_copies(199)
        await self.page.reload()
        await self.sees_number(self.pictures, 200)

    async def is_too_wide(self) -> bool:
        """Whether one has to scroll sideways."""
        answer: bool = await self.page.evaluate(
            "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return answer

    async def findings(self) -> list[str]:
        """What axe-core has to say about what is shown now; also what only WCAG 2.2 asks for."""
        if not await self.page.evaluate("() => 'axe' in window"):
            await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = await self.page.evaluate(
            "() => axe.run({ rules: { 'target-size': { enabled: true } } })"
        )
        return [
            f"{violation['id']}: {node['html'][:200]}: {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def _note(self, message: ConsoleMessage) -> None:
        # That a request was refused or found no server is what many of these tests are about.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.faults.append(message.text)
