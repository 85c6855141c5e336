"""The HTTP front end for tests: real sockets, the real core, and the A1111 double behind it.

    async with serving(tmp_path) as served:
        answer = await served.get("/text", input="a monkey")

An answer is read whole at once, so that nothing stays open. Keyword arguments of `serving` are settings; a
job that fails is not tried again, unless they say otherwise.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy

from core import BackendAddress, Gateway, Settings, connect
from httpserver import listen
from tests.doubles.a1111 import A1111Double


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's words."""
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code of a problem; also checks that it is one."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.headers["Cache-Control"] == "no-store"
        assert self.json["status"] == self.status
        return self.status, self.json["code"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream."""

    name: str
    words: dict[str, Any]


@dataclass(slots=True)
class Served:
    """A running front end and all that stands behind it."""

    port: int
    settings: Settings
    gateway: Gateway
    double: A1111Double
    client: aiohttp.ClientSession
    prompt_file: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: Any = None,
        **query: Any,
    ) -> Answer:
        """Send a request and read its answer."""
        async with self.client.request(
            method, self.url + path, params=query, headers=headers, json=body
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, *, headers: dict[str, str] | None = None, **query: Any) -> Answer:
        """GET it, with these parameters."""
        return await self.ask("GET", path, headers=headers, **query)

    @asynccontextmanager
    async def events(
        self, path: str, *, headers: dict[str, str] | None = None, **query: Any
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """GET a stream; leaving it hangs up."""
        wanted = {"Accept": "text/event-stream", **(headers or {})}
        async with self.client.get(self.url + path, params=query, headers=wanted) as response:
            assert response.status == 200, await response.read()
            assert response.content_type == "text/event-stream"
            yield read_events(response)

    async def send(self, raw: bytes) -> bytes:
        """Write these bytes on a connection of their own, and read until the server closes it."""
        async with self.connection(raw) as reader:
            return await reader.read()

    @asynccontextmanager
    async def connection(self, raw: bytes) -> AsyncIterator[asyncio.StreamReader]:
        """Write these bytes on a connection of their own; leaving it hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(raw)
            yield reader
        finally:
            writer.close()
            await writer.wait_closed()

    async def until_status(self, condition: Callable[[dict[str, Any]], object]) -> None:
        """Ask `/status` until it says what is waited for."""
        async with asyncio.timeout(10):
            while not condition((await self.get("/status")).json):
                pass


async def until(condition: Callable[[], object], *, within: float = 5.0) -> None:
    """Wait for what tells nobody when it happens: a file on the disk, a line in the log."""

    def look() -> None:
        end = time.monotonic() + within
        while not condition():
            assert time.monotonic() < end, f"did not happen in {within} s"
            time.sleep(0.001)

    await asyncio.to_thread(look)


@asynccontextmanager
async def serving(
    folder: Path, *, double: A1111Double | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """The front end on a free port, with one double behind it."""
    prompt_file = folder / "prompt.txt"
    async with double or A1111Double() as double:
        chosen = Settings(
            sd_backends=(BackendAddress(double.url, *(double.credentials or ())),),
            http_port=0,
            **{"prompt_file": str(prompt_file), "max_attempts": 1, **settings},
        )
        async with (
            connect(chosen) as gateway,
            listen(gateway, chosen) as port,
            aiohttp.ClientSession() as client,
        ):
            yield Served(port, chosen, gateway, double, client, prompt_file)


async def read_events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    """The events of a stream; its comments and ids are left out."""
    text = b""
    async for chunk in response.content.iter_any():
        text += chunk
        while b"\n\n" in text:
            block, text = text.split(b"\n\n", 1)
            lines = dict(line.split(": ", 1) for line in block.decode().split("\n"))
            if "event" in lines:
                yield Event(lines["event"], json.loads(lines["data"]))
