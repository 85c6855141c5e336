"""Bench: a worker on a real queue in memory, with a backend that follows a script."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from core.backends import Backend, OnProgress, Wishes
from core.events import Completed, End, Failed
from core.offers import Offer
from core.queues import Again, Claim
from core.queues.memory import MemoryQueue
from core.request import ImageRequest
from core.settings import Settings
from core.watch import Watch
from core.worker import Worker
from tests.unit.core.examples import ALICE, painted, soon, usable, wish_for

Paint = Callable[["Scripted", OnProgress, Wishes], Awaitable[Completed]]


class Scripted:
    """A backend that paints as it is told, one step of `script` for each picture."""

    def __init__(self, log: list[str], *script: Paint, name: str = "gpu:1") -> None:
        self.name = name
        self.log = log
        self.script = list(script)
        self.looks: list[Offer] = []
        """What it says when it is looked at, the last one for ever."""
        self.tasks: list[str] = []
        self.painting = asyncio.Event()
        self.stopped = asyncio.Event()
        self.may_stop = True
        """Whether an interrupt ends the painting."""

    @property
    def offer(self) -> Offer:
        return self.looks[0] if self.looks else usable(self.name)

    async def look(self) -> Offer:
        self.log.append("look")
        if len(self.looks) > 1:
            return self.looks.pop(0)
        return self.offer

    async def paint(
        self, task: str, request: ImageRequest, on_progress: OnProgress, wishes: Wishes
    ) -> Completed:
        self.log.append("paint")
        self.tasks.append(task)
        self.stopped.clear()
        self.painting.set()
        try:
            return await self.script.pop(0)(self, on_progress, wishes)
        except asyncio.CancelledError:
            self.log.append("hung up")
            raise
        finally:
            self.painting.clear()

    async def interrupt(self, task: str) -> None:
        self.log.append(f"interrupt {self.tasks.index(task)}")
        if self.may_stop:
            self.stopped.set()


class LoggedQueue(MemoryQueue):
    """Notes what a worker tells the queue, in order."""

    def __init__(self, log: list[str], settings: Settings) -> None:
        super().__init__(settings)
        self.log = log

    async def offer(self, offer: Offer) -> None:
        self.log.append("usable" if offer.usable else "resting" if offer.resting else "unusable")
        await super().offer(offer)

    async def finish(self, claim: Claim, outcome: End | Again) -> bool:
        accepted = await super().finish(claim, outcome)
        name = type(outcome).__name__ if not isinstance(outcome, Failed) else outcome.code
        self.log.append(f"{name} {'accepted' if accepted else 'refused'}")
        return accepted


class Bench:
    """A worker at work, and what it did in order."""

    def __init__(self, *script: Paint, **settings: float) -> None:
        self.log: list[str] = []
        self.backend = Scripted(self.log, *script)
        chosen = Settings(**settings)  # type: ignore[arg-type]
        self.queue = LoggedQueue(self.log, chosen)
        backend: Backend = self.backend
        self.worker = Worker(self.queue, backend, deployment="test", job_timeout=chosen.job_timeout)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[asyncio.Task[None]]:
        """Where it works, until it retires: nothing else may end it."""
        await self.worker.look()
        task = asyncio.create_task(self.worker.run())
        try:
            yield task
            assert not task.done() or task.exception() is None
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def submit(self, id: str = "job") -> Watch:
        await self.queue.put(id, wish_for(), ALICE, keep=True)
        return await self.queue.events(id)


async def succeed(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
    return painted(backend.name)


async def go_on_until_interrupted(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
    """As A1111: an interrupted request is answered, with the picture as far as it is."""
    await backend.stopped.wait()
    return painted(backend.name)


def fail(error: Exception) -> Paint:
    async def paint(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
        raise error

    return paint


async def code_of(watch: Watch) -> str:
    end = await soon(watch.end())
    assert isinstance(end, Failed)
    return end.code


async def turn() -> None:
    await asyncio.sleep(0)


async def submit_when_usable(bench: Bench) -> Watch:
    while not (await bench.queue.offers()).offers[0].usable:
        await soon(turn())
    return await bench.submit("next")
