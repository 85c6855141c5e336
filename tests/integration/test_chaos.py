"""A small storm of `benchmarks.chaos`: everything is killed again and again, and no picture is lost.

And its witness alone: what it finds where a job does end twice.
"""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from benchmarks.chaos import Plan, storm
from benchmarks.chaos.report import Report
from benchmarks.chaos.witness import PREFIX, Witness, witnessing
from core.queues.valkey import ValkeyQueue, store
from tests.unit.core.examples import ALICE, painted, soon, usable, wish_for
from tests.unit.core.queues.homes import valkey
from tests.valkey_server import WRITES_AT_ONCE, ValkeyServer

HELD = "return state == 'running' and current == fence"
"""How `is_held` tells a claim that is void."""


@pytest.mark.chaos
async def test_every_accepted_job_ends_once_with_its_own_picture() -> None:
    report = await storm(Plan(jobs=200), random.Random(7), *WRITES_AT_ONCE)
    assert report.faults == [], report.told()
    assert report.accepted == report.pictures == sum(report.begun.values()) == 200
    assert report.overlaps == 0
    assert report.killed["Valkey"] == 2
    assert report.killed["workers"] + report.killed["front ends"] >= 5


# --- the witness


@pytest.fixture
async def server() -> AsyncIterator[ValkeyServer]:
    async with ValkeyServer() as server:
        yield server


def connected(server: ValkeyServer) -> Redis:
    # No time-out of redis-py: on Python 3.11 it swallows cancellations.
    return Redis.from_url(server.url, socket_timeout=None)


@pytest.fixture
def report() -> Report:
    return Report()


@pytest.fixture
async def queue(server: ValkeyServer) -> AsyncIterator[ValkeyQueue]:
    async with valkey(lambda: server.url) as home:
        queue = await home.open()
        assert isinstance(queue, ValkeyQueue)
        await queue.offer(usable("gpu:1"))
        yield queue


@pytest.fixture
async def witness(server: ValkeyServer, queue: ValkeyQueue, report: Report) -> AsyncIterator[Witness]:
    """One that hears."""
    async with connected(server) as client, witnessing(server.url, report) as witness:
        async with asyncio.timeout(5):
            while not await client.pubsub_numpat():
                pass
        yield witness


@pytest.fixture
def nothing_is_void(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a Valkey that takes whatever a worker says, whosever the job is by now."""
    whole = store.load

    def load(script: str) -> tuple[str, str]:
        source = whole(script)[0]
        if script == "finish":
            assert HELD in source
            source = source.replace(HELD, "return true")
        return source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    monkeypatch.setattr(store, "load", load)


async def paint(queue: ValkeyQueue, *, times: int, watched: bool = True) -> list[bool]:
    """Have a job painted, and say so many times that it has ended; which of them were accepted."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    watch = await queue.events("job")
    if not watched:
        await queue.leave(watch)
    claim = await soon(queue.claim("gpu:1"))
    return [await queue.finish(claim, painted()) for _ in range(times)]


async def until_heard(report: Report) -> None:
    async with asyncio.timeout(5):
        while not report.heard:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_the_witness_has_nothing_to_say_of_a_job_that_ends_once(
    queue: ValkeyQueue, witness: Witness, report: Report
) -> None:
    assert await paint(queue, times=2) == [True, False]
    await until_heard(report)
    await witness.judge({0: "job"})
    assert report.faults == []


@pytest.mark.usefixtures("nothing_is_void")
async def test_the_witness_finds_a_second_end_though_nobody_is_told_of_it(
    queue: ValkeyQueue, witness: Witness, report: Report
) -> None:
    assert await paint(queue, times=2) == [True, True]
    await until_heard(report)
    await witness.judge({0: "job"})
    assert report.faults == [
        "job 0 ended more than once",
        "by Valkey's counts -1 jobs wait and 0 run at the end",
    ]


@pytest.mark.usefixtures("nothing_is_void")
async def test_the_witness_finds_a_second_end_where_nobody_was_told_of_the_first(
    queue: ValkeyQueue, witness: Witness, report: Report
) -> None:
    """And says so where it heard of no end at all."""
    assert await paint(queue, times=2, watched=False) == [True, True]
    await witness.judge({0: "job"})
    assert report.faults == [
        "the witness heard of no end",
        "by Valkey's counts -1 jobs wait and 0 run at the end",
    ]


async def test_a_witness_that_hears_no_more_says_so(server: ValkeyServer, report: Report) -> None:
    """Else it would have nothing to say of whatever comes."""
    async with connected(server) as client, witnessing(server.url, report), asyncio.timeout(5):
        while not report.faults:
            await client.publish(f"{PREFIX}p:somebody", "E\njob\nno number\n")
    assert len(report.faults) == 1
    assert report.faults[0].startswith("the witness hears no more: ValueError(")
