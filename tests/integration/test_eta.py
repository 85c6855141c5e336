"""The first estimate that a waiting client hears, against when its picture really came."""

import asyncio
import random
import selectors
import statistics
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from core import BackendAddress, Caller, Completed, Gateway, ImageRequest, Queued, Settings
from core.backends.a1111 import A1111Backend, open_session
from core.coordination.memory import MemoryCoordination
from core.queues.memory import MemoryQueue
from core.worker import Worker
from tests.doubles.a1111 import A1111Double

UNEQUAL = ((0.2, "alpha"), (0.3, "alpha"), (0.6, "alpha"))
"""Three backends: seconds a step, and their models."""
DIFFERENT = ((0.2, "alpha"), (0.3, "alpha beta"), (0.6, "beta gamma"))
"""The same with models that only some of them have."""
STEPS = (10, 20, 40)
"""Mixed costs: half a unit, one, two."""
ON_ITS_WAY = 0.001
"""Seconds within which what goes from socket to socket of this machine has arrived."""


class Skipping(selectors.DefaultSelector):
    """Skips the time in which nothing happens: only timers take any, however fast the machine is."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout if timeout is None else min(timeout, ON_ITS_WAY))
        if not ready and timeout is not None:
            self.now += max(0.0, timeout)
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """A loop whose time is that of the selector."""

    def __init__(self) -> None:
        self._clock = Skipping()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


@pytest.mark.slow
@pytest.mark.parametrize("backends", [UNEQUAL, DIFFERENT], ids=["unequal", "different"])
def test_the_first_eta_is_within_a_quarter_of_the_truth_for_most(
    backends: tuple[tuple[float, str], ...],
) -> None:
    """Five callers at a steady load, three backends, after a warm-up: median error at most 25%."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        errors = runner.run(_errors(backends))
    assert len(errors) > 60
    assert statistics.median(errors) <= 0.25, sorted(errors)


async def _errors(backends: tuple[tuple[float, str], ...]) -> list[float]:
    chance = random.Random(11)
    async with AsyncExitStack() as stack:
        doubles = [
            await stack.enter_async_context(A1111Double(step_seconds=seconds, models=models.split()))
            for seconds, models in backends
        ]
        gateway = await stack.enter_async_context(_painting_by(doubles))
        models = [None, *(await gateway.catalog()).models]
        await _load(gateway, chance, models, jobs=3)
        return await _load(gateway, chance, models, jobs=8)


@asynccontextmanager
async def _painting_by(doubles: list[A1111Double]) -> AsyncIterator[Gateway]:
    """As core.connect does it, by the clock of this loop."""
    clock = asyncio.get_running_loop().time
    queue = MemoryQueue(Settings(), clock=clock)
    async with open_session() as session, asyncio.TaskGroup() as group:
        running = [group.create_task(queue.run())]
        for double in doubles:
            backend = A1111Backend(BackendAddress(double.url), session, deployment="test", clock=clock)
            worker = Worker(queue, backend, deployment="test", job_timeout=600, clock=clock)
            await worker.look()
            running.append(group.create_task(worker.run()))
        yield Gateway(queue, MemoryCoordination(), secret=lambda: b"secret")
        for task in running:
            task.cancel()


async def _load(
    gateway: Gateway, chance: random.Random, models: list[str | None], *, jobs: int
) -> list[float]:
    """Each of five callers keeps three jobs under way; the relative errors of all first estimates."""
    errors: list[float] = []
    async with asyncio.timeout(3600), asyncio.TaskGroup() as group:
        for number in range(15):
            requests = [
                ImageRequest(prompt="how long?", steps=chance.choice(STEPS), model=chance.choice(models))
                for _ in range(jobs)
            ]
            group.create_task(_one_after_another(gateway, Caller(f"caller {number % 5}"), requests, errors))
    return errors


async def _one_after_another(
    gateway: Gateway, caller: Caller, requests: list[ImageRequest], errors: list[float]
) -> None:
    clock = asyncio.get_running_loop().time
    for request in requests:
        began, eta = clock(), None
        async with gateway.submit(request, caller) as watch:
            async for event in watch:
                if isinstance(event, Queued) and eta is None:
                    eta = event.eta
                if isinstance(event, Completed) and eta is not None:
                    took = clock() - began
                    errors.append(abs(eta - took) / took)
