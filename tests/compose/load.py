"""Load: clients as the README describes them. They come back for their picture until they have it."""

import asyncio
import base64
import binascii
import io
import json
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
from PIL import Image
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

PASSING = {"shutting_down", "queue_unavailable", "no_backend"}
"""Codes that say: come again."""
SMALL = {"steps": 8, "width": 192, "height": 192}
"""A picture that costs little: what is tested is its way."""
AT_ONCE = 12
"""Clients of one wire: fewer than there are, so that new ones come all the time."""
PAUSE = 0.2
"""Seconds before a client comes again."""
PATIENCE = 120.0
"""Seconds until everybody has to have a picture."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What one client got: for its number, from the replica that answered, after coming `again` so often."""

    number: int
    id: str
    replica: str
    backend: str
    again: int
    png: bytes

    def check(self) -> None:
        """It is the one that was asked for: prompt and seed stand in the file, and it can be decoded."""
        with Image.open(io.BytesIO(self.png)) as image:
            image.load()
            words = image.info["parameters"]
        assert words.startswith(f"{prompt(self.number)}\n"), words
        assert f"Seed: {self.number}," in words, words


Client = Callable[[], Coroutine[Any, Any, Picture]]


def prompt(number: int) -> str:
    """What the client with this number asks for."""
    return f"a monkey with {number} hats"


class Load:
    """Clients of one service. Each `number` is a client with a prompt and a seed of its own."""

    def __init__(self, http_port: int, ws_port: int) -> None:
        self.http = f"http://127.0.0.1:{http_port}"
        self.ws = f"ws://127.0.0.1:{ws_port}"
        self.done = 0
        """How many have their picture."""

    async def run(self, http: Iterable[int], ws: Iterable[int], *, patient: bool = True) -> list[Picture]:
        """All of them, AT_ONCE at a time over each wire. Without `patient` every HTTP answer is a picture."""
        async with (
            asyncio.timeout(PATIENCE),
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as session,
            asyncio.TaskGroup() as group,
        ):
            turns = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)
            clients = [(turns[0], partial(self._over_http, session, number, patient)) for number in http]
            clients += [(turns[1], partial(self._over_ws, number)) for number in ws]
            tasks = [group.create_task(_in_turn(*client)) for client in clients]
        pictures = [task.result() for task in tasks]
        for picture in pictures:
            picture.check()
        assert len({picture.id for picture in pictures}) == len(pictures)
        return pictures

    async def keep_busy(self, jobs: int) -> list[str]:
        """Jobs that everybody else waits for: each keeps an engine for some seconds. Where they are found."""
        found = []
        async with aiohttp.ClientSession(headers={"Prefer": "respond-async"}) as session:
            for _ in range(jobs):
                words = {"input": "a monkey that takes its time", "steps": 150}
                async with session.post(f"{self.http}/text", json=words) as answer:
                    assert answer.status == 202
                    found.append(f"{self.http}{answer.headers['Location']}")
        return found

    async def end(self, jobs: Iterable[str]) -> None:
        """Cancel what waits or runs of them, so that others have their turn."""
        async with aiohttp.ClientSession() as session:
            for job in jobs:
                async with session.delete(job) as answer:
                    await answer.read()

    async def until_done(self, number: int) -> None:
        """Wait until so many have their picture."""
        async with asyncio.timeout(PATIENCE):
            while self.done < number:  # noqa: ASYNC110 - each client tells only itself
                await asyncio.sleep(0.01)

    async def _over_http(self, session: aiohttp.ClientSession, number: int, patient: bool) -> Picture:
        """GET by turns with POST; with a key where it would come again."""
        words = {"input": prompt(number), "seed": number, **SMALL}
        headers = {"Idempotency-Key": f"client-{number}"} if patient else {}
        request: dict[str, Any] = {"params": words} if number % 2 else {"json": words}
        again = 0
        while True:
            try:
                method = "GET" if number % 2 else "POST"
                async with session.request(method, f"{self.http}/text", headers=headers, **request) as answer:
                    body = json.loads(await answer.read())
                    if answer.status == 200:
                        self.done += 1
                        return _picture(number, body, answer.headers["X-Served-By"], again)
                assert patient, body
                assert body["code"] in PASSING, body
            except aiohttp.ClientError:
                if not patient:
                    raise
            again += 1
            await asyncio.sleep(PAUSE)

    async def _over_ws(self, number: int) -> Picture:
        """Keep the job, and attach to it on another connection if this one ends."""
        id, again = "", 0
        while True:
            first = {"type": "attach", "id": id} if id else _generate(number)
            try:
                async with connect(self.ws, max_size=None, compression=None) as socket:
                    await socket.send(json.dumps(first))
                    async for text in socket:
                        words = json.loads(text)
                        id = words.get("id", id)
                        if words["type"] == "image":
                            self.done += 1
                            assert socket.response is not None
                            return _picture(number, words, socket.response.headers["X-Served-By"], again)
                        if words["type"] == "error":
                            assert words["code"] in PASSING, words
                            break
            except (WebSocketException, OSError, EOFError, TimeoutError):
                pass
            again += 1
            await asyncio.sleep(PAUSE)


async def _in_turn(turns: asyncio.Semaphore, client: Client) -> Picture:
    async with turns:
        return await client()


def _generate(number: int) -> dict[str, Any]:
    words = {"input": prompt(number), "seed": number, **SMALL, "keep": True}
    return {"type": "generate", "idempotency_key": f"client-{number}", **words}


def _picture(number: int, words: dict[str, Any], replica: str, again: int) -> Picture:
    try:
        png = base64.b64decode(words["image-base64"], validate=True)
    except binascii.Error as error:
        raise AssertionError(f"no base64: {error}") from error
    return Picture(number, words["id"], replica, words["backend"], again, png)
