"""The web page when something is lost in mid-job: the page itself, the network, the server."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from tests.doubles.a1111 import A1111Double, prompt_of, seed_of
from tests.doubles.http_fixture import serving
from tests.ports import free_port

if TYPE_CHECKING:
    from playwright.async_api import Request, Route

    from tests.browser.window import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Delay = Callable[[web.Request], Awaitable[None]]
AWAY: dict[str, Any] = {
    "status": 503,
    "content_type": "application/problem+json",
    "body": json.dumps(
        {"code": "queue_unavailable", "status": 503, "detail": "the queue is away", "retry_after": 2}
    ),
}
"""What a server answers whose shared queue is away."""
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
    """On a slow line nothing tells otherwise why Enter does not paint; nor where one of them was lost."""
    come = asyncio.Event()

    async def lose(route: "Route") -> None:
        await come.wait()
        await route.abort()

    async with serving(tmp_path) as served:
        window = await open_window("about:blank")
        await window.page.route("**/static/form.js", lose)
        await window.page.goto(served.url, wait_until="commit")
        badge = window.page.locator("#service")
        said = "badge => getComputedStyle(badge, '::after').content"
        await badge.wait_for()  # without its style nothing of it can be seen
        assert await badge.evaluate(said) == '"Loading"'
        come.set()
        await window.page.wait_for_load_state()
        assert await badge.evaluate(said) == '"Loading"'
        await window.page.unroute("**/static/form.js")
        await window.page.reload()
        await window.sees(badge, "Ready")
        assert await badge.evaluate(said) == "none"


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
    """A tab that slept for longer than results are kept, as on a phone, may still have it as under way."""
    async with serving(tmp_path, result_max_bytes=1) as served:
        served.double.hold(at=4)
        window = await open_window(served.url)
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
        await asleep.page.unroute_all()
        await asleep.sees_picture("a lighthouse")
        assert asleep.faults == []
        assert len(served.double.txt2img_requests) == 1


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


async def test_it_works_behind_a_proxy_under_a_path_of_its_own(tmp_path: Path, open_window: "Open") -> None:
    """No address of the page is absolute, and nothing but plain HTTP is spoken."""
    async with serving(tmp_path) as served, proxy({"/paint": served.url}) as url:
        served.double.hold(at=4)
        window = await open_window(f"{url}/paint/")
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 4")
        served.double.release()
        await window.sees_picture("a lighthouse")


async def test_two_services_under_paths_of_one_address_have_nothing_in_common(
    tmp_path: Path, open_window: "Open"
) -> None:
    """To a browser they are one: neither gets the other's jobs, nor its key, nor what was chosen there."""
    async with (
        serving(tmp_path) as first,
        serving(tmp_path, api_key="open-sesame") as second,
        proxy({"/first": first.url, "/second": second.url}) as url,
    ):
        first.double.hold(at=4)
        window = await open_window(f"{url}/first/")
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 4")
        other = await window.another()
        await other.page.goto(f"{url}/second/")
        await other.page.get_by_label("API key").fill("open-sesame")
        await other.press(other.page.locator("#lock"), "Use this key")
        await other.sees(other.page.locator("#service"), "Ready")
        await other.sees_number(other.jobs, 0)
        assert await other.prompt.input_value() == ""
        async with window.page.expect_request("**/status") as asked:
            await window.page.reload()
        assert "authorization" not in (await asked.value).headers
        await window.sees(window.job("a lighthouse"), "step 4")
        first.double.release()
        await window.sees_picture("a lighthouse")
        assert other.faults == []
    assert second.double.txt2img_requests == []


async def test_behind_a_proxy_that_does_not_pass_host_it_says_what_to_list(
    tmp_path: Path, open_window: "Open"
) -> None:
    """As nginx with nothing but proxy_pass: the page's scripts come, and a job's card names its origin."""
    async with serving(tmp_path) as served, proxy({"": served.url}, without="Host") as url:
        window = await open_window(url)
        await window.paint("a lighthouse")
        card = window.job("a lighthouse")
        await window.sees(card, "The server does not allow this")
        await window.sees(card, f"pages of '{url}' may not call; list it in ALLOWED_ORIGINS")


@asynccontextmanager
async def proxy(
    targets: Mapping[str, str], *, without: str = "", delay: Delay | None = None
) -> AsyncIterator[str]:
    """A small reverse proxy that hands on what comes for these paths, after a delay, but for one header."""

    async def hand_on(request: web.Request) -> web.StreamResponse:
        if delay:
            await delay(request)
        prefix = next(prefix for prefix in targets if request.path.startswith(f"{prefix}/"))
        url = targets[prefix] + request.path_qs.removeprefix(prefix)
        body = await request.read()
        headers = request.headers.copy()
        headers.popall(without, None)
        async with client.request(request.method, url, headers=headers, data=body) as answer:
            kept = {name: value for name, value in answer.headers.items() if name != "Content-Encoding"}
            kept = {name: value for name, value in kept.items() if name != "Content-Length"}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hand_on)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    async with aiohttp.ClientSession() as client:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


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
