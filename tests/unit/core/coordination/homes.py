"""The homes of Coordination, each with a time that the tests let pass."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from core.coordination import Coordination
from core.coordination.memory import MemoryCoordination
from core.coordination.valkey import ValkeyCoordination
from core.queues.valkey.store import Store
from core.settings import Settings
from tests.unit.core.examples import Clock
from tests.valkey_server import flush


class Home(Protocol):
    """One shared home, and its time."""

    coordination: Coordination

    async def pass_time(self, seconds: float) -> None:
        """Let so much time go by."""


class MemoryHome:
    """Within this process."""

    def __init__(self) -> None:
        self._clock = Clock()
        self.coordination: Coordination = MemoryCoordination(clock=self._clock)

    async def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)


class ValkeyHome:
    """On a real Valkey, whose keys end by its own clock: here time is waited for."""

    def __init__(self, store: Store) -> None:
        self.coordination: Coordination = ValkeyCoordination(store)

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@asynccontextmanager
async def memory(_url: Callable[[], str]) -> AsyncIterator[Home]:
    yield MemoryHome()


@asynccontextmanager
async def valkey(url: Callable[[], str]) -> AsyncIterator[Home]:
    await flush(url())
    store = Store(Settings(redis_url=url()))
    try:
        yield ValkeyHome(store)
    finally:
        await store.close()


HOMES: dict[str, Callable[[Callable[[], str]], AbstractAsyncContextManager[Home]]] = {
    "memory": memory,
    "valkey": valkey,
}
