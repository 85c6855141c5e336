"""The homes of Coordination, each with a time that the tests let pass."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from redis.asyncio import Redis

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
    """On a real Valkey. Its clock runs, too; time passes by being taken from what each key has left."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._passed = 0.0
        self.store = Store(Settings(redis_url=url), skew=lambda: self._passed)
        self.coordination: Coordination = ValkeyCoordination(self.store)

    async def pass_time(self, seconds: float) -> None:
        self._passed += seconds
        async with Redis.from_url(self._url) as client:
            async for key in client.scan_iter():
                if (left := await client.pttl(key)) > 0:
                    await client.pexpire(key, left - round(1000 * seconds))


@asynccontextmanager
async def memory(_url: Callable[[], str]) -> AsyncIterator[Home]:
    yield MemoryHome()


@asynccontextmanager
async def valkey(url: Callable[[], str]) -> AsyncIterator[Home]:
    await flush(url())
    home = ValkeyHome(url())
    try:
        yield home
    finally:
        await home.store.close()


HOMES: dict[str, Callable[[Callable[[], str]], AbstractAsyncContextManager[Home]]] = {
    "memory": memory,
    "valkey": valkey,
}
