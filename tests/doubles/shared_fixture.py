"""Many machines for tests: a real Valkey, and front ends and workers as processes of their own.

    async with House() as house:
        worker = await house.worker(double)
        http = await house.front_end()
        answer = await http.get("/text", input="a monkey")
        worker.kill()                       # as kill -9
        await house.valkey.start()

`LEASE_TTL` is one second, so that what waits for a lease waits less; `House(LEASE_TTL="3")` has the default.
"""

import asyncio
import json
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from redis.asyncio import Redis

from tests.doubles.a1111 import A1111Double
from tests.doubles.http_fixture import Answer, Event, read_events
from tests.doubles.program import ROOT, environment
from tests.valkey_server import ValkeyServer

WITHIN = 20.0
"""Seconds for what is waited for: ample, it is reached only by a test that fails."""


class Running:
    """A process of ours; all that it says is kept."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._said = asyncio.Event()
        self._hearing = asyncio.create_task(self._hear())

    @property
    def text(self) -> str:
        """What it has said so far, on its output and its log."""
        return "".join(self.lines)

    async def says(self, pattern: str) -> re.Match[str]:
        """Wait until it has said this, in one line."""
        seen = 0
        async with asyncio.timeout(WITHIN):
            while True:
                for line in self.lines[seen:]:
                    if match := re.search(pattern, line):
                        return match
                seen = len(self.lines)
                assert not self._hearing.done(), f"it ended without {pattern!r}:\n{self.text}"
                self._said.clear()
                await self._said.wait()

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(WITHIN):
            await self._hearing
            return await self.process.wait()

    def kill(self) -> None:
        """As kill -9."""
        if self.process.returncode is None:
            self.process.kill()

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        self.process.send_signal(number)

    async def close(self) -> None:
        """End it, however it stands, and see that it is gone."""
        self.kill()
        await self._hearing
        await self.process.wait()

    async def _hear(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode())
            self._said.set()
        self._said.set()


class FrontEnd(Running):
    """`python -m httpserver` (or wsserver), once it listens."""

    session: aiohttp.ClientSession
    url: str

    async def ask(
        self,
        method: str,
        path: str,
        *,
        caller: str | None = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """Send a request and read its answer; `caller` is an address that a trusted proxy tells."""
        sent = {**(headers or {}), **({"X-Forwarded-For": caller} if caller else {})}
        async with self.session.request(method, self.url + path, params=query, headers=sent) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **query: Any) -> Answer:
        """GET it."""
        return await self.ask("GET", path, **query)

    async def refused(self, **query: Any) -> float:
        """Submit what is refused, because the queue is away; how many seconds that took."""
        began = time.monotonic()
        answer = await self.get("/text", **query)
        assert answer.refusal == (503, "queue_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        return time.monotonic() - began

    async def submit(self, **query: Any) -> str:
        """The id of a job that is fetched later."""
        answer = await self.ask("GET", "/text", headers={"Prefer": "respond-async"}, **query)
        assert answer.status == 202, answer.body
        id: str = answer.json["id"]
        return id

    async def fetch(self, id: str) -> Answer:
        """The result, once it is there."""
        wait = {"Prefer": "wait=10"}
        async with asyncio.timeout(WITHIN):
            while True:
                answer = await self.ask("GET", f"/jobs/{id}", headers=wait)
                if answer.status != 200 or answer.json["state"] not in {"waiting", "running"}:
                    return answer

    async def status(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Ask `/status` until it says what is waited for."""
        status: dict[str, Any] = {}
        try:
            async with asyncio.timeout(WITHIN):
                while not status or not condition(status):
                    answer = await self.get("/status")
                    status = answer.json if answer.status == 200 else {}
        except TimeoutError:
            raise AssertionError(f"did not happen in {WITHIN} s; the status: {status}") from None
        return status

    @asynccontextmanager
    async def events(self, path: str = "/text", **query: Any) -> AsyncIterator[AsyncIterator[Event]]:
        """GET a stream of events; leaving it hangs up."""
        async with self.session.get(
            self.url + path, params=query, headers={"Accept": "text/event-stream"}
        ) as response:
            assert response.status == 200, await response.read()
            yield read_events(response)


R = TypeVar("R", bound=Running)


class House:
    """A Valkey, and the processes that share it. Keyword arguments are settings of all of them."""

    def __init__(self, *options: str, valkey: ValkeyServer | None = None, **environ: str) -> None:
        self.valkey = valkey or ValkeyServer(*options)
        self.environ = {"LEASE_TTL": "1", **environ}
        self.loud = True
        """Whether a failure shows what the processes said."""
        self.processes: list[Running] = []
        self._stack = AsyncExitStack()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )
        self._folder = tempfile.TemporaryDirectory(prefix="house-")

    async def __aenter__(self) -> Self:
        self._stack.enter_context(self._folder)
        await self._stack.enter_async_context(self._session)
        await self._stack.enter_async_context(self.valkey)
        self._stack.push_async_callback(self._close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self.loud:
            for process in self.processes:
                print(process.text, end="")
        await self._stack.aclose()

    async def worker(self, *doubles: A1111Double, **environ: str) -> Running:
        """`python -m core.worker` for these servers, once it paints for the queue."""
        worker = await self.starting_worker(*doubles, **environ)
        await worker.says("worker, painting for the shared queue")
        return worker

    async def starting_worker(self, *doubles: A1111Double, **environ: str) -> Running:
        """The same, as soon as the process is there."""
        backends = ",".join(double.url for double in doubles)
        return await self._start(Running, "core.worker", SD_BACKENDS=backends, **environ)

    async def front_end(self, **environ: str) -> FrontEnd:
        """`python -m httpserver`, once it listens."""
        front_end = await self.starting_front_end(**environ)
        await self.listens(front_end)
        return front_end

    async def starting_front_end(self, **environ: str) -> FrontEnd:
        """The same, as soon as the process is there."""
        ports = {"HTTP_PORT": "0", "PROMPT_FILE": "", "TRUSTED_PROXIES": "127.0.0.1"}
        front_end = await self._start(FrontEnd, "httpserver", **{**ports, **environ})
        front_end.session = self._session
        return front_end

    async def listens(self, front_end: FrontEnd) -> None:
        """Wait until a front end listens."""
        front_end.url = (await front_end.says(r"(http://127\.0\.0\.1:\d+)"))[1]

    async def websocket(self, **environ: str) -> tuple[Running, str]:
        """`python -m wsserver`, and where it listens."""
        front_end = await self._start(Running, "wsserver", WS_PORT="0", **environ)
        return front_end, (await front_end.says(r"(ws://127\.0\.0\.1:\d+)"))[1]

    async def until_paints(self, front_end: FrontEnd, count: int) -> None:
        """Wait until so many servers can paint."""
        await front_end.status(
            lambda status: sum(backend["state"] != "down" for backend in status["backends"]) == count
        )

    async def one_runs_one_waits(
        self, front_end: FrontEnd, double: A1111Double
    ) -> tuple[asyncio.Task[Answer], asyncio.Task[Answer]]:
        """Ask for `runs`, which the double holds, and for `waits`; both are in the queue and watched then."""
        double.hold()
        runs = asyncio.create_task(front_end.get("/text", input="runs"))
        await double.until(lambda: double.paintings)
        waits = asyncio.create_task(front_end.get("/text", input="waits", caller="203.0.113.9"))
        async with asyncio.timeout(WITHIN), Redis.from_url(self.valkey.url) as valkey:
            # Before its job is watched, an outage fails a request.
            while len(await valkey.keys("{sd}:w:*")) < 2:
                pass
            # Of clients whose commands came together Valkey answers the last one first: with a second answer
            # to us the watches have theirs.
            await valkey.ping()
        return runs, waits

    async def _start(self, kind: type[R], module: str, **environ: str) -> R:
        chosen = {"PYTHONPATH": str(ROOT), "REDIS_URL": self.valkey.url, **self.environ, **environ}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            cwd=Path(self._folder.name),
            env=environment(**chosen),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        running = kind(process)
        self.processes.append(running)
        return running

    async def _close(self) -> None:
        await asyncio.gather(*(process.close() for process in self.processes))


def picture_of(answer: Answer) -> bytes:
    """The picture of an answer that must be one, as base64."""
    assert answer.status == 200, answer.body[:500]
    return str(json.loads(answer.body)["image-base64"]).encode()
