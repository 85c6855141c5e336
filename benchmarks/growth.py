"""growth: what a step of the queue costs as more jobs wait, more callers ask, more backends paint.

The core alone, in this process: the queue in memory, by the methods that the gateway and the workers call.
Each step is timed by itself, in processor time, so that neither other programs nor the garbage collector's
rare long pauses are in the medians; the longest step tells of the latter.
"""

import asyncio
import gc
import random
import time
from statistics import median

from benchmarks.machine import pinned
from benchmarks.processes import Bench, Say
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
CANCELS = 100
"""How many jobs are cancelled in a row at most."""
REQUEST = ImageRequest(prompt="a monkey with a hat")


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
        """Microseconds of a submit, a claim, a position and a cancel, and of the longest of all."""
        await self._fill()
        in_turns = {"submit": self._submit, "claim": self._claim, "position": self._look}
        taken: dict[str, list[float]] = {name: [] for name in (*in_turns, "cancel")}
        cancels = min(CANCELS, self._waiting // 4, steps)
        for turn in range(1, steps + 1):
            if turn % 500 == 1:
                await self._offer()
            # In turns: of many looks in a row all but the first are told what that one found.
            for name, step in in_turns.items():
                taken[name].append(await step())
            # On their own: one that moves a thousand jobs up leaves nothing of ours in a processor's caches.
            if turn % cancels == 0:
                row = sum([await self._cancel() for _ in range(cancels)])
                # The next look at the order lets go of them: what a submit takes longer for it is theirs.
                usual = median(taken["submit"])
                taken["submit"].append(await self._submit())
                taken["cancel"].append((row + max(0.0, taken["submit"][-1] - usual)) / cancels)
                for _ in range(cancels - 1):
                    await self._submit()
        medians = {name: 1e6 * median(times) for name, times in taken.items()}
        return {**medians, "longest": 1e6 * max(map(max, taken.values()))}

    @property
    def waiting(self) -> int:
        """How many jobs wait now."""
        return len(self._ids)

    async def _fill(self) -> None:
        for number in range(self._waiting + len(self._backends)):
            if number % 5000 == 0:
                await self._offer()
            await self._submit()
        for name in self._backends:
            self._claims[name] = await self._queue.claim(name)
            self._forget(self._claims[name].id)

    async def _offer(self) -> None:
        """Each backend says again what it can do, as its worker does; else that would lapse."""
        for name in self._backends:
            await self._queue.offer(Offer(name, usable=True, models=("a", "b"), loaded="a", pace=1.0))

    async def _submit(self) -> float:
        self._made += 1
        id = f"{self._made:032x}"
        caller = self._caller_of(id)
        self._place[id] = len(self._ids)
        self._ids.append(id)
        began = time.thread_time()
        await self._queue.put(id, REQUEST, caller, keep=False)
        return time.thread_time() - began

    async def _claim(self) -> float:
        """What its backend had before is finished outside of the time."""
        backend = self._chance.choice(self._backends)
        await self._queue.finish(self._claims[backend], Cancelled())
        began = time.thread_time()
        claim = await self._queue.claim(backend)
        seconds = time.thread_time() - began
        self._claims[backend] = claim
        self._forget(claim.id)
        return seconds

    async def _look(self) -> float:
        """What a watcher costs that comes while the job waits: it is told the place. Then it goes again."""
        id = self._chance.choice(self._ids)
        began = time.thread_time()
        watch = await self._queue.events(id)
        seconds = time.thread_time() - began
        await self._queue.leave(watch)
        return seconds

    async def _cancel(self) -> float:
        id = self._chance.choice(self._ids)
        self._forget(id)
        caller = self._caller_of(id)
        began = time.thread_time()
        await self._queue.cancel(id, caller)
        return time.thread_time() - began

    def _caller_of(self, id: str) -> Caller:
        return self._callers[int(id, 16) % len(self._callers)]

    def _forget(self, id: str) -> None:
        """It waits no more: the last of the list takes its place."""
        place, last = self._place.pop(id), self._ids.pop()
        if last != id:
            self._ids[place], self._place[last] = last, place
