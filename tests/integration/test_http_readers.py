"""Clients that read slowly, or not at all: those are waited for, these are cut off."""

import asyncio
import base64
import json
import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from yarl import URL

from core import stall
from httpserver import connection, server, stream
from tests.doubles.a1111 import A1111Double
from tests.doubles.http_fixture import Served, serving
from tests.doubles.shared_fixture import House

PICTURE = "/kb-2000"
"""More than all buffers on the way to a client hold."""


@pytest.fixture
def cut_off(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the server's end of a connection is gone."""
    gone = asyncio.Event()

    class Known(connection.Connection):
        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            gone.set()

    monkeypatch.setattr(server, "Connection", Known)
    return gone


class Clock:
    """Stands in for the loop's, by which a client is waited for: its time passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due = math.inf
        self._judge: Callable[[], None]

    def call_later(self, delay: float, judge: Callable[[], None]) -> "Clock":
        self._due, self._judge = self.now + delay, judge
        return self

    def cancel(self) -> None:
        self._due = math.inf

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self._due:
            self._judge()


@asynccontextmanager
async def narrow(port: int, head: str, *, ahead: int = 4096) -> AsyncIterator[socket.socket]:
    """A client whose kernel reads little ahead (bytes), with this request sent."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ahead)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, f"{head}\r\nHost: localhost\r\n\r\n".encode())
        yield client


async def kept(served: Served) -> str:
    """A job with a large picture, completed and kept: its path."""
    answer = await served.get("/text", input=PICTURE, keep="true")
    return f"/jobs/{answer.json['id']}"


@pytest.mark.parametrize("rest", ["", "/images/0"])
@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
async def test_a_client_that_never_reads_its_answer_is_cut_off(
    tmp_path: Path, cut_off: asyncio.Event, rest: str, accept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture in JSON, as itself, as an event."""
    async with serving(tmp_path) as served:
        path = await kept(served)
        monkeypatch.setattr(stall, "STALL_SECONDS", 0.3)
        async with (
            narrow(served.port, f"GET {path}{rest} HTTP/1.1\r\nAccept: {accept}"),
            asyncio.timeout(5),
        ):
            await cut_off.wait()
        assert (await served.get("/healthz")).status == 200


async def test_a_client_that_reads_slowly_gets_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it takes many times as long as one that reads nothing is waited for."""
    clock: Any = Clock()
    monkeypatch.setattr(connection, "Stall", lambda transport, _: stall.Stall(transport, clock))
    async with serving(tmp_path) as served:
        path = await kept(served)
        head = f"GET {path}/images/0 HTTP/1.1\r\nConnection: close"
        async with narrow(served.port, head, ahead=16_384) as client:
            answer = b""
            while chunk := await asyncio.get_running_loop().sock_recv(client, 131_072):
                answer += chunk
                clock.pass_by(stall.STALL_SECONDS * len(chunk) / 500_000)
        answered, picture = answer.split(b"\r\n\r\n", 1)
        assert clock.now > 3 * stall.STALL_SECONDS
        assert f"Content-Length: {len(picture)}".encode() in answered
        assert picture == base64.b64decode((await served.get(path)).json["image-base64"])


async def test_a_client_that_lets_its_events_lie_has_hung_up(
    tmp_path: Path, cut_off: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job ends, also on the GPU."""
    monkeypatch.setattr(stall, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0)
    monkeypatch.setattr(stall, "UNSENT_BYTES", 1)
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        async with narrow(served.port, "GET /text?input=unwanted HTTP/1.1\r\nAccept: text/event-stream"):
            await served.double.until(lambda: served.double.interrupts)
            assert cut_off.is_set()
        served.double.release()


@pytest.mark.slow
async def test_all_who_read_a_kept_result_hold_it_once(tmp_path: Path) -> None:
    """However slowly, and in whatever form: a copy for each of them would fill the memory of the process."""
    async with A1111Double() as double, House() as house, Redis.from_url(house.valkey.url) as valkey:
        _, http = await asyncio.gather(house.worker(double), house.front_end())
        await house.until_paints(http, 1)
        path = f"/jobs/{json.loads((await http.get('/text', input=PICTURE, keep='true')).body)['id']}"
        await valkey.config_resetstat()
        async with AsyncExitStack() as stack:
            for rest in ["", "/images/0"] * 3:
                head = f"GET {path}{rest} HTTP/1.1"
                client = await stack.enter_async_context(narrow(URL(http.url).port or 0, head))
                assert await asyncio.get_running_loop().sock_recv(client, 12) == b"HTTP/1.1 200"
            assert (await valkey.info("commandstats"))["cmdstat_get"]["calls"] == 1
