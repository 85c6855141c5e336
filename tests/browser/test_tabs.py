"""The web page in several tabs: what they share, and what they leave each other."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.browser.proxy import proxy
from tests.doubles.http_fixture import serving

if TYPE_CHECKING:
    from playwright.async_api import Request

    from tests.browser.window import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

COUNT_PICTURES = """{
    window.pictures = 0;  // the answers that brought one, also those that the page left before their end
    const ask = window.fetch;
    window.fetch = async (...asked) => {
        const answer = await ask(...asked);
        let text = "";
        const transform = (chunk, onwards) => {
            const before = text.includes("image-base64");
            text += new TextDecoder().decode(chunk);
            if (!before && text.includes("image-base64")) window.pictures += 1;
            onwards.enqueue(chunk);
        };
        const counted = answer.body?.pipeThrough(new TransformStream({ transform }));
        return counted ? new Response(counted, answer) : answer;
    };
}"""


async def test_two_tabs_show_the_same_jobs(tmp_path: Path, open_window: "Open") -> None:
    """Both see it through, the picture is painted once and kept once."""
    async with serving(tmp_path) as served:
        served.double.hold(at=4)
        window = await open_window(served.url)
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 4")
        second = await window.another()
        await second.page.goto(served.url)
        await second.sees(second.job("a lighthouse"), "step 4")
        served.double.release()
        await window.sees_picture("a lighthouse")
        await second.sees_picture("a lighthouse")
        await window.page.reload()
        await window.sees_picture("a lighthouse")
    assert len(served.double.txt2img_requests) == 1


async def test_many_tabs_leave_the_browser_connections(tmp_path: Path, open_window: "Open") -> None:
    """It opens six to one server: the streams of all tabs leave some, so that a third tab opens and asks."""
    prompts = ["a lighthouse", "a tower", "a bridge", "a mill"]
    async with serving(tmp_path) as served:
        served.double.hold(at=4)
        window = await open_window(served.url)
        await window.paint(*prompts)
        await window.sees(window.job("a lighthouse"), "step 4")
        tabs = [window]
        for _ in range(2):
            tabs.append(await window.another())
            await tabs[-1].page.goto(served.url)
            for prompt in prompts:
                await tabs[-1].sees(tabs[-1].job(prompt), "step 4" if prompt == prompts[0] else "Waiting")
        await tabs[-1].press(tabs[-1].job("a mill"), "Cancel")
        for tab in tabs:
            await tab.sees(tab.job("a mill"), "Cancelled")
        served.double.release()
        for tab in tabs:
            for prompt in prompts[:-1]:
                await tab.sees_picture(prompt)
    assert [each["prompt"] for each in served.double.txt2img_requests] == prompts[:-1]


async def test_what_a_person_asks_for_goes_before_looks_after_many_jobs(
    tmp_path: Path, open_window: "Open"
) -> None:
    """On a slow line these have all that is left of the browser's connections, and more of them wait."""
    held, released, asked = asyncio.Semaphore(0), asyncio.Semaphore(0), asyncio.Semaphore(0)
    is_slow = asyncio.Event()
    looks: set[Request] = set()  # of the browser, that have no answer

    async def delay(request: web.Request) -> None:
        if is_slow.is_set() and request.headers.get("Prefer") == "wait=0":
            held.release()
            await released.acquire()

    def note(request: "Request") -> None:
        if request.headers.get("prefer") == "wait=0":
            looks.add(request)
            asked.release()

    def forget(request: "Request") -> None:
        looks.discard(request)

    async with serving(tmp_path) as served, proxy({"": served.url}, delay=delay) as url:
        served.double.hold(at=4)
        window = await open_window(url)
        # From here on: one that was asked for before the line became slow may come to it later.
        window.page.on("request", note)
        window.page.on("requestfinished", forget)
        window.page.on("requestfailed", forget)
        await window.paint(*(f"house {number}" for number in range(1, 13)))
        await window.sees(window.job("house 12"), "ahead of yours")
        is_slow.set()
        for _ in range(3):
            await held.acquire()
        while len(looks) < 9:  # of the twelve, three have a stream
            await asked.acquire()
        async with window.page.expect_request(lambda request: request.method == "DELETE"):
            await window.press(window.job("house 12"), "Cancel")
        for _ in range(3):  # its own look may be one of those that are held, and has hung up
            released.release()
        await window.sees(window.job("house 12"), "Cancelled")


async def test_many_tabs_on_plain_http_leave_the_browser_connections(
    tmp_path: Path, open_window: "Open", own_address: str
) -> None:
    """There tabs have no locks: one that is seen streams, hidden ones look, and a picture comes once."""
    async with serving(tmp_path, http_host="0.0.0.0", allow_anonymous=True) as served:
        served.double.hold(at=4)
        window = await open_window(f"http://{own_address}:{served.port}/")
        assert not await window.page.evaluate("() => 'locks' in navigator")
        await window.page.context.add_init_script(COUNT_PICTURES)
        await window.page.reload()
        await window.paint("a lighthouse", "a tower")
        await window.sees(window.job("a lighthouse"), "step 4")
        tabs = [window]
        for _ in range(3):
            await tabs[-1].hide()
            tabs.append(await window.another())
            await tabs[-1].page.goto(window.page.url)
            await tabs[-1].sees(tabs[-1].job("a lighthouse"), "step 4")
            await tabs[-1].sees(tabs[-1].job("a tower"), "Waiting")
        await tabs[-1].press(tabs[-1].job("a tower"), "Cancel")
        for tab in tabs:
            await tab.sees(tab.job("a tower"), "Cancelled")
        await tabs[-1].hide()
        await window.hide(False)
        served.double.release()
        for tab in tabs:
            await tab.sees_picture("a lighthouse")
            assert await tab.page.evaluate("() => pictures") == 1
    assert [each["prompt"] for each in served.double.txt2img_requests] == ["a lighthouse"]


async def test_a_result_that_was_not_fetched_in_time_is_painted_again(
    tmp_path: Path, open_window: "Open"
) -> None:
    """The page was closed for longer than the server keeps results."""
    async with serving(tmp_path, result_max_bytes=1) as served:
        served.double.hold(at=4)
        window = await open_window(served.url)
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 4")
        await window.page.goto("about:blank")
        served.double.release()
        await served.until_status(lambda status: status["running"] == 0)
        await window.page.goto(served.url)
        await window.sees_picture("a lighthouse")
    first, second = served.double.txt2img_requests
    assert first["seed"] == second["seed"]


async def test_what_another_tab_saw_the_end_of_is_not_painted_again(
    tmp_path: Path, open_window: "Open"
) -> None:
    """A tab that slept for longer than results are kept, as on a phone, may still have it as under way.

    It shows what the other one kept; what it had shown before stays as it is, with the keyboard.
    """
    async with serving(tmp_path, result_max_bytes=1) as served:
        window = await open_window(served.url)
        await window.paint("a tower")
        await window.sees_picture("a tower")
        served.double.hold(at=4)
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 4")
        asleep = await window.another()
        await asleep.page.goto(served.url)
        card = asleep.job("a lighthouse")
        await asleep.sees(card, "step 4")
        await asleep.page.route("**/jobs/*", lambda route: route.abort())
        await asleep.page.evaluate("() => dispatchEvent(new Event('online'))")
        await asleep.sees(card, "No answer")
        served.double.release()
        await window.sees_picture("a lighthouse")
        again = asleep.picture("a tower").get_by_role("button", name="Again")
        await again.focus()
        await asleep.page.unroute_all()
        await asleep.sees_picture("a lighthouse")
        await asleep.sees_focus(again)
        assert asleep.faults == []
        assert len(served.double.txt2img_requests) == 2


async def test_a_result_that_always_goes_too_soon_is_not_painted_for_ever(
    tmp_path: Path, open_window: "Open", own_address: str
) -> None:
    """A hidden tab without locks only looks now and then; after the second picture a person decides."""
    async with serving(tmp_path, http_host="0.0.0.0", allow_anonymous=True, result_max_bytes=1) as served:
        window = await open_window(f"http://{own_address}:{served.port}/")
        await window.sees(window.page.locator("#service"), "Ready")
        await window.hide()
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "The server no longer has this picture")
        await window.hide(False)
        assert len(served.double.txt2img_requests) == 2
        await window.press(window.job("a lighthouse"), "Try now")
        await window.sees_picture("a lighthouse")
    assert len({each["seed"] for each in served.double.txt2img_requests}) == 1
