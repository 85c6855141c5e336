"""`python -m benchmarks.scaling`: what a picture, a waiting job and an idle process cost Valkey.

By Valkey's own counters (`INFO`) and not by the clock, so a busy machine changes little. One front end and
one worker in this program, with simulated servers that paint at once; a picture is a PNG of 500 KB. The
tables are those of docs/scaling.md.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from functools import partial
from itertools import count

from redis.asyncio import Redis

from benchmarks.processes import to_be_broken_off
from core import BackendAddress, Caller, Completed, Gateway, ImageRequest, Settings, Watch, connect, work
from tests.doubles.a1111 import A1111Double
from tests.valkey_server import ValkeyServer

KILOBYTES = 500
AT_ONCE = 10
PICTURE_SECONDS = 5.0
"""How long a GPU paints a picture, where the second table multiplies."""
GPUS = 10, 100, 1000
KEPT_SECONDS = 60
"""How long a picture that nobody keeps stays in Valkey."""
GROWS = "--auto-aof-rewrite-percentage", "0"
"""Options of a Valkey whose AOF only grows: written anew amid the pictures, it would count as nothing."""
_numbers = count()


@dataclass(frozen=True, slots=True)
class Counters:
    """What Valkey counts; all of them but `memory` only grow. Seconds and bytes."""

    cpu: float
    calls: float
    received: float
    sent: float
    written: float
    memory: float

    def since(self, before: "Counters", times: float = 1) -> "Counters":
        """The difference, for one of so many."""
        return Counters(
            *((getattr(self, each.name) - getattr(before, each.name)) / times for each in fields(self))
        )


@dataclass(frozen=True, slots=True)
class Costs:
    """What one of each kind costs; of what rests, each second of all together."""

    picture: Counters
    waiting: Counters
    idle: Counters
    crowd: Counters
    jobs: int


async def counters(client: Redis) -> Counters:
    """As they stand now."""
    cpu, calls = await client.info("cpu"), await client.info("commandstats")
    stats, memory, aof = [await client.info(name) for name in ("stats", "memory", "persistence")]
    scripts = sum(calls[name]["calls"] for name in ("cmdstat_eval", "cmdstat_evalsha") if name in calls)
    return Counters(
        cpu["used_cpu_user"] + cpu["used_cpu_sys"],
        scripts,
        stats["total_net_input_bytes"],
        stats["total_net_output_bytes"],
        aof["aof_current_size"] + aof["aof_buffer_length"],  # what waits for a slow disk is written, too
        memory["used_memory"],
    )


async def measure(pictures: int, jobs: int, seconds: float) -> Costs:
    """All of it, one after the other; `seconds` is how long what rests is looked at."""
    async with _service() as (gateway, doubles, client):
        idle = await _resting(client, seconds)
        for double in doubles:
            double.hold(at=1)
        async with AsyncExitStack() as stack:
            watches = [await stack.enter_async_context(_submit(gateway)) for _ in doubles]
            for double in doubles:
                await double.until(partial(_paints, double))
            before = await counters(client)
            watches += [await stack.enter_async_context(_submit(gateway)) for _ in range(jobs)]
            waiting = (await counters(client)).since(before, jobs)
            crowd = await _resting(client, seconds)
            for watch in watches:
                await gateway.abandon(watch)
        for double in doubles:
            double.release()
        await _paint(gateway, AT_ONCE)
        before = await counters(client)
        await _paint(gateway, pictures)
        picture = (await counters(client)).since(before, pictures)
    return Costs(picture, waiting, idle, crowd, jobs)


@asynccontextmanager
async def _service() -> AsyncIterator[tuple[Gateway, list[A1111Double], Redis]]:
    """A Valkey, a front end, and a worker with two servers that are seen to be well."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ValkeyServer(*GROWS))
        client = await stack.enter_async_context(Redis.from_url(server.url))
        doubles = [await stack.enter_async_context(A1111Double()) for _ in range(2)]
        settings = Settings(
            sd_backends=tuple(BackendAddress(double.url) for double in doubles),
            redis_url=server.url,
            max_queue=1_000_000,
            max_jobs_per_user=1_000_000,
            prompt_file="",
        )
        await stack.enter_async_context(work(settings))
        gateway = await stack.enter_async_context(connect(settings))
        while not (await gateway.catalog()).takes_work:  # noqa: ASYNC110 - the servers are looked at
            await asyncio.sleep(0.05)
        yield gateway, doubles, client


async def _resting(client: Redis, seconds: float) -> Counters:
    before = await counters(client)
    await asyncio.sleep(seconds)
    return (await counters(client)).since(before, seconds)


async def _paint(gateway: Gateway, pictures: int) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with turns, _submit(gateway) as watch:
            end = await watch.end()
        if not isinstance(end, Completed):
            raise SystemExit(f"benchmarks: no picture: {end}")

    async with asyncio.TaskGroup() as group:
        for _ in range(pictures):
            group.create_task(one())


def _submit(gateway: Gateway) -> AbstractAsyncContextManager[Watch]:
    number = next(_numbers)
    request = ImageRequest(prompt=f"a monkey with {number} hats /kb-{KILOBYTES}")
    return gateway.submit(request, Caller(f"192.0.2.{number % 50}"))


def _paints(double: A1111Double) -> bool:
    return double.active is not None


def tables(costs: Costs) -> str:
    """Both tables, as the docs have them."""
    picture, megabyte = costs.picture, 1e6
    resting = [
        f"{each.calls:.0f} calls a second, {each.cpu:.1%} of a core" for each in (costs.idle, costs.crowd)
    ]
    lines = [
        "| What | Costs Valkey |",
        "|---|---|",
        f"| one picture | {1e3 * picture.cpu:.1f} ms of processor time, {picture.calls:.0f} calls, "
        f"{picture.received / megabyte:.2f} MB in, {picture.sent / megabyte:.2f} MB out, "
        f"{picture.written / megabyte:.2f} MB written to the AOF |",
        f"| a waiting job that is watched | {costs.waiting.memory / 1e3:.1f} KB of memory |",
        f"| a front end and a worker that do nothing | {resting[0]} |",
        f"| {costs.jobs:,} watched jobs that wait | {resting[1]} |",
        "",
        "| GPUs | Pictures a second | Through Valkey, each way | Memory for pictures | Valkey's core |",
        "|---|---|---|---|---|",
    ]
    for gpus in GPUS:
        rate = gpus / PICTURE_SECONDS
        way = rate * picture.sent / megabyte
        memory = rate * KEPT_SECONDS * picture.written / megabyte
        lines.append(
            f"| {gpus:,} | {rate:.0f} | {way:.1f} MB/s | {memory:,.0f} MB | {rate * picture.cpu:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2000, help="that wait and are watched")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long what rests is looked at")
    options = parser.parse_args()
    with to_be_broken_off():
        costs = asyncio.run(measure(options.pictures, options.jobs, options.seconds))
    print(tables(costs))


if __name__ == "__main__":
    main()
