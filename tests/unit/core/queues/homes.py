"""The homes of the queue, each with a clock that the tests move on: the contract holds for all of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from core.queues import Claim, Queue
from core.queues.memory import MemoryQueue
from core.settings import Settings
from tests.unit.core.examples import Clock


class Home(Protocol):
    """What the contract needs of a home beside the queue itself."""

    def open(self, **settings: Any) -> Queue:
        """A queue, empty, with these settings."""

    async def pass_time(self, seconds: float) -> None:
        """Let so much time go by on all clocks, and let the queues do what they do once a second."""

    async def settle(self) -> None:
        """Let everything that has been set off come to rest."""


class MemoryHome:
    """The queue in memory."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._queues: list[MemoryQueue] = []

    def open(self, **settings: Any) -> MemoryQueue:
        queue = MemoryQueue(Settings(**settings), clock=self._clock)
        self._queues.append(queue)
        return queue

    async def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)
        for queue in self._queues:
            await queue.pulse()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


HOMES: dict[str, Callable[[], Home]] = {"memory": MemoryHome}


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
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
