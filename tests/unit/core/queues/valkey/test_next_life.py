"""A job that is put again while something of before is on its way: its next life is none of the last one."""

import asyncio

import pytest
from redis.asyncio import Redis

from core.errors import Expired, QueueUnavailable
from core.events import Cancelled, Queued
from core.queues.valkey import ValkeyQueue
from core.queues.valkey.records import Message
from tests.unit.core.examples import ALICE, WATCHED, painted, soon, told, usable, wish_for
from tests.unit.core.queues.homes import ValkeyHome, go_back, snapshot
from tests.unit.core.queues.valkey.interleaving import before, cancelled_unheard


async def test_a_job_that_one_of_two_wants_kept_is_put_again_to_be_kept(
    queue: ValkeyQueue, home: ValkeyHome, client: Redis
) -> None:
    """The queue lost it, and the other one was the first to put it, and hangs up."""
    empty = await snapshot(client)
    await queue.put("job", wish_for(), ALICE, keep=False)
    first = await queue.events("job")
    await queue.put("job", wish_for(), ALICE, keep=True)
    await queue.leave(await queue.events("job"))
    await go_back(client, empty)
    await home.pass_time(2)
    await queue.abandon(first)
    assert (await queue.status(ALICE)).waiting == 1


async def test_who_puts_a_job_that_a_failover_loses_just_then_may_ask_again_though_the_clocks_differ(
    queue: ValkeyQueue, home: ValkeyHome, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put again, it comes too late by the clock of the replica that took over: he would be told that there is
    no such job."""
    empty = await snapshot(client)

    async def fail_over() -> None:
        await go_back(client, empty)
        monkeypatch.setattr(queue.store, "_skew", lambda: 5.0)

    await queue.put("job", wish_for(), ALICE, keep=False)
    before(monkeypatch, queue, "watch", fail_over)
    with pytest.raises(QueueUnavailable):
        await queue.events("job")


async def test_who_puts_a_job_that_a_failover_loses_just_then_is_heard_though_the_clocks_are_minutes_apart(
    queue: ValkeyQueue, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a pulse has seen the other clock, by which he put it long ago: as if it had had its life."""
    empty = await snapshot(client)

    async def fail_over() -> None:
        await go_back(client, empty)
        monkeypatch.setattr(queue.store, "_skew", lambda: 300.0)
        await queue.pulse()

    await queue.put("job", wish_for(), ALICE, keep=False)
    before(monkeypatch, queue, "watch", fail_over)
    assert await told(await queue.events("job")) == [Queued(0, None)]


async def test_who_puts_an_old_job_again_has_its_picture_though_it_is_painted_just_then(
    home: ValkeyHome, queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await home.another()
    await other.put("job", wish_for(), ALICE, keep=False)
    await other.events("job")
    await home.pass_time(61)
    await queue.offer(usable("gpu:1"))

    async def paint() -> None:
        await other.finish(await soon(other.claim("gpu:1")), painted())

    before(monkeypatch, queue, "watch", paint)
    await queue.put("job", wish_for(), ALICE, keep=False)
    assert await told(await queue.events("job")) == [painted()]
    assert (await queue.status(ALICE)).waiting == 0


async def test_who_puts_a_job_has_its_picture_though_there_is_no_room_to_keep_it_for_a_moment(
    home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is painted, or others are and take its place, just before he watches."""
    queue = await home.open(result_max_bytes=1)
    await queue.offer(usable("gpu:1"))

    async def paint() -> None:
        await queue.finish(await soon(queue.claim("gpu:1")), painted())

    before(monkeypatch, queue, "watch", paint)
    await queue.put("job", wish_for(), ALICE, keep=True)
    assert await told(await queue.events("job")) == [painted()]
    with pytest.raises(Expired):
        await queue.events("job")


async def test_a_job_that_is_painted_again_ends_though_pictures_of_before_are_on_their_way(
    home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They had expired, so it was put again."""
    queue = await home.open(result_max_bytes=1)
    await queue.offer(usable("gpu:1"))
    fetch, hear = queue.pictures.fetch, queue._watching.hear
    fetching, arrives, both_ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(keys: list[str]) -> list[bytes | None]:
        fetching.set()
        await arrives.wait()
        return await fetch(keys)

    def end_twice(message: Message) -> None:
        hear(message)
        if message.letter == "E" and fetching.is_set():
            both_ended.set()

    monkeypatch.setattr(queue.pictures, "fetch", slow)
    monkeypatch.setattr(queue._watching, "hear", end_twice)
    await queue.put("job", wish_for(), ALICE, keep=True)
    await queue.events("job")
    assert await queue.finish(await soon(queue.claim("gpu:1")), painted())
    await soon(fetching.wait())

    await queue.put("job", wish_for(), ALICE, keep=True)
    watch = await queue.events("job")
    assert await queue.finish(await soon(queue.claim("gpu:1")), painted(picture=b"YWdhaW4="))
    await soon(both_ended.wait())
    arrives.set()
    assert (await told(watch))[-1] == painted(picture=b"YWdhaW4=")


@pytest.mark.parametrize("when", ["about to watch", "watching"])
async def test_who_puts_a_job_again_is_told_no_end_of_before(
    when: str, queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word of it comes only then."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    await queue.events("job")
    come_late = await cancelled_unheard(queue, home, monkeypatch)
    await queue.put("job", wish_for(), ALICE, keep=True)
    if when == "about to watch":
        before(monkeypatch, queue, "watch", come_late)
    watch = await queue.events("job")
    if when == "watching":
        await come_late()
    assert await told(watch) == [Queued(0, None)]
    assert await queue.finish(await soon(queue.claim("gpu:1")), painted())
    assert (await told(watch))[-1] == painted()


async def test_who_watched_a_job_is_told_its_end_though_it_was_seen_to_wait_again_before(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else he would watch its next life, and the queue would not know."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    watch = await queue.events("job")
    come_late = await cancelled_unheard(queue, home, monkeypatch)
    await (await home.another()).put("job", wish_for(), ALICE, keep=True)
    await queue.pulse()
    await come_late()
    assert await told(watch) == [Queued(0, None), Cancelled()]


async def test_what_only_those_of_its_last_life_wanted_is_not_wanted_in_a_jobs_next_one(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.put("job", wish_for(), ALICE, keep=True)
    await queue.events("job", preview=True)
    come_late = await cancelled_unheard(queue, home, monkeypatch)
    await queue.put("job", wish_for(), ALICE, keep=True)
    await queue.events("job")
    await come_late()
    await home.pass_time(1)
    assert (await soon(queue.claim("gpu:1"))).wish == WATCHED


async def test_who_attaches_to_a_job_that_was_put_again_is_told_no_end_of_before(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was put again elsewhere, and the word of its first end comes while he is about to watch."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    await queue.events("job")
    come_late = await cancelled_unheard(queue, home, monkeypatch)
    await (await home.another()).put("job", wish_for(), ALICE, keep=True)
    before(monkeypatch, queue, "watch", come_late)
    watch = await queue.events("job")
    assert await told(watch) == [Queued(0, None)]
    assert await queue.finish(await soon(queue.claim("gpu:1")), painted())
    assert (await told(watch))[-1] == painted()


async def test_who_puts_again_what_ended_as_he_came_is_not_told_of_that_end(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended with the one who had put it before, while he was about to watch."""
    come_late = None

    async def cancel() -> None:
        nonlocal come_late
        come_late = await cancelled_unheard(queue, home, monkeypatch)
        before(monkeypatch, queue, "put", come_late)

    await queue.put("job", wish_for(), ALICE, keep=False)
    await queue.events("job")
    await queue.put("job", wish_for(), ALICE, keep=False)
    before(monkeypatch, queue, "watch", cancel)
    watch = await queue.events("job")
    assert await told(watch) == [Queued(0, None)]
    assert await queue.finish(await soon(queue.claim("gpu:1")), painted())
    assert (await told(watch))[-1] == painted()
