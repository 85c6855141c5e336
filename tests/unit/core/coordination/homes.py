"""The homes of Coordination, each with a time that the tests let pass."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from core.coordination import Coordination
from core.coordination.memory import MemoryCoordination
from tests.unit.core.examples import Clock


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


@asynccontextmanager
async def memory() -> AsyncIterator[Home]:
    yield MemoryHome()


HOMES: dict[str, Callable[[], AbstractAsyncContextManager[Home]]] = {"memory": memory}
