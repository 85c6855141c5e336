"""The web page when the server says no: in words, with what to do, and with nothing lost."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import engine.server
from core import BackendAddress, Settings, connect, work
from httpserver import listen
from tests.doubles.a1111 import A1111Double
from tests.doubles.http_fixture import serving
from tests.valkey_server import ValkeyServer

if TYPE_CHECKING:
    from playwright.async_api import Request, Route

    from tests.browser.window import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_full_queue_is_tried_again_if_asked_to(tmp_path: Path, open_window: "Open") -> None:
    """It counts down, can be stopped, and goes in by itself as soon as there is room, also after a reload."""
    async with serving(tmp_path, max_queue=1) as served:
        served.double.hold(at=1)
        window = await open_window(served.url)
        await window.paint("painted")
        await window.sees(window.job("painted"), "step 1")
        await window.paint("waiting", "too many")
        card = window.job("too many")
        await window.sees(card, "The queue is full")
        await window.sees(card, "waiting jobs: 1; no more are taken")
        await window.press(card, "Keep trying")
        await window.sees(card, "Trying again in 4 s")
        await window.press(card, "Stop trying")
        await window.sees(card, "Keep trying, and yours goes in as soon as there is room.")
        await window.page.reload()
        await window.sees(card, "The queue is full")
        await window.press(card, "Keep trying")
        await window.sees(card, "Trying again in")
        served.double.release()
        await window.sees_picture("too many")
    assert [each["prompt"] for each in served.double.txt2img_requests] == ["painted", "waiting", "too many"]


async def test_what_was_let_in_and_failed_is_not_painted_again_by_itself(
    tmp_path: Path, open_window: "Open"
) -> None:
    """Whoever keeps trying wants it to be let in, and no more than that."""
    async with serving(tmp_path, max_queue=1, max_attempts=1) as served:
        served.double.hold(at=1)
        window = await open_window(served.url)
        await window.paint("painted")
        await window.sees(window.job("painted"), "step 1")
        await window.paint("waiting", "/fail-500 too many")
        card = window.job("too many")
        await window.press(card, "Keep trying")
        await window.sees(card, "Trying again in")
        served.double.release()
        await window.sees_picture("waiting")
        await window.sees(card, "500")
        await window.sees_number(card.get_by_role("button", name="Keep trying"), 1)


async def test_what_was_refused_for_good_is_not_asked_again_by_itself(
    tmp_path: Path, open_window: "Open"
) -> None:
    """By the next page, though it was tried until then: the server has other limits since its restart."""
    full: dict[str, Any] = {
        "code": "queue_full",
        "status": 503,
        "detail": "no more are taken",
        "retry_after": 1,
    }
    wrong: dict[str, Any] = {"code": "invalid_request", "status": 400, "detail": "too large"}
    asked: list[Request] = []

    async def refuse(route: "Route") -> None:
        words = wrong if asked else full
        asked.append(route.request)
        kind = "application/problem+json"
        await route.fulfill(status=words["status"], content_type=kind, body=json.dumps(words))

    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.page.route("**/text", refuse)
        await window.paint("a lighthouse")
        card = window.job("a lighthouse")
        await window.press(card, "Keep trying")
        await window.sees(card, "The server cannot paint this")
        await window.page.reload()
        await window.sees(card, "The server cannot paint this")
        assert len(asked) == 2


async def test_a_failure_is_told_before_it_is_written_down(tmp_path: Path, open_window: "Open") -> None:
    """On a slow disk there was time to cancel what had failed: each later try was cancelled at once, too."""
    async with serving(tmp_path) as served:
        served.double.fault("/sdapi/v1/txt2img", "error")
        window = await open_window(served.url)
        await window.page.evaluate(
            """() => {
                const put = IDBObjectStore.prototype.put;
                IDBObjectStore.prototype.put = function (value) {
                    const request = put.call(this, value);
                    const { transaction } = request;
                    if (!value.problem) return request;
                    IDBObjectStore.prototype.put = put;
                    Object.defineProperty(transaction, "oncomplete", { set() {} });
                    return request;
                };
            }"""
        )
        await window.paint("a lighthouse")
        card = window.job("a lighthouse")
        await window.sees(card, "The painting server failed")
        served.double.heal()
        await window.press(card, "Keep trying")
        await window.sees_picture("a lighthouse")


async def test_no_painting_server_is_up(tmp_path: Path, open_window: "Open") -> None:
    """The page says which one is down, and why; what was asked for is painted when it is there.

    It was named already: no other setting is needed.
    """
    double = A1111Double()
    double.fault("/", 503)
    async with serving(tmp_path, double=double) as served:
        window = await open_window(served.url)
        await window.sees(window.page.locator("#service"), "No painter")
        await window.sees(window.page.locator("#notice"), "No painting server is up.")
        await window.sees(window.page.locator("#notice"), double.name)
        await window.page.locator("#connect").wait_for(state="hidden")
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "No painting server is up")
        double.heal()
        await served.until_status(lambda status: status["backends"][0]["state"] == "idle")
        # Between these two: later it may have gone in by itself, and then there is nothing to press.
        await window.press(window.job("a lighthouse"), "Keep trying")
        await window.press(window.job("a lighthouse"), "Try now")
        await window.sees_picture("a lighthouse")
        await window.sees(window.page.locator("#service"), "Ready")
        await window.page.locator("#notice").wait_for(state="hidden")


async def test_no_painting_server_was_ever_named(tmp_path: Path, open_window: "Open") -> None:
    """As with a shared queue and no worker: the page says how to have one."""
    async with ValkeyServer() as valkey, serving(tmp_path, redis_url=valkey.url) as served:
        window = await open_window(served.url)
        await window.sees(window.page.locator("#notice"), "No painting server is up.")
        await window.sees(window.page.locator("#notice"), "SD_BACKENDS=")


async def test_the_shared_queue_is_away(tmp_path: Path, open_window: "Open") -> None:
    """That is not for want of a painter: the page says that it passes, and sees by itself when it has."""
    async with (
        ValkeyServer() as valkey,
        serving(tmp_path, redis_url=valkey.url) as served,
        work(served.settings),
    ):
        await served.until_status(lambda status: status["backends"])
        window = await open_window(served.url)
        await window.sees(window.page.locator("#service"), "Ready")
        valkey.kill()
        await window.page.reload()
        await window.sees(window.page.locator("#service"), "Not ready")
        await window.sees(window.page.locator("#notice"), "The server is not ready just now.")
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "goes on by itself")
        await valkey.start()
        await window.sees_picture("a lighthouse")
        await window.sees(window.page.locator("#service"), "Ready")


async def test_the_demo_painter_bears_a_badge(open_window: "Open") -> None:
    """With a line on how to connect a real server."""
    async with engine.server.serve("127.0.0.1", 0, 0.0) as port:
        settings = Settings(sd_backends=(BackendAddress(f"http://127.0.0.1:{port}"),), prompt_file="")
        async with connect(settings) as gateway, listen(gateway, settings, port=0) as http:
            window = await open_window(f"http://127.0.0.1:{http}/")
            await window.sees(window.page.locator("#notice"), "Demo painter")
            await window.sees(window.page.locator("#notice"), "SD_BACKENDS=http://127.0.0.1:7860")
            await window.press(window.page.locator("#ideas"), "a monkey with a hat")
            await window.sees_picture("a monkey with a hat")


async def test_what_was_never_let_in_can_be_cancelled_without_the_key(
    tmp_path: Path, open_window: "Open"
) -> None:
    async with serving(tmp_path, api_key="open-sesame") as served:
        window = await open_window(served.url)
        await window.press(window.page.locator("#lock"), "Not now")
        await window.paint("a cave")
        await window.sees(window.job("a cave"), "Locked")
        await window.press(window.job("a cave"), "Cancel")
        await window.sees(window.job("a cave"), "Cancelled")
        await window.page.reload()
        await window.sees(window.page.locator("#notice"), "wants a key before it paints")
        await window.sees_number(window.jobs, 0)


async def test_a_cancel_without_the_key_is_carried_out_once_the_key_is_there(
    tmp_path: Path, open_window: "Open"
) -> None:
    """The server's key has changed while a job of its own is painted."""
    async with serving(tmp_path, api_key="open-sesame") as served:
        served.double.hold(at=1)
        window = await open_window(served.url)
        use = "async (key) => (await import('/static/wire.js')).storeKey(key)"
        await window.page.evaluate(use, "open-sesame")
        await window.press(window.page.locator("#lock"), "Not now")
        await window.paint("a cave")
        await window.sees(window.job("a cave"), "step 1")
        await window.page.evaluate(use, "of before")
        async with window.page.expect_response(lambda each: each.request.method == "DELETE") as answer:
            await window.press(window.job("a cave"), "Cancel")
        assert (await answer.value).status == 401
        await window.sees(window.job("a cave"), "Cancelling")
        assert served.double.interrupts == []
        await window.page.evaluate(use, "open-sesame")
        await window.sees(window.job("a cave"), "Cancelled")
        await served.double.until(lambda: served.double.interrupts)


async def test_the_key_that_one_tab_was_given_serves_all(tmp_path: Path, open_window: "Open") -> None:
    async with serving(tmp_path, api_key="open-sesame") as served:
        window = await open_window(served.url)
        await window.press(window.page.locator("#lock"), "Not now")
        await window.paint("a cave")
        await window.sees(window.job("a cave"), "Locked")
        other = await window.another()
        await other.page.goto(served.url)
        await other.page.locator("#lock").get_by_label("API key").fill("open-sesame")
        await other.press(other.page.locator("#lock"), "Use this key")
        await other.sees(other.page.locator("#service"), "Ready")
        await window.sees_picture("a cave")
        assert window.faults == other.faults == []


async def test_a_key_that_another_tab_was_given_serves_also_a_tab_that_nobody_sees(
    tmp_path: Path, open_window: "Open"
) -> None:
    """The server's key has changed meanwhile; a tab that is hidden looks at nothing but its jobs."""
    async with serving(tmp_path, api_key="open-sesame") as served:
        window = await open_window(served.url)
        lock, service = window.page.locator("#lock"), window.page.locator("#service")
        await lock.get_by_label("API key").fill("open-sesame")
        await window.press(lock, "Use this key")
        await window.sees(service, "Ready")
        await window.page.clock.install()
        await window.hide()
        await window.page.evaluate("async () => (await import('/static/wire.js')).storeKey('of before')")
        await window.paint("a cave")
        await window.sees(window.job("a cave"), "Locked")
        other = await window.another()
        await other.page.goto(served.url)
        await other.page.get_by_label("API key").fill("open-sesame")
        await other.press(other.page.locator("#lock"), "Use this key")
        await other.sees_picture("a cave")
        await window.page.clock.fast_forward("00:15")
        await window.sees_picture("a cave")
        assert other.faults == []
    assert len(served.double.txt2img_requests) == 1


async def test_the_question_for_the_key_ends_when_another_tab_was_given_it(
    tmp_path: Path, open_window: "Open"
) -> None:
    """But not when the network goes while somebody types: the key is still wanted then."""
    async with serving(tmp_path, api_key="open-sesame") as served:
        window = await open_window(served.url)
        lock, service = window.page.locator("#lock"), window.page.locator("#service")
        await lock.get_by_label("API key").fill("open-")
        await window.page.context.set_offline(True)
        await window.sees(service, "Offline")
        await window.sees_focus(lock.get_by_label("API key"))
        await window.page.context.set_offline(False)
        await window.sees(service, "Locked")
        assert await lock.get_by_label("API key").input_value() == "open-"
        other = await window.another()
        await other.page.goto(served.url)
        await other.page.get_by_label("API key").fill("open-sesame")
        await other.press(other.page.locator("#lock"), "Use this key")
        await other.sees(other.page.locator("#service"), "Ready")
        await window.sees(service, "Ready")
        await window.sees_number(window.viewer, 0)
        assert other.faults == []


async def test_a_look_that_is_overtaken_says_nothing(tmp_path: Path, open_window: "Open") -> None:
    """Of one that was sent without the key the answer comes last: the page paints, and is not locked."""
    is_late = asyncio.Event()
    looks: list[Route] = []

    async def delay(route: "Route") -> None:
        looks.append(route)
        if route is looks[0]:
            await is_late.wait()
        await route.continue_()

    async with serving(tmp_path, api_key="open-sesame") as served:
        window = await open_window(served.url)
        lock, service = window.page.locator("#lock"), window.page.locator("#service")
        await lock.get_by_label("API key").fill("open-sesame")
        await window.page.route("**/status", delay)
        async with window.page.expect_response(lambda each: each.status == 401) as answer:
            async with window.page.expect_request("**/status"):
                await window.hide(False)
            await window.press(lock, "Use this key")
            await window.sees(service, "Ready")
            is_late.set()
        await (await answer.value).finished()
        await window.page.evaluate("() => fetch('healthz')")
        assert await service.inner_text() == "Ready"


async def test_the_key_is_asked_for_once(tmp_path: Path, open_window: "Open") -> None:
    """A wrong one is told at once; jobs wait for the right one; code that is copied does not hold it."""
    async with serving(tmp_path, api_key="open-sesame") as served:
        window = await open_window(served.url)
        lock = window.page.locator("#lock")
        await window.sees(lock, "This server wants a key")
        await window.press(lock, "Not now")
        await window.sees(window.page.locator("#notice"), "wants a key before it paints")
        await window.paint("a cave")
        await window.sees(window.job("a cave"), "Locked")
        await window.press(window.job("a cave"), "Enter the key")
        await window.sees(lock, "by whoever runs it")
        await lock.get_by_label("API key").fill("open-barley")
        await window.press(lock, "Use this key")
        await window.sees(lock, "is not the right one")
        await window.sees_focus(lock.get_by_label("API key"))
        await lock.get_by_label("API key").fill("open-sesame")
        await lock.get_by_label("API key").press("Enter")
        await window.sees_picture("a cave")
        await window.page.reload()
        await window.sees(window.page.locator("#service"), "Ready")
        await window.paint("a second cave")
        await window.sees_picture("a second cave")
        await window.pictures.first.locator(".frame").click()
        await window.sees(window.viewer.locator("code"), "$API_KEY")
        await window.sees_number(window.page.get_by_text("open-sesame"), 0)


@pytest.mark.parametrize("key", ["open sesame", "Schlüssel", "\N{KEY}"])
async def test_every_key_that_the_server_takes_opens_the_page(
    tmp_path: Path, open_window: "Open", key: str
) -> None:
    """It is sent as curl and `sd-b64` send it, in UTF-8: a browser's header by itself holds Latin-1 alone."""
    async with serving(tmp_path, api_key=key) as served:
        window = await open_window(served.url)
        await window.page.get_by_label("API key").fill(key)
        await window.press(window.page.locator("#lock"), "Use this key")
        await window.sees(window.page.locator("#service"), "Ready")
        await window.paint("a cave")
        await window.sees_picture("a cave")


async def test_a_request_that_cannot_be_painted_is_kept_to_be_changed(
    tmp_path: Path, open_window: "Open"
) -> None:
    """The server's own sentence is shown, and Edit gives back all that was written."""
    async with serving(tmp_path, max_pixels=400_000, max_prompt=50) as served:
        window = await open_window(served.url)
        await window.paint("/422 a lighthouse")
        card = window.job("/422 a lighthouse")
        await window.sees(card, "The server cannot paint this")
        await window.sees(card, "Change it and paint again.")
        await window.prompt.fill("")
        await window.press(card, "Edit")
        assert await window.prompt.input_value() == "/422 a lighthouse"
        await window.sees_number(window.jobs, 0)
        await window.paint("/fail-500")
        await window.sees(window.job("/fail-500"), "The painting server failed")
        await window.press(window.job("/fail-500"), "Remove")
        # The refusal named a field, so its group stands open.
        await window.page.get_by_label("Width").fill("1024")
        await window.page.locator("summary").click()
        await window.prompt.fill("too large")
        await window.prompt.press("Enter")
        await window.sees_focus(window.page.get_by_label("Width"))
        message = "() => document.activeElement.validationMessage"
        assert "at most 400000 pixels" in await window.page.evaluate(message)
        await window.page.get_by_label("Width").fill("512")
        await window.prompt.fill("x" * 51)
        await window.prompt.press("Enter")
        assert "at most 50 are read" in await window.page.evaluate(message)
        await window.sees_number(window.jobs, 0)
