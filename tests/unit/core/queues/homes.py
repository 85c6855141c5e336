"""The homes of the queue, each with a clock that the tests move on: the contract holds for all of them."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any, Protocol
from unittest import mock

from redis.asyncio import Redis

from core.queues import Claim, Queue
from core.queues.memory import MemoryQueue
from core.queues.valkey import ValkeyQueue, store
from core.queues.valkey.store import PREFIX
from core.settings import Settings
from tests.unit.core import examples
from tests.unit.core.examples import Clock
from tests.valkey_server import flush


class Home(Protocol):
    """What the contract needs of a home beside the queue itself."""

    async def open(self, **settings: Any) -> Queue:
        """A queue, empty, with these settings."""

    async def another(self) -> Queue:
        """What another process sees of the queue that was opened last (in memory: the same)."""

    async def pass_time(self, seconds: float) -> None:
        """Let so much time go by on all clocks, and let the queues do what they do once a second."""

    async def settle(self) -> None:
        """Let everything that has been set off come to rest."""


class MemoryHome:
    """The queue in memory."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._queues: list[MemoryQueue] = []

    async def open(self, **settings: Any) -> MemoryQueue:
        queue = MemoryQueue(Settings(**settings), clock=self._clock)
        self._queues.append(queue)
        return queue

    async def another(self) -> MemoryQueue:
        return self._queues[-1]

    async def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)
        for queue in self._queues:
            await queue.pulse()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


class ValkeyHome:
    """The queue on a real Valkey, whose clock stands as well; time passes by being added to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._passed = 0.0
        self._queues: list[ValkeyQueue] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._settings = Settings(redis_url=url)

    async def open(self, **settings: Any) -> ValkeyQueue:
        self._settings = Settings(redis_url=self.url, **settings)
        return await self.another()

    async def another(self) -> ValkeyQueue:
        queue = ValkeyQueue(self._settings, skew=lambda: self._passed, clock=lambda: self._passed)
        self._queues.append(queue)
        self._tasks.append(asyncio.create_task(queue.listen()))
        await queue.first_pulse()
        return queue

    async def pass_time(self, seconds: float) -> None:
        """In steps, so that nobody seems to have been away; a very long time in a hundred."""
        step = 1.0 if seconds <= 20 else max(1.4, seconds / 100)
        while seconds > 0:
            self._passed += min(step, seconds)
            seconds -= step
            for queue in self._queues:
                await queue.pulse()
            await self._turn()
        await self.settle()

    def let_pass(self, seconds: float) -> None:
        """Time passes, and whoever has something to do does it by itself."""
        self._passed += seconds

    async def settle(self) -> None:
        """All calls are answered, and all that was published up to now is heard and worked on."""
        # By protocol 3 redis-py asks for what Valkey has not; the error keeps the frames of all its callers.
        async with Redis.from_url(self.url, protocol=2) as client:
            for _ in range(2):
                for queue in self._queues:
                    heard = asyncio.Event()
                    word = secrets.token_hex(8)
                    queue._holding._idle[word] = heard
                    while not heard.is_set():  # said again, in case its subscription breaks just now
                        await client.publish(f"{PREFIX}p:{queue.process}", f"B\n{word}\n0\n")
                        with suppress(TimeoutError):
                            async with asyncio.timeout(0.5):
                                await heard.wait()
                    del queue._holding._idle[word]
                await self._turn()

    async def _turn(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        while self._at_work():  # noqa: ASYNC110 - it ends by itself
            await asyncio.sleep(0)

    def _at_work(self) -> bool:
        return any(queue.store.calls or queue.tasks for queue in self._queues)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for queue in self._queues:
            await queue.store.close()


@asynccontextmanager
async def memory(_url: Callable[[], str]) -> AsyncIterator[Home]:
    yield MemoryHome()


@asynccontextmanager
async def valkey(url: Callable[[], str]) -> AsyncIterator[Home]:
    await flush(url())
    home = ValkeyHome(url())
    examples.settle = home.settle
    try:
        with standing_clock():
            yield home
    finally:
        examples.settle = examples.at_once
        await home.close()


@contextmanager
def standing_clock() -> Iterator[None]:
    """For the scripts the clock of Valkey stands: what a slow machine takes is no time that passes."""
    whole = store.load

    def load(script: str) -> tuple[str, str]:
        running = whole(script)[0]
        source = running.replace("redis.call('TIME')", "{'1700000000', '0'}")
        assert source != running
        return source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    with mock.patch.object(store, "load", load):
        yield


HOMES: dict[str, Callable[[Callable[[], str]], AbstractAsyncContextManager[Home]]] = {
    "memory": memory,
    "valkey": valkey,
}
"""Each is given where the Valkey of the tests is, which starts when it is asked for."""


def claiming(queue: Queue, backend: str) -> AbstractAsyncContextManager["asyncio.Task[Claim]"]:
    """A worker that waits for its next job."""
    return waiting_for(queue.claim(backend))


@asynccontextmanager
async def waiting_for(awaitable: Awaitable[Any]) -> AsyncIterator["asyncio.Task[Any]"]:
    """A task beside the test, that ends with it."""
    task = asyncio.ensure_future(awaitable)
    assert isinstance(task, asyncio.Task)
    try:
        await asyncio.sleep(0)
        await examples.settle()
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def snapshot(client: Redis) -> dict[bytes, bytes]:
    """All that Valkey holds now."""
    return {key: await client.dump(key) or b"" async for key in client.scan_iter()}


async def go_back(client: Redis, held: dict[bytes, bytes]) -> None:
    """As after a kill: Valkey holds what was on its disk then, and every connection is new."""
    await client.flushall()
    for key, value in held.items():
        await client.restore(key, 0, value)
    await client.client_kill_filter(_type="pubsub")
