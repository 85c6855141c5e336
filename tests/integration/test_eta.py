"""The first estimate that a waiting client hears, against when its picture really came."""

import asyncio
import random
import statistics
import time
from contextlib import AsyncExitStack

import pytest

from core import BackendAddress, Caller, Completed, Gateway, ImageRequest, Queued, Settings, connect
from tests.doubles.a1111 import A1111Double

STEP_SECONDS = (0.002, 0.003, 0.006)
"""Three unequal backends."""
STEPS = (10, 20, 40)
"""Mixed costs: half a unit, one, two."""


@pytest.mark.slow
async def test_the_first_eta_is_within_a_quarter_of_the_truth_for_most() -> None:
    """Five callers at a steady load, three unequal backends, after a warm-up: median error at most 25%."""
    chance = random.Random(11)
    async with AsyncExitStack() as stack:
        doubles = [
            await stack.enter_async_context(A1111Double(step_seconds=seconds)) for seconds in STEP_SECONDS
        ]
        addresses = tuple(BackendAddress(double.url) for double in doubles)
        gateway = await stack.enter_async_context(connect(Settings(sd_backends=addresses)))
        await _load(gateway, chance, jobs=3)
        errors = await _load(gateway, chance, jobs=8)
    assert len(errors) > 60
    assert statistics.median(errors) <= 0.25, sorted(errors)


async def _load(gateway: Gateway, chance: random.Random, *, jobs: int) -> list[float]:
    """Each of five callers keeps three jobs under way; the relative errors of all first estimates."""
    errors: list[float] = []
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number in range(15):
            costs = [chance.choice(STEPS) for _ in range(jobs)]
            group.create_task(_one_after_another(gateway, Caller(f"caller {number % 5}"), costs, errors))
    return errors


async def _one_after_another(gateway: Gateway, caller: Caller, costs: list[int], errors: list[float]) -> None:
    for steps in costs:
        began, eta = time.monotonic(), None
        async with gateway.submit(ImageRequest(prompt="how long?", steps=steps), caller) as watch:
            async for event in watch:
                if isinstance(event, Queued) and eta is None:
                    eta = event.eta
                if isinstance(event, Completed) and eta is not None:
                    took = time.monotonic() - began
                    errors.append(abs(eta - took) / took)
