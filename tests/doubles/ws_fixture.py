"""The websocket front end for tests: real sockets, the real core, and the A1111 double behind it.

    async with serving() as served, served.client() as client:
        await client.say(input="a monkey")
        image = await client.hear("image")

Keyword arguments of `serving` are settings; a job that fails is not tried again, unless they say otherwise.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from core import BackendAddress, Caller, Gateway, Settings, Status, connect
from tests.doubles.a1111 import A1111Double
from wsserver import listen

Words = dict[str, Any]
Raw = tuple[asyncio.StreamReader, asyncio.StreamWriter]
ENDS = ("image", "cancelled", "error")
UPGRADE = (
    "GET / HTTP/1.1",
    "Host: localhost",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)
"""A request to become a websocket."""
TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
"""Frames that are whole messages, by their first byte."""


def frame(kind: int, payload: bytes) -> bytes:
    """A short frame as a client sends it, masked with zeros."""
    return bytes([kind, 0x80 | len(payload), 0, 0, 0, 0]) + payload


@dataclass(frozen=True, slots=True)
class Client:
    """One connection to the server."""

    socket: ClientConnection

    async def say(self, **fields: Any) -> None:
        """Send one JSON object."""
        await self.socket.send(json.dumps(fields))

    async def next(self) -> Words:
        """The next message, whatever it is."""
        async with asyncio.timeout(10):
            text = await self.socket.recv()
        assert isinstance(text, str)
        words: Words = json.loads(text)
        return words

    async def hear(self, *kinds: str, **fields: Any) -> Words:
        """The next message of one of these types (default: an end) with these fields; drops others."""
        while True:
            words = await self.next()
            if words["type"] in (kinds or ENDS) and fields.items() <= words.items():
                return words

    async def code(self, **fields: Any) -> str:
        """The code of the next error with these fields."""
        return str((await self.hear("error", **fields))["code"])

    async def closed(self) -> tuple[int | None, str]:
        """Wait until the server closes the connection; the code and the reason."""
        async with asyncio.timeout(10):
            try:
                while True:
                    await self.socket.recv()
            except websockets.ConnectionClosed:
                return self.socket.close_code, self.socket.close_reason or ""


@dataclass(frozen=True, slots=True)
class Served:
    """A running front end and all that stands behind it."""

    port: int
    settings: Settings
    gateway: Gateway
    double: A1111Double

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def client(self, headers: dict[str, str] | None = None, **options: Any) -> AsyncIterator[Client]:
        """Connect; leaving it closes the connection, as a client should."""
        chosen = {"max_size": None, "close_timeout": 0.05, "compression": None, **options}
        async with websockets.connect(self.url, additional_headers=headers, **chosen) as socket:
            yield Client(socket)

    @asynccontextmanager
    async def raw(self, *lines: str) -> AsyncIterator[Raw]:
        """A connection that sends this HTTP request, and then what the test writes; leaving it hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())
            yield reader, writer
        finally:
            writer.transport.abort()

    async def ask(self, *lines: str) -> tuple[int, str, str]:
        """Send this HTTP request; status, head and body of the answer, read until the server closes."""
        async with self.raw(*lines) as (reader, _), asyncio.timeout(10):
            head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        return int(head.split()[1]), head, body

    async def status(self) -> Status:
        """Counts, as a caller on this machine sees them."""
        return await self.gateway.status(Caller("ip:127.0.0.1"))

    async def until(self, condition: Callable[[Status], object]) -> None:
        """Look at the status until it says what is waited for."""
        async with asyncio.timeout(10):
            while not condition(await self.status()):  # noqa: ASYNC110
                await asyncio.sleep(0)  # the queue tells nobody of its counts

    async def hold_one(self, client: Client, prompt: str = "the one that holds", **fields: Any) -> str:
        """Submit a job that is painted and does not get on; its id."""
        self.double.hold(at=1)
        await client.say(input=prompt, **fields)
        started = await client.hear("started")
        await self.double.until(lambda: self.double.active)
        return str(started["id"])

    @property
    def prompts(self) -> list[str]:
        """What reached the backend, in order."""
        return [request["prompt"] for request in self.double.txt2img_requests]


@asynccontextmanager
async def serving(*, double: A1111Double | None = None, **settings: Any) -> AsyncIterator[Served]:
    """The front end on a free port, with one double behind it."""
    async with double or A1111Double() as double:
        chosen = settings_of(double, **settings)
        async with connect(chosen) as gateway, listen(gateway, chosen) as port:
            yield Served(port, chosen, gateway, double)


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[tuple[Served, asyncio.Event, asyncio.Task[None]]]:
    """The same as a program of its own: the event stops it, as a signal would, the task is its end."""
    ready: asyncio.Future[tuple[int, Gateway]] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def program(chosen: Settings) -> None:
        async with connect(chosen) as gateway, listen(gateway, chosen) as port:
            ready.set_result((port, gateway))
            await stop.wait()
            await gateway.drain(chosen.shutdown_grace)

    async with A1111Double() as double:
        chosen = settings_of(double, **settings)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(program(chosen))
            port, gateway = await ready
            yield Served(port, chosen, gateway, double), stop, task
            stop.set()


def settings_of(double: A1111Double, **settings: Any) -> Settings:
    """Settings with this double as the only backend."""
    defaults = {"prompt_file": "", "max_attempts": 1}
    return Settings(sd_backends=(BackendAddress(double.url),), ws_port=0, **{**defaults, **settings})
