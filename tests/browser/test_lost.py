"""The web page when something is lost in mid-job: the page itself, the network, the server."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.doubles.a1111 import A1111Double, prompt_of, seed_of
from tests.doubles.http_fixture import serving
from tests.ports import free_port

if TYPE_CHECKING:
    from playwright.async_api import Route

    from tests.browser.window import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AWAY: dict[str, Any] = {
    "status": 503,
    "content_type": "application/problem+json",
    "body": json.dumps(
        {"code": "queue_unavailable", "status": 503, "detail": "the queue is away", "retry_after": 2}
    ),
}
"""What a server answers whose shared queue is away."""


@asynccontextmanager
async def process(folder: Path, port: int, double: A1111Double) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m httpserver` on this port, once it listens."""
    inherited = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "httpserver"),
        cwd=folder,
        env={
            **inherited,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "SD_BACKENDS": double.url,
            "HTTP_PORT": str(port),
        },
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        assert re.search(rf"http://127\.0\.0\.1:{port}\b", (await server.stdout.readline()).decode())
        yield server
    finally:
        if server.returncode is None:
            server.kill()
        await server.communicate()


async def test_the_server_is_killed_in_mid_job(tmp_path: Path, open_window: "Open") -> None:
    """It forgot the job when it is back: it is asked again, and paints the same picture."""
    port = free_port()
    async with A1111Double() as double:
        double.hold(at=4)
        async with process(tmp_path, port, double) as server:
            window = await open_window(f"http://127.0.0.1:{port}/")
            await window.paint("a lighthouse", "a tower")
            await window.sees(window.job("a lighthouse"), "step 4")
            await window.sees(window.job("a tower"), "Next")
            server.kill()
            await window.sees(window.job("a lighthouse"), "No answer")
            await window.sees(window.job("a tower"), "No answer")
            await window.sees(window.job("a tower"), "Asked again in")
        double.release()
        async with process(tmp_path, port, double):
            for prompt in ("a lighthouse", "a tower"):
                await window.sees_picture(prompt)
            _, content = await window.saved(window.picture("a lighthouse"))
    assert prompt_of(content) == "a lighthouse"
    lighthouses = [each["seed"] for each in double.txt2img_requests if each["prompt"] == "a lighthouse"]
    assert lighthouses == [seed_of(content)] * 2


async def test_the_server_is_stopped_in_good_order(tmp_path: Path, open_window: "Open") -> None:
    """What is painted then is delivered; what waits is told, and asked again of the next one."""
    port = free_port()
    async with A1111Double() as double:
        double.hold(at=4)
        async with process(tmp_path, port, double) as server:
            window = await open_window(f"http://127.0.0.1:{port}/")
            await window.paint("painted", "waiting")
            await window.sees(window.job("painted"), "step 4")
            await window.sees(window.job("waiting"), "Next")
            server.send_signal(signal.SIGTERM)
            await window.sees(window.job("waiting"), "No answer")
            double.release()
            await window.sees_picture("painted")
            await server.wait()
        async with process(tmp_path, port, double):
            await window.sees_picture("waiting")
    assert [request["prompt"] for request in double.txt2img_requests] == ["painted", "waiting"]


async def test_the_page_is_loaded_again_in_mid_job(tmp_path: Path, open_window: "Open") -> None:
    """It attaches to the jobs that it had; each is painted once."""
    async with serving(tmp_path) as served:
        served.double.hold(at=4)
        window = await open_window(served.url)
        await window.paint("a lighthouse", "a tower")
        await window.sees(window.job("a lighthouse"), "step 4")
        await window.page.reload()
        await window.sees(window.job("a lighthouse"), "step 4")
        await window.sees(window.job("a tower"), "Next")
        served.double.release()
        await window.sees_picture("a lighthouse")
        await window.sees_picture("a tower")
    assert len(served.double.txt2img_requests) == 2


async def test_what_was_asked_for_is_written_down_at_once(tmp_path: Path, open_window: "Open") -> None:
    """Not only once it may have a stream: for that a browser is asked up to four times."""
    kept = """async () => {
        const { store } = await import("/static/store.js");
        while (!(await store.jobs.all()).length);
    }"""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.page.evaluate("() => { LockManager.prototype.request = () => new Promise(() => {}); }")
        await window.paint("a lighthouse")
        async with asyncio.timeout(15):
            await window.page.evaluate(kept)
        await window.page.reload()
        await window.sees_picture("a lighthouse")
    assert len(served.double.txt2img_requests) == 1


async def test_the_page_is_closed_and_opened_when_all_is_done(tmp_path: Path, open_window: "Open") -> None:
    """The picture that was painted meanwhile is fetched; a second tab has no second one."""
    async with serving(tmp_path) as served:
        served.double.hold(at=4)
        window = await open_window(served.url)
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 4")
        await window.page.goto("about:blank")
        served.double.release()
        await served.until_status(lambda status: status["running"] == 0)
        await window.page.goto(served.url)
        await window.sees_picture("a lighthouse")
        await window.page.reload()
        await window.sees_picture("a lighthouse")
    assert len(served.double.txt2img_requests) == 1


async def test_a_page_whose_scripts_are_under_way_says_so(tmp_path: Path, open_window: "Open") -> None:
    """On a slow line nothing tells otherwise why Enter does not paint.

    Where one of them was lost, as all are that are on their way when a phone changes its network, they are
    asked for again, and what was written meanwhile stays.
    """
    come, lost = asyncio.Event(), asyncio.Semaphore(0)

    async def lose(route: "Route") -> None:
        await come.wait()
        await route.abort()
        lost.release()

    async with serving(tmp_path) as served:
        window = await open_window("about:blank")
        await window.page.route("**/form.js", lose)
        await window.page.goto(served.url, wait_until="commit")
        badge = window.page.locator("#service")
        said = "badge => getComputedStyle(badge, '::after').content"
        await badge.wait_for()  # without its style nothing of it can be seen
        assert await badge.evaluate(said) == '"Loading"'
        await window.prompt.fill("a lighthouse")
        come.set()
        for _ in range(2):
            await lost.acquire()
        assert await badge.evaluate(said) == '"Loading"'
        await window.page.unroute("**/form.js")
        await window.sees(badge, "Ready")
        assert await badge.evaluate(said) == "none"
        await window.prompt.press("Enter")
        await window.sees_picture("a lighthouse")
    assert len(served.double.txt2img_requests) == 1


async def test_the_network_is_lost_and_comes_back(tmp_path: Path, open_window: "Open") -> None:
    """What runs goes on, what was asked for meanwhile is sent then, and a cancel is carried out then."""
    async with serving(tmp_path) as served:
        served.double.hold(at=4)
        window = await open_window(served.url)
        await window.paint("a lighthouse", "a tower")
        await window.sees(window.job("a lighthouse"), "step 4")
        await window.page.context.set_offline(True)
        await window.sees(window.job("a lighthouse"), "Offline")
        await window.sees(window.page.locator("#service"), "Offline")
        await window.sees(window.page.locator("#notice"), "You are offline.")
        await window.paint("a bridge")
        await window.sees(window.job("a bridge"), "Waiting for the network")
        await window.press(window.job("a tower"), "Cancel")
        await window.sees(window.job("a tower"), "Cancelling")
        served.double.step()
        await window.page.context.set_offline(False)
        await window.sees(window.job("a lighthouse"), "step 5")
        await window.sees(window.job("a tower"), "Cancelled")
        await window.sees(window.page.locator("#service"), "painting")
        served.double.release()
        await window.sees_picture("a lighthouse")
        await window.sees_picture("a bridge")
    assert [request["prompt"] for request in served.double.txt2img_requests] == ["a lighthouse", "a bridge"]


async def test_a_cancel_is_carried_out_although_its_card_was_removed(
    tmp_path: Path, open_window: "Open"
) -> None:
    """Without a network it cannot be at once; nothing is painted for nobody afterwards."""
    async with serving(tmp_path) as served:
        served.double.hold(at=4)
        window = await open_window(served.url)
        await window.paint("a lighthouse", "a tower")
        await window.sees(window.job("a lighthouse"), "step 4")
        await window.sees(window.job("a tower"), "Next")
        await window.page.context.set_offline(True)
        await window.press(window.job("a tower"), "Cancel")
        await window.press(window.job("a tower"), "Remove")
        await window.sees_number(window.job("a tower"), 0)
        await window.page.context.set_offline(False)
        await served.until_status(lambda status: status["waiting"] == 0)
        served.double.release()
        await window.sees_picture("a lighthouse")
    assert [each["prompt"] for each in served.double.txt2img_requests] == ["a lighthouse"]


async def test_a_cancel_is_carried_out_although_the_queue_is_away(
    tmp_path: Path, open_window: "Open"
) -> None:
    async with serving(tmp_path) as served:
        served.double.hold(at=4)
        window = await open_window(served.url)
        await window.paint("a lighthouse", "a tower")
        await window.sees(window.job("a lighthouse"), "step 4")
        await window.sees(window.job("a tower"), "Next")
        refused = asyncio.Event()

        async def refuse(route: "Route") -> None:
            if route.request.method != "DELETE":
                await route.continue_()
                return
            await route.fulfill(**AWAY)
            refused.set()

        await window.page.route("**/jobs/*", refuse)
        await window.press(window.job("a tower"), "Cancel")
        await refused.wait()
        await window.page.unroute("**/jobs/*")
        await served.until_status(lambda status: status["waiting"] == 0)
        served.double.release()
        await window.sees_picture("a lighthouse")
        await window.sees(window.job("a tower"), "Cancelled")
    assert [each["prompt"] for each in served.double.txt2img_requests] == ["a lighthouse"]


async def test_a_cancel_whose_answer_is_lost_paints_nothing_anew(tmp_path: Path, open_window: "Open") -> None:
    """The server has carried it out, and a proxy or a queue that went just then says that it is away."""
    async with serving(tmp_path) as served:
        served.double.hold(at=4)
        window = await open_window(served.url)
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 4")

        lost: list[int] = []

        async def lose(route: "Route") -> None:
            if route.request.method != "DELETE" or lost:
                await route.continue_()
                return
            lost.append((await route.fetch()).status)
            await route.fulfill(**AWAY)

        await window.page.route("**/jobs/*", lose)
        await window.press(window.job("a lighthouse"), "Cancel")
        await window.sees(window.job("a lighthouse"), "Cancelled")
    assert lost == [200]
    assert len(served.double.txt2img_requests) == 1


async def test_what_is_tried_again_goes_on_after_a_reload(tmp_path: Path, open_window: "Open") -> None:
    """As the card said: "kept here and goes on by itself"."""
    mistake = {**AWAY, "status": 500, "body": json.dumps({"code": "internal", "status": 500, "detail": "a"})}
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.page.route("**/text", lambda route: route.fulfill(**mistake))
        await window.paint("a lighthouse")
        card = window.job("a lighthouse")
        await window.sees(card, "The server made a mistake")
        await window.page.unroute("**/text")
        await window.page.route("**/text", lambda route: route.abort())
        await window.press(card, "Try now")
        await window.sees(card, "goes on by itself")
        await window.page.unroute("**/text")
        await window.page.reload()
        await window.sees_picture("a lighthouse")


async def test_the_shared_queue_is_away_for_a_while(tmp_path: Path, open_window: "Open") -> None:
    """That passes by itself, so the page only waits; another error is for the person to decide."""
    async with serving(tmp_path) as served:
        served.double.hold(at=4)
        window = await open_window(served.url)
        await window.page.route("**/text", lambda route: route.fulfill(**AWAY))
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "Asked again in")
        await window.page.unroute("**/text")
        await window.sees(window.job("a lighthouse"), "step 4")
        served.double.release()
        await window.sees_picture("a lighthouse")


async def test_a_browser_that_stores_nothing(tmp_path: Path, open_window: "Open") -> None:
    """It paints all the same, and says that the pictures last as long as the page."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.page.add_init_script(
            "for (const name of ['indexedDB', 'localStorage'])"
            " Object.defineProperty(window, name, { get() { throw new Error('not allowed'); } });"
            "navigator.locks.request = () => Promise.reject(new Error('not allowed'));"
        )
        await window.page.reload()
        await window.paint("a lighthouse")
        await window.sees_picture("a lighthouse")
        await window.sees(window.page.locator("#kept"), "until you close this page")


async def test_a_browser_that_cannot_read_what_it_kept(tmp_path: Path, open_window: "Open") -> None:
    """A disk that was damaged costs the gallery, and not the page."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.page.add_init_script(
            "IDBObjectStore.prototype.getAll = () => { throw new Error('not to be read'); };"
        )
        await window.page.reload()
        await window.paint("a lighthouse")
        await window.sees_picture("a lighthouse")


async def test_a_browser_without_room_says_what_it_did_not_keep(tmp_path: Path, open_window: "Open") -> None:
    """The picture is shown all the same, and a person may save it."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.paint("a lighthouse")
        await window.sees_picture("a lighthouse")
        await window.sees(window.page.locator("#kept"), "1 picture, ")
        assert "until you close" not in (await window.page.locator("#kept").text_content() or "")
        await window.page.evaluate(
            """() => {
                const put = IDBObjectStore.prototype.put;
                IDBObjectStore.prototype.put = function (value) {
                    const request = put.call(this, value);
                    if (this.name === "pictures") this.transaction.abort(); // as a full disk does
                    return request;
                };
            }"""
        )
        await window.paint("a tower")
        await window.sees_picture("a tower")
        await window.sees(window.page.locator("#kept"), "keeps 1 of them only until you close this page")
