"""Pictures: they come through however slow the line is, and whatever else fills the memory of Valkey."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.errors import NotFound
from core.queues import Claim
from core.queues.valkey import ValkeyQueue
from core.queues.valkey.pictures import (
    LONGEST_PICTURE,
    PICTURE_SECONDS,
    ROOM_SECONDS,
    Pictures,
)
from core.queues.valkey.store import AGAIN_SECONDS, CALL_SECONDS, PREFIX, Store
from core.settings import Settings
from tests.unit.core.examples import ALICE, painted, progress, soon, told, usable, wish_for
from tests.unit.core.queues.homes import ValkeyHome, valkey, waiting_for
from tests.valkey_server import ValkeyServer

WORD = b"1" * 32


async def always() -> bool:
    """The job is not cancelled."""
    return True


async def test_a_picture_gets_the_time_that_a_slow_line_needs(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large picture from a GPU at home takes longer than any other call may; it is no outage.

    The next one is begun once: a try that is broken off has filled the line for nothing.
    """
    tries = []
    monkeypatch.setattr("core.queues.valkey.pictures.CALL_SECONDS", 0.05)
    monkeypatch.setattr("core.queues.valkey.store.AGAIN_SECONDS", 0.001)

    async def slow(move: Callable[..., Awaitable[object]], *args: object, **more: object) -> object:
        tries.append(args[0])
        await asyncio.sleep(0.12)  # the line
        return await move(*args, **more)

    for name in ("set", "get"):
        monkeypatch.setattr(store._client, name, partial(slow, getattr(store._client, name)))
    pictures = Pictures(store)
    await soon(pictures.store(["i:0", "i:1"], [b"zero", b"one"], always))
    assert await soon(pictures.fetch(["i:0", "i:none", "i:1"])) == [b"zero", None, b"one"]
    assert len(tries) < 10


@pytest.mark.slow
async def test_large_pictures_that_share_a_slow_line_arrive(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two of 40 seconds each, here in hundredths: neither arrives in the time that it would take alone."""
    monkeypatch.setattr("core.queues.valkey.pictures.CALL_SECONDS", CALL_SECONDS / 100)
    monkeypatch.setattr("core.queues.valkey.pictures.LONGEST_PICTURE", LONGEST_PICTURE / 100)
    monkeypatch.setattr("core.queues.valkey.store.AGAIN_SECONDS", AGAIN_SECONDS / 100)
    on_the_line = 0
    move = store._client.set

    async def line(*args: object, **more: object) -> object:
        nonlocal on_the_line
        on_the_line += 1
        try:
            left, now = 0.4, time.monotonic()
            while left > 0:
                await asyncio.sleep(0.01)
                left, now = left - (time.monotonic() - now) / on_the_line, time.monotonic()
        finally:
            on_the_line -= 1
        return await move(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(store._client, "set", line)
    pictures = Pictures(store)
    await soon(asyncio.gather(*(pictures.store([f"i:{name}"], [b"large"], always) for name in "ab")))
    assert "has not come through to or from the shared queue in 0.02 s; it gets more time" in caplog.text


async def test_a_preview_gets_the_time_that_a_slow_line_needs(
    queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A large one from a GPU at home: else it never arrives, and each one is taken for an outage."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    watch = await queue.events("job", preview=True)
    held = await soon(queue.claim("gpu:1"))
    run = queue.store._client.evalsha

    async def slow(*args: object) -> object:
        if any(isinstance(arg, bytes) and b"cHJldmlldw==" in arg for arg in args):
            await asyncio.sleep(0.2)  # the line
        return await run(*args)  # type: ignore[arg-type]

    shown = progress(0.5, preview=b"cHJldmlldw==")
    with monkeypatch.context() as patch:
        patch.setattr("core.queues.valkey.store.CALL_SECONDS", 0.1)
        patch.setattr(queue.store._client, "evalsha", slow)
        await queue.publish(held, shown)
    assert (await told(watch))[-1] == shown
    assert "the shared queue cannot be reached" not in caplog.text


async def test_who_looks_at_all_jobs_is_sent_no_previews_again(queue: ValkeyQueue) -> None:
    """The pulse does so each second: megabytes of each server that paints, which its line may not bear."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    watch = await queue.events("job", preview=True)
    held = await soon(queue.claim("gpu:1"))
    shown = progress(0.5, preview=b"cHJldmlldw==")
    await queue.publish(held, shown)
    assert (await told(watch))[-1] == shown
    assert b"cHJldmlldw==" not in repr(await queue.store.call("places", "job")).encode()
    queue._missed_something()
    await queue.pulse()
    assert await told(watch) == []
    assert await told(await queue.events("job", preview=True)) == [shown]


@pytest.mark.slow
async def test_a_picture_outlasts_a_network_that_answers_nothing(
    valkey_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packets that nobody refuses: redis-py gives a connection up before the picture's own time is over."""
    tries = []

    async def nobody_answers(*args: object, **more: object) -> None:
        tries.append(args)
        if len(tries) == 12:  # redis-py has given up after 11
            monkeypatch.setattr(asyncio, "open_connection", connect)
        await asyncio.Event().wait()

    connect = asyncio.open_connection
    monkeypatch.setattr("core.queues.valkey.store.CALL_SECONDS", 0.01)
    monkeypatch.setattr(asyncio, "open_connection", nobody_answers)
    store = Store(Settings(redis_url=valkey_url()))
    pictures = Pictures(store)
    pictures._took = 60.0  # it may take long
    try:
        await soon(pictures.store(["i:2"], [b"two"], always))
        assert len(tries) == 12
    finally:
        await store.close()


async def test_no_other_call_waits_behind_pictures(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of them are on a slow line: else the pulse that holds their claims would."""
    go = asyncio.Event()

    async def slow(*args: object, **more: object) -> None:
        await go.wait()

    monkeypatch.setattr(store._client, "set", slow)
    pictures = Pictures(store)
    many = asyncio.gather(*(pictures.store([f"i:{number}"], [b"picture"], always) for number in range(40)))
    await asyncio.sleep(0)
    assert await soon(store.call("agreed", "another word", WORD)) == WORD
    await soon(pictures.store([], [], always))  # as of a job that failed
    go.set()
    await soon(many)


async def test_a_try_that_arrives_late_does_not_end_the_time_of_a_kept_picture(
    home: ValkeyHome, queue: ValkeyQueue, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one was held up on the line; the second came through, and its job has ended."""
    tries = []
    put = queue.store._client.set

    async def first_is_late(*args: Any, **more: Any) -> Any:
        tries.append(partial(put, *args, **more))
        if len(tries) == 1:
            raise RedisTimeoutError
        return await put(*args, **more)

    monkeypatch.setattr(queue.store._client, "set", first_is_late)
    (held,) = await take([queue], "job")
    assert await soon(queue.finish(held, painted()))
    await tries[0]()
    assert [await client.ttl(key) > PICTURE_SECONDS for key in await stored(client)] == [True]


# --- where memory is full

MEGABYTE = b"A" * 1_000_000
EIGHT = painted(picture=MEGABYTE, count=8)
"""Room is for two of them."""


@pytest.fixture
async def crowded(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ValkeyHome]:
    """A queue on a Valkey that holds 24 MB."""
    monkeypatch.setattr("core.queues.valkey.pictures.ROOM_SECONDS", ROOM_SECONDS / 50)
    async with ValkeyServer("--maxmemory", "24mb") as server, valkey(lambda: server.url) as home:
        assert isinstance(home, ValkeyHome)
        await (await home.open()).offer(usable("gpu:1"))
        yield home


async def take(workers: Sequence[ValkeyQueue], *ids: str) -> list[Claim]:
    """Jobs that nobody waits for, and the workers that have them, one after the other."""
    for id in ids:
        await workers[0].put(id, wish_for(), ALICE, keep=False)
    return [await soon(workers[number % len(workers)].claim("gpu:1")) for number in range(len(ids))]


async def live(home: ValkeyHome, workers: Sequence[ValkeyQueue], until: Callable[[], bool]) -> None:
    """Time passes, until then; what was to be kept for a minute goes after one."""
    async with asyncio.timeout(30):
        while not until():
            home.let_pass(0.5)
            for worker in workers:
                await worker.pulse()


async def stored(client: Redis) -> list[str]:
    return sorted([key.decode() async for key in client.scan_iter(f"{PREFIX}i:*")])


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 3])
async def test_results_for_which_there_is_no_room_at_once_end_one_after_the_other(
    crowded: ValkeyHome, processes: int
) -> None:
    """A part of each of the six would fill the memory; none of them could end then, and nothing would go."""
    workers = [await crowded.another() for _ in range(processes)]
    claims = await take(workers, *"abcdef")
    async with asyncio.TaskGroup() as group:
        ends = [
            group.create_task(workers[number % processes].finish(held, EIGHT))
            for number, held in enumerate(claims)
        ]
        await live(crowded, workers, lambda: all(end.done() for end in ends))
    assert [end.result() for end in ends] == [True] * 6


async def test_a_result_that_lacks_room_for_a_moment_is_sent_once(
    crowded: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no other one waits: over a slow line it would be a loss to send anew what is there."""
    worker = await crowded.another()
    (held,) = await take([worker], "job")
    put, sent = worker.store._client.set, []

    async def last_is_refused(key: str, value: bytes, **more: Any) -> Any:
        sent.append(value)
        if len(sent) == 8:
            raise OutOfMemoryError
        return await put(key, value, **more)

    monkeypatch.setattr(worker.store._client, "set", last_is_refused)
    assert await soon(worker.finish(held, EIGHT))
    assert sent.count(MEGABYTE) == 8 + 1


async def test_results_that_are_refused_as_another_one_is_next_in_line_for_room_do_not_wait_for_each_other(
    crowded: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have all turns, and it has what they wait for: none of them would end any more."""
    worker = await crowded.another()
    pictures, put = worker.pictures, worker.store._client.set
    monkeypatch.setattr(pictures, "_turns", asyncio.Semaphore(1))
    next_one, other = await take([worker], "next one", "other")

    async def refused(*_: Any, **__: Any) -> None:
        raise OutOfMemoryError

    async def refused_as_the_place_is_free(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(worker.store._client, "set", put)
        pictures._short.release()
        raise OutOfMemoryError

    await pictures._short.acquire()
    monkeypatch.setattr(worker.store._client, "set", refused)
    async with waiting_for(worker.finish(next_one, painted())) as first:
        monkeypatch.setattr(worker.store._client, "set", refused_as_the_place_is_free)
        async with waiting_for(worker.finish(other, painted())) as second:
            assert await soon(first)
            assert await soon(second)


@pytest.mark.slow
async def test_who_waited_for_room_through_an_outage_lets_others_go_on_soon(
    crowded: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long it has waited for the queue itself is no measure of how long it may wait for room."""
    worker = await crowded.another()
    giant, other = await take([worker], "giant", "other")
    put, pauses = worker.store._client.set, []
    sleep = asyncio.sleep

    async def away_for_long(*args: Any, **more: Any) -> Any:
        monkeypatch.setattr(worker.store._client, "set", put)
        await sleep(1.0)
        raise RedisTimeoutError

    async def noted(seconds: float, *rest: Any) -> None:
        pauses.append(seconds)
        await sleep(min(seconds, 0.01), *rest)

    monkeypatch.setattr(worker.store._client, "set", away_for_long)
    monkeypatch.setattr("core.queues.valkey.pictures.asyncio.sleep", noted)
    monkeypatch.setattr("core.queues.valkey.pictures.LONGEST_PAUSE", AGAIN_SECONDS)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(worker.finish(giant, painted(picture=MEGABYTE, count=40)))
        await live(crowded, [worker], worker.pictures._short.locked)
        end = group.create_task(worker.finish(other, EIGHT))
        await live(crowded, [worker], end.done)
        assert await worker.cancel("giant", ALICE)
        await live(crowded, [worker], waiting.done)
    assert max(pauses) <= max(ROOM_SECONDS / 50, AGAIN_SECONDS)


async def test_a_result_that_never_fits_keeps_nobody_from_ending(crowded: ValkeyHome) -> None:
    """It waits until its job is cancelled, and takes no room and no turn meanwhile."""
    workers = [await crowded.another()]
    giants, (small,) = await take(workers, *"abcde"), await take(workers, "small")
    async with asyncio.TaskGroup() as group:
        giant = painted(picture=MEGABYTE, count=40)
        waiting = [group.create_task(workers[0].finish(held, giant)) for held in giants]
        end = group.create_task(workers[0].finish(small, painted()))
        await live(crowded, workers, end.done)
        assert end.result()
        for held in giants:
            assert await workers[0].cancel(held.id, ALICE)
        await live(crowded, workers, lambda: all(end.done() for end in waiting))
    assert not any(end.result() for end in waiting)


async def test_who_cancels_jobs_whose_pictures_wait_for_room_makes_room(crowded: ValkeyHome) -> None:
    workers = [await crowded.another()]
    claims = await take(workers, *"abcdef")
    async with Redis.from_url(crowded.url) as client, asyncio.TaskGroup() as group:
        ends = [group.create_task(workers[0].finish(held, EIGHT)) for held in claims]
        async with asyncio.timeout(10):
            while sum(end.done() for end in ends) < 2:  # the rest waits
                await workers[0].pulse()
        for id in "abcdef":
            with suppress(NotFound):  # it has ended
                await workers[0].cancel(id, ALICE)
        async with asyncio.timeout(10):
            while not all(end.done() for end in ends):
                await workers[0].pulse()
        assert sum(end.result() for end in ends) * 8 == len(await stored(client)), "all of those that ended"


async def test_what_a_killed_worker_had_stored_is_soon_gone_and_what_a_living_one_has_stays(
    home: ValkeyHome, queue: ValkeyQueue, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the rest takes on its way, and however long the result is fetched then."""
    (held,) = await take([queue], "job")
    put, arrives, on_its_way = queue.store._client.set, asyncio.Event(), asyncio.Event()

    async def second_is_slow(key: str, *args: Any, **more: Any) -> Any:
        if key.endswith(":1"):
            on_its_way.set()
            await arrives.wait()
        return await put(key, *args, **more)

    monkeypatch.setattr(queue.store._client, "set", second_is_slow)
    async with asyncio.TaskGroup() as group:
        end = group.create_task(queue.finish(held, painted(count=2)))
        await soon(on_its_way.wait())
        (first,) = await stored(client)
        assert 0 < await client.ttl(first) <= PICTURE_SECONDS
        await client.expire(first, 5)
        await queue.pulse()
        assert await client.ttl(first) > PICTURE_SECONDS - 5
        arrives.set()
        assert await soon(end)
    assert [await client.ttl(key) > 3500 for key in await stored(client)] == [True, True]
