"""What is true of the home on Valkey alone: it may lose what it was told, and so may we."""

import asyncio
import secrets
from typing import Any

import pytest
from redis.asyncio import Redis

from core.caller import Caller
from core.errors import QueueUnavailable
from core.events import Cancelled, Completed, Failed
from core.fair_order import MOST_CALLERS
from core.queues.valkey import ValkeyQueue
from core.queues.valkey.leaving import ABANDONED_AT_ONCE, NewestFirst
from core.queues.valkey.store import AT_ONCE, PREFIX
from tests.unit.core.examples import ALICE, UNREACHED, Clock, painted, soon, told, usable, wish_for
from tests.unit.core.queues.homes import ValkeyHome, valkey, waiting_for
from tests.valkey_server import ValkeyServer


async def test_who_put_a_job_gets_its_picture_however_fast_it_was_painted(queue: ValkeyQueue) -> None:
    """The picture is there before the one who asked for it begins to watch."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    await queue.finish(await soon(queue.claim("gpu:1")), painted())
    watch = await queue.events("job")
    assert await told(watch) == [painted()]


async def test_who_comes_as_another_one_leaves_is_not_unwatched(
    home: ValkeyHome, queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word that the one left is on its way while the other one's is said: it must not come in second."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    first = await queue.events("job")
    call, held_up, go = queue.store.call, asyncio.Event(), asyncio.Event()

    async def slow(script: str, *args: object, **more: object) -> object:
        if script == "unwatch":
            held_up.set()
            await go.wait()
        return await call(script, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(queue.store, "call", slow)
    async with waiting_for(queue.leave(first)):
        await held_up.wait()
        async with waiting_for(queue.events("job")) as entering:
            go.set()
            second = await soon(entering)
    held = await soon(queue.claim("gpu:1"))
    assert held.wish.watched
    await queue.finish(held, painted())
    assert isinstance((await told(second))[-1], Completed)


async def test_a_process_that_was_taken_for_dead_hears_of_all_its_jobs_again(
    home: ValkeyHome, queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the queue went away just as it was saying what it watches."""
    for number in range(3):
        await queue.put(f"job{number}", wish_for(), ALICE, keep=True)
    watches = [await queue.events(f"job{number}") for number in range(3)]
    other = await home.another()
    home._queues.remove(queue)  # it stands still
    await home.pass_time(12)
    home._queues.append(queue)
    call = queue.store.call

    async def broken(script: str, *args: object, **more: object) -> object:
        if script == "watch_again":
            monkeypatch.undo()
            raise QueueUnavailable("away")
        return await call(script, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(queue.store, "call", broken)
    with pytest.raises(QueueUnavailable):
        await queue.pulse()
    await queue.pulse()
    await other.offer(usable("gpu:1"))
    for watch in watches:
        held = await soon(other.claim("gpu:1"))
        assert held.wish.watched
        await other.finish(held, painted())
        assert (await told(watch))[-1] == painted()


async def test_many_who_ask_at_once_do_not_wear_out_the_patience_of_those_behind(
    queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time that a put has begins with its turn, not in the line before it."""
    clock, run, go_on, reached, last_moments = Clock(), queue.store._run, asyncio.Event(), asyncio.Event(), []
    monkeypatch.setattr(queue._backends, "_clock", clock)
    # What the pulse found, by this clock; and far from Valkey's own, for which no put is to be late here.
    queue._backends.note(1e12, queue._backends.offers, ())

    async def held(script: str, args: tuple[Any, ...]) -> object:
        last_moments.append(args[-1])
        if len(last_moments) == AT_ONCE:
            reached.set()
        await go_on.wait()
        return await run(script, args)

    monkeypatch.setattr(queue.store, "_run", held)
    async with asyncio.TaskGroup() as group:
        for number in range(AT_ONCE + 1):
            group.create_task(queue.put(f"job{number}", wish_for(), Caller(f"c{number}"), keep=False))
        await soon(reached.wait())
        clock.advance(60)
        go_on.set()
    *first, behind = last_moments
    assert {behind - moment for moment in first} == {60_000}


@pytest.mark.parametrize("jobs", ["new", "came back"])
async def test_a_claim_looks_at_no_job_of_another_model(home: ValkeyHome, client: Redis, jobs: str) -> None:
    """What it reads is counted by Valkey itself."""
    queue = await home.open(max_jobs_per_user=100)
    await queue.offer(usable("gpu:1", "a"))
    await queue.offer(usable("gpu:2", "b"))

    async def reads_of_a_claim() -> dict[str, int]:
        await queue.put(f"a{secrets.token_hex(4)}", wish_for(model="a"), ALICE, keep=True)
        await client.config_resetstat()
        held = await soon(queue.claim("gpu:1"))
        stats = await client.info("commandstats")
        assert await queue.finish(held, painted())
        return {name: stat["calls"] for name, stat in stats.items() if name != "cmdstat_info"}

    alone = await reads_of_a_claim()
    for number in range(50):
        await queue.put(f"b{number}", wish_for(model="b"), ALICE, keep=True)
    if jobs == "came back":
        claims = [await soon(queue.claim("gpu:2")) for _ in range(50)]
        for held in claims:
            await queue.finish(held, UNREACHED)
    among_many = await reads_of_a_claim()
    assert sum(among_many.values()) <= sum(alone.values()) + 5, (alone, among_many)


async def test_who_is_on_the_way_to_watch_as_it_stops_is_told_like_those_who_wait(queue: ValkeyQueue) -> None:
    await queue.put("job", wish_for(), ALICE, keep=False)
    await queue.drain(0)
    end = await soon((await queue.events("job")).end())
    assert isinstance(end, Failed)
    assert end.code == "shutting_down"


async def test_a_front_end_that_stops_does_not_wait_for_jobs_that_are_over_for_its_clients(
    queue: ValkeyQueue,
) -> None:
    await queue.put("waits", wish_for(), ALICE, keep=False)
    watch = await queue.events("waits")
    await soon(queue.drain(30))
    assert (await told(watch))[-1].code == "shutting_down"  # type: ignore[union-attr]


async def test_one_who_leaves_with_a_job_ends_it_and_one_who_stays_keeps_it(
    home: ValkeyHome, queue: ValkeyQueue
) -> None:
    """In two processes at once, and in one."""
    other = await home.another()
    for number in range(20):
        await queue.put(f"job{number}", wish_for(), ALICE, keep=False)
        watches = [(at, await at.events(f"job{number}")) for at in (queue, queue, other)]
        stays = watches.pop(number % 3) if number % 2 else None
        await asyncio.gather(*(at.abandon(watch) for at, watch in watches))
        if stays is not None:
            assert Cancelled() not in await told(stays[1])
    assert (await queue.status(ALICE)).waiting == 10


@pytest.mark.parametrize("keep", [False, True])
async def test_a_result_stays_for_as_long_as_somebody_fetches_it(
    keep: bool, home: ValkeyHome, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures of a minute's way: else they are dropped on it, and painted again, for ever."""
    monkeypatch.setattr("core.queues.valkey.results.LINGER", 0.001)
    queue = await home.open(result_ttl=5)
    await queue.offer(usable("gpu:1"))
    await queue.put("job", wish_for(), ALICE, keep=keep)
    watch = await queue.events("job")
    worker = await home.another()
    fetch, arrives = queue.pictures.fetch, asyncio.Event()
    attempt, lingered = queue.store.attempt, asyncio.Event()

    async def fetch_slowly(keys: list[str]) -> list[bytes | None]:
        await arrives.wait()
        return await fetch(keys)

    async def linger(script: str, *args: Any) -> None:
        await attempt(script, *args)
        lingered.set()

    monkeypatch.setattr(queue.pictures, "fetch", fetch_slowly)
    monkeypatch.setattr(queue.store, "attempt", linger)
    assert await worker.finish(await soon(worker.claim("gpu:1")), painted())
    for second in range(200):
        home.let_pass(1)
        await worker.pulse()
        if second % 20 == 0:
            lingered.clear()
            await soon(lingered.wait())
    arrives.set()
    assert (await told(watch))[-1] == painted()
    assert await client.exists(f"{PREFIX}j:job")
    await home.pass_time(61)
    assert not await client.exists(f"{PREFIX}j:job")


async def test_backends_whose_names_never_come_back_leave_nothing(
    home: ValkeyHome, queue: ValkeyQueue, client: Redis
) -> None:
    """As where each new container bears another name."""
    await queue.offer(usable("container-7:7860"))
    waiting = asyncio.create_task(queue.claim("container-7:7860"))
    await home.settle()
    assert await client.hkeys(f"{PREFIX}idle") == [b"container-7:7860"]
    waiting.cancel()
    await asyncio.wait([waiting])
    await client.hset(f"{PREFIX}idle", "container-7:7860", "a process that was killed")
    await home.pass_time(20)
    assert await client.hkeys(f"{PREFIX}idle") == []


async def test_callers_who_came_once_are_not_remembered_for_ever(queue: ValkeyQueue, client: Redis) -> None:
    """While a job waits that nobody can paint, V may stand still; who waits is remembered all the same."""
    await queue.put("stuck", wish_for(cost=0.1), Caller("patient"), keep=True)
    many = {f"came{number}": 1.0 + number for number in range(MOST_CALLERS + 30)}
    for key in ("finish", "away"):
        await client.zadd(f"{PREFIX}{key}", many)
    await client.hset(f"{PREFIX}share", mapping=dict.fromkeys(many, "9 0 1"))
    await queue.put("job", wish_for(), Caller("last"), keep=False)
    assert await queue.cancel("job", Caller("last"))
    assert await client.zcard(f"{PREFIX}finish") < MOST_CALLERS + 15
    await queue.put("job", wish_for(), Caller("last"), keep=False)
    assert await queue.cancel("job", Caller("last"))
    left = set(await client.hkeys(f"{PREFIX}share"))
    assert left == set(await client.zrange(f"{PREFIX}finish", 0, -1))
    assert left - {b"patient"} == set(await client.zrange(f"{PREFIX}away", 0, -1))
    assert len(left) == MOST_CALLERS + 1
    assert {b"patient", b"came40"} <= left
    assert b"came0" not in left


async def test_however_many_callers_wait_nobody_is_looked_for_who_could_be_forgotten(
    queue: ValkeyQueue, client: Redis
) -> None:
    """With 100,000 of them each claim asked 9,000 of them whether they wait, which took Valkey 50 ms."""
    await queue.put("painted", wish_for(cost=5), Caller("was here"), keep=True)
    await queue.put("stuck", wish_for(), Caller("patient"), keep=True)
    await queue.finish(await soon(queue.claim("gpu:1")), painted())
    many = {f"waits{number}": 10.0 + number for number in range(MOST_CALLERS + 2000)}
    async with client.pipeline() as pipeline:
        for caller in many:
            pipeline.zadd(f"{PREFIX}c:{caller}", {"a job": 1})
        pipeline.zadd(f"{PREFIX}finish", many)
        pipeline.hset(f"{PREFIX}share", mapping=dict.fromkeys(many, "9 0 1"))
        await pipeline.execute()
    await queue.put("job", wish_for(), Caller("last"), keep=False)
    await client.config_resetstat()
    assert await queue.cancel("job", Caller("last"))
    stats = await client.info("commandstats")
    assert sum(told["calls"] for told in stats.values()) < 100
    assert await client.hexists(f"{PREFIX}share", "was here"), "who waits keeps nobody from being remembered"


async def test_a_job_that_ended_unkept_leaves_next_to_nothing(queue: ValkeyQueue, client: Redis) -> None:
    """Else one who asks and hangs up, again and again, fills the memory with his prompts."""
    await queue.put("job", wish_for(prompt="x" * 4000), ALICE, keep=False)
    assert await queue.cancel("job", ALICE)
    assert sum(map(len, (await client.hvals(f"{PREFIX}j:job")))) < 400
    many = {f"old{number}": 1 for number in range(1500)}
    await client.zadd(f"{PREFIX}brief", many)
    await queue.pulse()
    assert await client.zcard(f"{PREFIX}brief") == 1, (
        "a pulse drops more of them than anybody ends in a second"
    )


async def test_of_many_who_break_off_together_the_last_one_goes_first(
    queue: ValkeyQueue, client: Redis
) -> None:
    """Each job that ends moves up those that its caller put after it: a thousand kept Valkey for 12 s."""
    ids = [f"job{number}" for number in range(60)]
    for id in ids:
        await queue.put(id, wish_for(), ALICE, keep=False)
    watches = [await queue.events(id) for id in ids]
    async with asyncio.TaskGroup() as group:
        for watch in watches:
            group.create_task(queue.abandon(watch))
    ended = {id: int(await client.hget(f"{PREFIX}j:{id}", "version") or 0) for id in ids}
    soonest = sorted(ids, key=lambda id: ended[id])[:30]
    assert set(soonest) <= {*ids[:ABANDONED_AT_ONCE], *ids[30 - ABANDONED_AT_ONCE :]}


async def test_a_turn_that_comes_to_one_who_is_cut_off_goes_to_the_next() -> None:
    turns, entered = NewestFirst(1), []

    async def enter(name: str) -> None:
        async with turns:
            entered.append(name)

    async with asyncio.TaskGroup() as group:
        async with turns:
            first, second, last = (group.create_task(enter(name)) for name in ("first", "second", "last"))
            await asyncio.sleep(0)
            last.cancel()
        second.cancel()  # its turn has just come
        await first
    assert entered == ["first"]


@pytest.mark.slow
async def test_what_may_have_been_put_while_the_queue_was_away_is_remembered_within_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.queues.valkey.leaving.MOST_DOUBTED", 3)
    async with ValkeyServer() as server, valkey(lambda: server.url) as home:
        assert isinstance(home, ValkeyHome)
        queue = await home.open()
        await queue.offer(usable("gpu:1"))
        await queue.pulse()
        server.kill()
        asked = [queue.put(f"job{number}", wish_for(), ALICE, keep=False) for number in range(9)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(answer) for answer in answers} == {QueueUnavailable}
        assert sum(f"job{number}" in queue._watching.leaving for number in range(9)) == 3
        gone = [asyncio.create_task(queue.put(f"gone{n}", wish_for(), ALICE, keep=False)) for n in range(9)]
        for _ in range(3):
            await asyncio.sleep(0)
        for client in gone:
            client.cancel()
        await asyncio.wait(gone)
        await soon(home._turn())
        assert sum(f"gone{number}" in queue._watching.leaving for number in range(9)) == 0, "nor who hung up"
