"""Studio: the A1111 backend over real sockets, and the double behind it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from core.backends import Wishes
from core.backends.a1111 import A1111Backend, open_session
from core.errors import BackendError
from core.events import Completed, Progress
from core.queues import Wish
from core.request import ImageRequest
from core.variables import BackendAddress
from tests.doubles.a1111 import A1111Double

WATCHED = Wish(held=True, watched=True, preview=False)
PREVIEW = Wish(held=True, watched=True, preview=True)
ALONE = Wish(held=True, watched=False, preview=False)
TASK = "sd-b64-test-1"


class Studio:
    """A backend and the server behind it."""

    def __init__(self, double: A1111Double, backend: A1111Backend) -> None:
        self.double = double
        self.backend = backend
        self.told: list[Progress] = []
        self.heard = asyncio.Event()

    async def paint(
        self, prompt: str = "a cat", *, task: str = TASK, wishes: Wishes | None = None, **more: Any
    ) -> Completed:
        request = ImageRequest(prompt=prompt, **more)
        return await self.backend.paint(task, request, self._hear, wishes or Wishes(ALONE))

    async def half_painted(self, prompt: str = "a cat") -> "asyncio.Task[Completed]":
        """One that the server has under way, until it is released."""
        self.double.hold(at=2)
        painting = asyncio.create_task(self.paint(prompt))
        await self.double.until(lambda: self.double.is_painting(TASK))
        return painting

    async def give_up_on_one(self) -> None:
        """A proxy tells of a 504 while the server paints on."""
        await self.backend.look()
        self.double.hold(at=2)
        with pytest.raises(BackendError, match="a proxy before it answered 504: it may not wait"):
            await self.paint("/impatient")

    async def _hear(self, progress: Progress) -> None:
        self.told.append(progress)
        self.heard.set()


@asynccontextmanager
async def studio(
    *, user: str = "", password: str = "", clock: Callable[[], float] = time.monotonic, **double: Any
) -> AsyncIterator[Studio]:
    async with A1111Double(**double) as server, open_session() as session:
        address = BackendAddress(server.url, user, password)
        yield Studio(server, A1111Backend(address, session, deployment="test", clock=clock, give_up=5))
