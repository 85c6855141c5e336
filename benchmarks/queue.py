"""`python -m benchmarks.queue [--quick]`: what the queue costs, in memory and on Valkey, in one run.

Everything is in this process but Valkey itself: the front half and the worker half, each with its own queue
on Valkey. So figures of the two homes can be compared, and what Valkey adds is an upper bound: a front end
that is a process of its own has a core of its own.
"""

import argparse
import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from statistics import median

from redis.asyncio import Redis

from core.caller import Caller
from core.events import Completed, Image
from core.offers import Offer
from core.queues import Claim, Queue
from core.queues.memory import MemoryQueue
from core.queues.valkey import ValkeyQueue
from core.request import ImageRequest
from core.settings import Settings
from tests.valkey_server import ValkeyServer

SIZES = (10, 1_000, 100_000)
CALLERS = [Caller(f"caller {number}") for number in range(50)]
REQUEST = ImageRequest(prompt="a monkey with a hat")
KILOBYTES = 450
"""Of a picture of 512x512, as base64."""
WATCHERS = 5_000
IDLE_SECONDS = 20
OFFER_AGAIN = 5.0

_numbers = count(1)


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
    async with _beside(queue.run(), _offering(queue)):
        yield Home("memory", queue, queue)


@asynccontextmanager
async def valkey() -> AsyncIterator[Home]:
    """The queue on a Valkey of its own, with an AOF as the docs ask for."""
    async with ValkeyServer() as server:
        front, worker = ValkeyQueue(settings(server.url)), ValkeyQueue(settings(server.url))
        async with _beside(front.run(), worker.run()):
            await front.first_pulse()
            await worker.first_pulse()
            async with _beside(_offering(worker)):
                await front.offers()
                yield Home("Valkey", front, worker, server)


# --- the steps


async def steps(home: Home, waiting: int, times: int) -> list[str]:
    """Microseconds of submit, claim and finish while so many jobs wait, at p50, and of Valkey alone."""
    await _fill(home.front, waiting)
    taken: dict[str, list[float]] = {"submit": [], "claim": [], "finish": []}
    server = dict.fromkeys(taken, 0.0)
    claims: list[Claim] = []

    async def claim() -> None:
        claims.append(await home.worker.claim("gpu:1"))

    async def finish() -> None:
        assert await home.worker.finish(claims.pop(), painted(1))

    for name, step in {"submit": lambda: submit(home.front), "claim": claim, "finish": finish}.items():
        before = await _server_microseconds(home)
        for _ in range(times):
            began = time.perf_counter()
            await step()
            taken[name].append(time.perf_counter() - began)
        server[name] = (await _server_microseconds(home) - before) / times
    words = [f"{1e6 * median(seconds):,.0f}" for seconds in taken.values()]
    if home.valkey is not None:
        words = [f"{word} ({inside:,.0f})" for word, inside in zip(words, server.values(), strict=True)]
    return [home.name, f"{waiting:,}", *words]


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


async def latency(home: Home, kilobytes: int, times: int) -> tuple[float, float]:
    """Milliseconds from submit to the picture, p50 and p99, on an idle worker that paints in no time."""
    took = []
    async with _beside(_painting(home.worker, "gpu:1", kilobytes)):
        for _ in range(times):
            began = time.perf_counter()
            await _one(home.front)
            took.append(time.perf_counter() - began)
    took.sort()
    return 1e3 * median(took), 1e3 * took[int(len(took) * 0.99)]


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


async def watchers(home: Home, number: int) -> list[str]:
    """What many who wait cost, and that all of them get their picture over a kill of Valkey."""
    assert home.valkey is not None
    watches = [await home.front.events(await submit(home.front)) for _ in range(number)]
    told = [f"{number:,} watchers, nothing happens: {await _cpu(IDLE_SECONDS):.1f} % of a core"]

    async def change() -> None:
        while True:
            await asyncio.sleep(1)
            await submit(home.front, keep=True)

    async with _beside(change()):
        told.append(
            f"one job more a second, so that places change: {await _cpu(IDLE_SECONDS):.1f} % of a core"
        )
    home.valkey.kill()
    await home.valkey.start()
    began = time.perf_counter()
    async with _beside(*(_painting(home.worker, f"gpu:{number}", 1) for number in range(1, 5))):
        ends = await asyncio.gather(*(watch.end() for watch in watches))
    seconds = time.perf_counter() - began
    lost = sum(not isinstance(end, Completed) for end in ends)
    told.append(f"Valkey killed, restarted, all painted in {seconds:.1f} s: {lost} without a picture")
    return told


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


async def _offering(queue: Queue) -> None:
    """Four servers that say what they can do, as workers do, for ever."""
    while True:
        for number in range(1, 5):
            await queue.offer(Offer(f"gpu:{number}", usable=True, models=("m",), loaded="m", pace=1.0))
        await asyncio.sleep(OFFER_AGAIN)


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


async def measure(*, quick: bool) -> None:
    """All of it, printed as it comes."""
    homes = (memory, valkey)
    times = 200 if quick else 1000
    print("| home | waiting | submit µs | claim µs | finish µs |\n|---|---|---|---|---|", flush=True)
    for waiting in SIZES[:2] if quick else SIZES:
        for opened in homes:
            async with opened() as home:
                print("| " + " | ".join(await steps(home, waiting, times)) + " |", flush=True)
            gc.collect()
    print("\n| home | picture | p50 ms | p99 ms |\n|---|---|---|---|", flush=True)
    for kilobytes in (1, KILOBYTES):
        for opened in homes:
            async with opened() as home:
                half, most = await latency(home, kilobytes, times)
                print(f"| {home.name} | {kilobytes} KB | {half:.2f} | {most:.2f} |", flush=True)
    for opened in homes:
        async with opened() as home:
            print(f"\n{home.name}: {await throughput(home, 3 if quick else 10):,.0f} jobs/s", flush=True)
    async with valkey() as home:
        print("\n" + "\n".join(await watchers(home, 500 if quick else WATCHERS)), flush=True)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue", description="Measure the queue.")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    asyncio.run(measure(quick=parser.parse_args().quick))


if __name__ == "__main__":
    main()
