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

STEP_SECONDS = (0.2, 0.3, 0.6)
"""Three unequal backends."""
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
def test_the_first_eta_is_within_a_quarter_of_the_truth_for_most() -> None:
    """Five callers at a steady load, three unequal backends, after a warm-up: median error at most 25%."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        errors = runner.run(_errors())
    assert len(errors) > 60
    assert statistics.median(errors) <= 0.25, sorted(errors)


async def _errors() -> list[float]:
    chance = random.Random(11)
    async with AsyncExitStack() as stack:
        doubles = [
            await stack.enter_async_context(A1111Double(step_seconds=seconds)) for seconds in STEP_SECONDS
        ]
        gateway = await stack.enter_async_context(_painting_by(doubles))
        await _load(gateway, chance, jobs=3)
        return await _load(gateway, chance, jobs=8)


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


async def _load(gateway: Gateway, chance: random.Random, *, jobs: int) -> list[float]:
    """Each of five callers keeps three jobs under way; the relative errors of all first estimates."""
    errors: list[float] = []
    async with asyncio.timeout(3600), asyncio.TaskGroup() as group:
        for number in range(15):
            costs = [chance.choice(STEPS) for _ in range(jobs)]
            group.create_task(_one_after_another(gateway, Caller(f"caller {number % 5}"), costs, errors))
    return errors


async def _one_after_another(gateway: Gateway, caller: Caller, costs: list[int], errors: list[float]) -> None:
    clock = asyncio.get_running_loop().time
    for steps in costs:
        began, eta = clock(), None
        async with gateway.submit(ImageRequest(prompt="how long?", steps=steps), caller) as watch:
            async for event in watch:
                if isinstance(event, Queued) and eta is None:
                    eta = event.eta
                if isinstance(event, Completed) and eta is not None:
                    took = clock() - began
                    errors.append(abs(eta - took) / took)
