"""growth: what a step of the queue costs as more jobs wait, more callers ask, more backends paint.

The core alone, in this process: the queue in memory, by the methods that the gateway and the workers call.
"""

import asyncio
import gc
import random
import time
from collections.abc import Awaitable, Callable
from statistics import median

from benchmarks.machine import pinned
from benchmarks.processes import Bench
from benchmarks.series import Gathering
from core.caller import Caller
from core.events import Cancelled
from core.offers import Offer
from core.queues import Claim
from core.queues.memory import MemoryQueue
from core.request import ImageRequest
from core.settings import Settings

ROUNDS = 5
AXES: dict[str, tuple[int, ...]] = {
    "waiting": (10, 100, 1_000, 10_000, 100_000),
    "callers": (10, 50, 200, 1_000, 5_000),
    "backends": (1, 4, 16, 64),
}
USUAL = {"waiting": 10_000, "callers": 100, "backends": 16}
"""The others, while one of them grows."""
STEPS, QUICK_STEPS = 4000, 1000
"""How often each step is taken in a round."""
BATCH = 100
REQUEST = ImageRequest(prompt="a monkey with a hat")

Say = Callable[[str], None]


def measure(bench: Bench, *, quick: bool, say: Say) -> tuple[Gathering, list[str]]:
    """Each size once a round, smallest first."""
    gathering = Gathering()
    with pinned(bench.cores.system):
        for turn in range(ROUNDS):
            for axis, sizes in AXES.items():
                say(f"round {turn + 1} of {ROUNDS}: {axis}")
                for size in sizes:
                    scene = Scene(**{**USUAL, axis: size})
                    figures = asyncio.run(scene.measure(QUICK_STEPS if quick else STEPS))
                    gathering.add_all(figures, axis=axis, size=size)
                    del scene
                    gc.collect()
    return gathering, []


class Scene:
    """A queue with so many waiting jobs of so many callers, and backends that all paint."""

    def __init__(self, *, waiting: int, callers: int, backends: int) -> None:
        settings = Settings(max_queue=10_000_000, max_jobs_per_user=10_000_000)
        self._queue = MemoryQueue(settings)
        self._waiting = waiting
        self._callers = [Caller(f"10.0.{number // 256}.{number % 256}") for number in range(callers)]
        self._backends = [f"gpu-{number}:7860" for number in range(backends)]
        self._claims: dict[str, Claim] = {}
        self._chance = random.Random(waiting * callers * backends)
        self._made = 0
        self._ids: list[str] = []
        """Of the waiting jobs, in no order."""
        self._place: dict[str, int] = {}
        """Where each stands in that list."""

    async def measure(self, steps: int) -> dict[str, float]:
        """Microseconds of a submit, a claim, a position and a cancel."""
        await self._fill()
        taken: dict[str, list[float]] = {"submit": [], "claim": [], "position": [], "cancel": []}
        batch = min(BATCH, self._waiting // 4)
        for turn in range(steps // batch):
            if turn % (1 + 500 // batch) == 0:
                await self._offer()
            taken["submit"].append(await _timed(self._submit, batch))
            taken["claim"].append(await self._claims_timed(batch))
            taken["position"].append(await _timed(self._look, batch))
            taken["cancel"].append(await _timed(self._cancel, batch))
            for _ in range(batch):
                await self._submit()
        return {step: 1e6 * median(times) for step, times in taken.items()}

    async def _fill(self) -> None:
        for number in range(self._waiting + len(self._backends)):
            if number % 5000 == 0:
                await self._offer()
            await self._submit()
        for name in self._backends:
            self._claims[name] = await self._queue.claim(name)
            self._forget(self._claims[name].id)

    async def _offer(self) -> None:
        """Each backend says again what it can do, as its worker does every few seconds; else it would lapse."""
        for name in self._backends:
            await self._queue.offer(Offer(name, usable=True, models=("a", "b"), loaded="a", pace=1.0))

    async def _submit(self) -> None:
        self._made += 1
        id = f"{self._made:032x}"
        self._place[id] = len(self._ids)
        self._ids.append(id)
        await self._queue.put(id, REQUEST, self._caller_of(id), keep=False)

    async def _claims_timed(self, count: int) -> float:
        """Seconds of one claim: what its backend had before is finished outside of the time."""
        seconds = 0.0
        for number in range(count):
            backend = self._backends[number % len(self._backends)]
            await self._queue.finish(self._claims[backend], Cancelled())
            began = time.perf_counter()
            claim = await self._queue.claim(backend)
            seconds += time.perf_counter() - began
            self._claims[backend] = claim
            self._forget(claim.id)
        return seconds / count

    async def _look(self) -> None:
        """What a watcher costs that comes while the job waits: it is told the place."""
        await self._queue.events(self._chance.choice(self._ids))

    async def _cancel(self) -> None:
        id = self._chance.choice(self._ids)
        self._forget(id)
        await self._queue.cancel(id, self._caller_of(id))

    def _caller_of(self, id: str) -> Caller:
        return self._callers[int(id, 16) % len(self._callers)]

    def _forget(self, id: str) -> None:
        """It waits no more: the last of the list takes its place."""
        place, last = self._place.pop(id), self._ids.pop()
        if last != id:
            self._ids[place], self._place[last] = last, place


async def _timed(step: Callable[[], Awaitable[None]], count: int) -> float:
    """Seconds of one step."""
    began = time.perf_counter()
    for _ in range(count):
        await step()
    return (time.perf_counter() - began) / count
