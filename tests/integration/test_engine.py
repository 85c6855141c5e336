"""The engine over a real socket: A1111's API, one painting at a time."""

import asyncio
import base64
import contextlib
import io
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from engine.server import init_app, serve
from engine.studio import REMEMBERED
from tests.doubles.program import program

SMALL = {"prompt": "a monkey with a hat", "seed": 7, "steps": 4, "width": 64, "height": 64}
LONG = {**SMALL, "steps": 150}
TXT2IMG = "/sdapi/v1/txt2img"


class Client:
    """What a test says to the engine."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def post(self, path: str, body: object = None, status: int = 200) -> Any:
        async with self.session.post(path, json=body) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.session.get(path) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def task(self, name: str, **more: object) -> Any:
        return await self.post("/internal/progress", {"id_task": name, **more})

    async def until(self, name: str, key: str, live_preview: bool = False) -> Any:
        """Ask for a task's progress until it has what is waited for."""
        async with asyncio.timeout(10):
            while not (answer := await self.task(name, live_preview=live_preview))[key]:
                pass
        return answer

    def start(self, name: str, body: dict[str, Any]) -> "asyncio.Task[Any]":
        return asyncio.ensure_future(self.post(TXT2IMG, {**body, "force_task_id": name}))


@contextlib.asynccontextmanager
async def engine(step_seconds: float) -> AsyncIterator[Client]:
    async with (
        serve("127.0.0.1", 0, step_seconds) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        yield Client(session)


@pytest.fixture
async def fast() -> AsyncIterator[Client]:
    async with engine(0) as client:
        yield client


@pytest.fixture
async def slow() -> AsyncIterator[Client]:
    """A LONG order takes minutes on it: whoever starts one interrupts it."""
    async with engine(0.5) as client:
        yield client


def opened(image: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(image, validate=True)))


async def test_a_picture_is_plain_base64_of_a_png_that_says_what_made_it(fast: Client) -> None:
    answer = await fast.post(TXT2IMG, SMALL)
    with opened(answer["images"][0]) as picture:
        assert (picture.format, picture.size) == ("PNG", (64, 64))
        text = picture.text["parameters"]  # type: ignore[attr-defined]
    assert text.startswith(
        "a monkey with a hat\nSteps: 4, Sampler: Euler, CFG scale: 7, Seed: 7, Size: 64x64"
    )
    assert "Model: demo painter, not a diffusion model" in text
    assert json.loads(answer["info"])["infotexts"] == [text]


@pytest.mark.slow
async def test_whatever_the_settings_may_allow_is_painted(fast: Client) -> None:
    """Else a job that was accepted would be refused once its turn has come."""
    for many in ({"width": 65_536}, {"height": 65_536}, {"steps": 1000}, {"batch_size": 20}):
        assert (await fast.post(TXT2IMG, {**SMALL, **many}))["images"]


@pytest.mark.slow
async def test_prompts_as_long_as_the_settings_may_allow_are_painted(fast: Client) -> None:
    """In the longest words of JSON for them."""
    monkeys = "\N{MONKEY}" * 1_000_000
    body = io.BytesIO(json.dumps({**SMALL, "prompt": monkeys, "negative_prompt": monkeys}).encode())
    headers = {"Content-Type": "application/json"}
    async with fast.session.post(TXT2IMG, data=body, headers=headers) as response:
        assert response.status == 200
        assert (await response.json())["images"]


async def test_the_answer_tells_what_was_asked_and_what_came_of_it(fast: Client) -> None:
    answer = await fast.post(
        TXT2IMG, {**SMALL, "negative_prompt": "blur", "override_settings": {"x": 1}, "styles": []}
    )
    info = json.loads(answer["info"])
    assert (info["seed"], info["all_seeds"], info["steps"], info["negative_prompt"]) == (7, [7], 4, "blur")
    assert info["sd_model_name"] == "demo painter, not a diffusion model"
    assert answer["parameters"]["width"] == 64


async def test_the_same_request_gives_the_same_picture_and_seed_minus_one_another(fast: Client) -> None:
    first, again = [(await fast.post(TXT2IMG, SMALL))["images"] for _ in range(2)]
    assert first == again
    seeds = [json.loads((await fast.post(TXT2IMG, {**SMALL, "seed": -1}))["info"])["seed"] for _ in range(2)]
    assert seeds[0] != seeds[1]


async def test_a_batch_has_a_picture_for_each_seed_and_no_grid(fast: Client) -> None:
    answer = await fast.post(TXT2IMG, {**SMALL, "batch_size": 2, "n_iter": 2})
    assert len(set(answer["images"])) == 4
    assert json.loads(answer["info"])["all_seeds"] == [7, 8, 9, 10]


async def test_without_send_images_there_are_none(fast: Client) -> None:
    assert (await fast.post(TXT2IMG, {**SMALL, "send_images": False}))["images"] == []


@pytest.mark.parametrize("name", ["jpeg", "webp"])
async def test_the_owner_may_choose_another_format(fast: Client, name: str) -> None:
    await fast.post("/sdapi/v1/options", {"samples_format": name})
    with opened((await fast.post(TXT2IMG, SMALL))["images"][0]) as picture:
        assert picture.format == name.upper()


async def test_what_is_not_valid_is_422_in_fastapis_words(fast: Client) -> None:
    told = await fast.post(TXT2IMG, {**SMALL, "steps": "many"}, 422)
    assert told["detail"][0]["loc"] == ["body", "steps"]
    assert set(told["detail"][0]) == {"loc", "msg", "type"}
    for headers, data in (
        ({"Content-Type": "application/json"}, "{"),
        ({"Content-Type": "text/plain"}, "{}"),
    ):
        async with fast.session.post(TXT2IMG, data=data, headers=headers) as response:
            assert response.status == 422


async def test_unknown_samplers_paths_and_models_are_told(fast: Client) -> None:
    assert await fast.post(TXT2IMG, {**SMALL, "sampler_name": "Magic"}, 404) == {
        "detail": "Sampler not found"
    }
    assert await fast.get("/sdapi/v1/nothing", 404) == {"detail": "Not Found"}
    assert (await fast.post("/sdapi/v1/options", {"sd_model_checkpoint": "other"}, 500))[
        "error"
    ] == "RuntimeError"
    assert (await fast.post("/sdapi/v1/options", {"samples_format": "gif"}, 422))["detail"]


async def test_an_option_of_another_type_is_told_and_null_names_no_model(
    fast: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """As A1111 has it: whoever sends back what a form holds sends null for what was not chosen."""
    for odd in (["png"], {"png": 1}, None, 3):
        assert (await fast.post("/sdapi/v1/options", {"samples_format": odd}, 422))["detail"]
    await fast.post("/sdapi/v1/options", {"sd_model_checkpoint": None})
    assert (await fast.get("/sdapi/v1/options"))["sd_model_checkpoint"]
    assert caplog.text == ""


async def test_a_fault_of_its_own_is_in_the_log_with_its_place(
    fast: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client reads only its name."""

    def compose(*_: object) -> None:
        raise ZeroDivisionError("no such hat")

    monkeypatch.setattr("engine.painter.Painting.compose", compose)
    assert (await fast.post(TXT2IMG, SMALL, 500))["error"] == "ZeroDivisionError"
    assert "POST /sdapi/v1/txt2img failed" in caplog.text
    assert "no such hat" in caplog.text
    assert "in compose" in caplog.text


async def test_the_lists_are_there_and_honest(fast: Client) -> None:
    models = await fast.get("/sdapi/v1/sd-models")
    assert "not a diffusion model" in models[0]["model_name"]
    assert set(models[0]) == {"title", "model_name", "hash", "sha256", "filename", "config"}
    assert (await fast.get("/sdapi/v1/options"))["sd_model_checkpoint"] == models[0]["title"]
    assert {"name", "aliases", "options"} == set((await fast.get("/sdapi/v1/samplers"))[0])
    for name in ("schedulers", "upscalers", "loras", "memory"):
        await fast.get(f"/sdapi/v1/{name}")
    async with fast.session.get("/") as response:
        assert "not a diffusion model" in await response.text()


async def test_idle_it_says_so(fast: Client) -> None:
    told = await fast.get("/sdapi/v1/progress")
    assert (told["progress"], told["state"]["job_count"], told["current_image"]) == (0, 0, None)
    assert (await fast.task("nobody"))["active"] is False
    await fast.post("/sdapi/v1/interrupt")
    assert len((await fast.post(TXT2IMG, SMALL))["images"]) == 1


async def test_a_named_task_is_active_then_completed(slow: Client) -> None:
    painting = slow.start("mine", LONG)
    told = await slow.until("mine", "progress")
    assert told["active"]
    assert 0 < told["progress"] < 1
    assert told["eta"] > 0
    whole = await slow.get("/sdapi/v1/progress?skip_current_image=true")
    assert whole["current_task"] == "mine"
    assert whole["current_image"] is None
    assert whole["state"]["sampling_steps"] == 150
    assert whole["progress"] >= 0.01
    await slow.post("/sdapi/v1/interrupt")
    await painting
    assert (await slow.task("mine"))["completed"]


async def test_previews_come_only_when_asked_for_and_only_newer_ones(slow: Client) -> None:
    painting = slow.start("mine", LONG)
    told = await slow.until("mine", "progress")
    assert told["live_preview"] is None
    seen = await slow.until("mine", "live_preview", live_preview=True)
    kind, _, data = seen["live_preview"].partition(";base64,")
    assert kind == "data:image/png"
    with opened(data) as picture:
        assert picture.size == (64, 64)
    again = await slow.task("mine", id_live_preview=seen["id_live_preview"])
    assert again["live_preview"] is None or again["id_live_preview"] > seen["id_live_preview"]
    whole = await slow.get("/sdapi/v1/progress")
    with opened(whole["current_image"]) as picture:
        assert picture.size == (64, 64)
    await slow.post("/sdapi/v1/interrupt")
    await painting


async def test_a_foreign_page_interrupts_nobody(slow: Client) -> None:
    """A browser sends for any page what has no body, without asking before."""
    painting = slow.start("mine", LONG)
    await slow.until("mine", "progress")
    foreign = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    for path in ("/sdapi/v1/interrupt", "/sdapi/v1/skip"):
        async with slow.session.post(path, headers=foreign) as response:
            assert response.status == 403
    assert not painting.done()
    own = {"Origin": str(response.url.origin())}
    async with slow.session.post("/sdapi/v1/interrupt", headers=own) as response:
        assert response.status == 200
    await painting


@pytest.mark.parametrize(
    ("host", "status"),
    [("evil.example:7861", 403), ("127.0.0.1:7861", 200), ("[::ffff:127.0.0.1]", 200), ("engine:7861", 200)],
)
async def test_a_foreign_name_that_leads_here_is_nothing_for_browsers(
    slow: Client, host: str, status: int
) -> None:
    """What is painted for others could be seen by that page, as a preview."""
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101"
    headers = {"Host": host, "Origin": f"http://{host}", "User-Agent": agent}
    async with slow.session.get("/sdapi/v1/progress", headers=headers) as response:
        assert response.status == status
    async with slow.session.get("/sdapi/v1/progress", headers={"Host": host}) as response:
        assert response.status == 200, "a program means what it says"


async def test_an_interrupted_order_answers_with_what_there_is(slow: Client) -> None:
    painting = slow.start("mine", {**LONG, "batch_size": 2, "n_iter": 3})
    await slow.until("mine", "progress")
    started = time.monotonic()
    await slow.post("/sdapi/v1/interrupt")
    answer = await painting
    assert time.monotonic() - started < 5, "the whole of it takes minutes"
    assert len(answer["images"]) == 2
    with opened(answer["images"][0]) as picture:
        assert picture.size == (64, 64)


async def test_skip_goes_on_to_the_next_iteration(slow: Client) -> None:
    painting = slow.start("mine", {**LONG, "n_iter": 2})
    await slow.until("mine", "progress")
    await slow.post("/sdapi/v1/skip")
    async with asyncio.timeout(10):
        while (await slow.get("/sdapi/v1/progress?skip_current_image=true"))["state"]["job_no"] != 1:
            pass
    await slow.post("/sdapi/v1/interrupt")
    assert len((await painting)["images"]) == 2


@pytest.mark.slow
async def test_orders_are_painted_one_at_a_time_in_the_order_they_came(slow: Client) -> None:
    finished: list[str] = []
    first = slow.start("first", LONG)
    await slow.until("first", "active")
    later: list[asyncio.Task[Any]] = []
    for name in ("second", "third", "fourth"):
        later.append(slow.start(name, {**SMALL, "steps": 1}))
        later[-1].set_name(name)
        later[-1].add_done_callback(lambda task: finished.append(task.get_name()))
        told = await slow.until(name, "queued")
        assert not told["active"]
        assert told["textinfo"]
    await slow.post("/sdapi/v1/interrupt")
    await asyncio.gather(first, *later)
    assert finished == ["second", "third", "fourth"]


async def test_who_hangs_up_cancels_nothing_and_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """As a worker that is killed: nobody is left to take the answer, and the log has nothing to tell."""
    async with engine(0.5) as slow:
        first = slow.start("first", LONG)
        await slow.until("first", "active")
        gone = slow.start("gone", {**SMALL, "steps": 1})
        await slow.until("gone", "queued")
        gone.cancel()
        await slow.post("/sdapi/v1/interrupt")
        await first
        assert await slow.until("gone", "completed")
    assert caplog.text == ""


@pytest.mark.slow
async def test_the_last_sixteen_finished_tasks_are_remembered(fast: Client) -> None:
    names = [f"task-{i}" for i in range(REMEMBERED + 1)]
    for name in names:
        await fast.start(name, {**SMALL, "steps": 1})
    assert [(await fast.task(name))["completed"] for name in names] == [False] + [True] * REMEMBERED


async def test_closing_takes_no_time_even_in_mid_picture() -> None:
    big = {**LONG, "width": 1024, "height": 1024}
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(serve("127.0.0.1", 0, 0.5))
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            client = Client(session)
            paintings = [client.start(name, big) for name in ("running", "waiting")]
            await client.until("running", "active")
            await client.until("waiting", "queued")
            started = time.monotonic()
            await stack.aclose()
            assert time.monotonic() - started < 5, "one of them takes more than a minute"
            for told in await asyncio.gather(*paintings, return_exceptions=True):
                assert isinstance(told, (AssertionError, aiohttp.ClientError))


async def test_with_time_to_close_what_was_ordered_is_finished_and_nothing_more_is_taken() -> None:
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(serve("127.0.0.1", 0, 0.05, grace=30))
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            client = Client(session)
            paintings = [client.start(name, SMALL) for name in ("running", "waiting")]
            await client.until("running", "active")
            await client.until("waiting", "queued")
            closing = asyncio.ensure_future(stack.aclose())
            await asyncio.sleep(0)  # it begins
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.post(TXT2IMG, SMALL)
            with pytest.raises(aiohttp.ClientConnectorError):
                await client.post(TXT2IMG, SMALL)
            assert not paintings[0].done()
            assert [len((await painting)["images"]) for painting in paintings] == [1, 1]
            await closing


@pytest.mark.slow
async def test_with_time_to_close_whoever_reads_a_picture_may_read_it_whole() -> None:
    """Over a network one of many megabytes takes its time, as does one whose reader has much to do.

    Here it is a small one, over a line that holds little.
    """
    asks = json.dumps({**SMALL, "width": 512, "height": 512}).encode()
    kind = b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(asks)
    runner = web.AppRunner(init_app(0, grace=30), shutdown_timeout=0.1)
    await runner.setup()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        await web.SockSite(runner, listener).start()
        client.settimeout(10)
        client.connect(listener.getsockname())
        client.sendall(b"POST %s HTTP/1.1\r\n%s%s" % (TXT2IMG.encode(), kind, asks))
        pieces = [await asyncio.to_thread(client.recv, 1024)]
        closing = asyncio.ensure_future(runner.cleanup())
        await asyncio.wait([closing], timeout=1)  # nothing is read meanwhile
        reader = threading.Thread(target=lambda: pieces.extend(_slowly(client)))
        reader.start()
        await closing
        reader.join()  # the loop stands still, as that of a program that has ended: its rest is lost
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    assert b"Content-Length: %d\r\n" % len(body) in head


def _slowly(client: socket.socket) -> Iterator[bytes]:
    """What comes in, as over a network; until nothing comes any more."""
    with contextlib.suppress(TimeoutError):
        while piece := client.recv(4096):
            yield piece
            time.sleep(0.001)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_program_says_where_it_listens_and_stops_on_a_signal(
    number: signal.Signals, tmp_path: Path
) -> None:
    async with program(tmp_path, "-m", "engine", ENGINE_PORT="0") as started:
        assert "not a diffusion model" in await started.says("http://")
        started.signal(number)
        assert (await started.ends())[0] == 0


async def test_a_wrong_setting_ends_the_program_with_its_name(tmp_path: Path) -> None:
    async with program(tmp_path, "-m", "engine", ENGINE_STEP_SECONDS="soon") as started:
        code, said = await started.ends()
        assert code == 2
        assert "ENGINE_STEP_SECONDS" in said
