"""What is true of the home on Valkey alone: it may lose what it was told, and so may we."""

import asyncio
import secrets
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from core.caller import Caller
from core.errors import QueueUnavailable
from core.events import Cancelled, Completed, Failed, Queued, Started
from core.fair_order import MOST_CALLERS
from core.queues import Claim, Wish
from core.queues.valkey import ValkeyQueue
from core.queues.valkey.holding import Holding
from core.queues.valkey.leaving import ABANDONED_AT_ONCE, NewestFirst
from core.queues.valkey.pictures import Wanted
from core.queues.valkey.shown import Ended
from core.queues.valkey.store import AT_ONCE, CALL_SECONDS, PREFIX
from core.queues.valkey.watched import Watched
from core.settings import Settings
from tests.doubles.relay import Relay
from tests.unit.core.examples import ALICE, UNREACHED, Clock, painted, soon, told, usable, wish_for
from tests.unit.core.queues.homes import ValkeyHome, go_back, snapshot, valkey, waiting_for
from tests.valkey_server import ValkeyServer

# --- what Valkey had not written down when it was killed


async def test_a_job_that_valkey_lost_is_put_again_for_who_watches_it(
    home: ValkeyHome, queue: ValkeyQueue, client: Redis
) -> None:
    before = await snapshot(client)
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    elsewhere = await (await home.another()).events("job")
    assert await told(watch) == [Queued(0, None)]
    await go_back(client, before)
    await home.settle()
    await home.pass_time(2)
    held = await soon(queue.claim("gpu:1"))
    assert held.wish.watched
    await queue.finish(held, painted())
    assert (await told(watch))[-1] == painted()
    assert (await told(elsewhere))[-1] == painted(), "who watches through another front end gets it, too"


async def test_a_watcher_follows_where_valkey_went_back_in_time(
    home: ValkeyHome, queue: ValkeyQueue, client: Redis
) -> None:
    """It was told of versions that Valkey gives a second time."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    before = await snapshot(client)
    lost = await soon(queue.claim("gpu:1"))
    assert (await told(watch))[-1] == Started("gpu:1")
    await go_back(client, before)
    await home.settle()
    await home.pass_time(1)
    assert (await told(watch))[-1] == Queued(0, None)
    held = await soon(queue.claim("gpu:1"))
    assert held.attempt > lost.attempt, "a fence is never given twice"
    assert not await queue.finish(lost, painted())
    assert await queue.finish(held, painted())
    assert (await told(watch))[-1] == painted()


async def test_a_job_that_nobody_can_put_again_ends_with_a_word_that_says_so(
    home: ValkeyHome, queue: ValkeyQueue, client: Redis
) -> None:
    before = await snapshot(client)
    await (await home.another()).put("job", wish_for(), ALICE, keep=True)
    watch = await queue.events("job")
    await go_back(client, before)
    await home.settle()
    await home.pass_time(6)
    end = (await told(watch))[-1]
    assert end.code == "queue_unavailable"  # type: ignore[union-attr]


async def test_a_job_that_valkey_hears_too_late_is_not_accepted(
    queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that stood still does when it goes on: whoever asked was told that the queue is away."""
    with monkeypatch.context() as late:
        late.setattr("core.queues.valkey.putting.CALL_SECONDS", -0.001)
        with pytest.raises(QueueUnavailable):
            await queue.put("job", wish_for(), ALICE, keep=True)
    assert (await queue.status(ALICE)).waiting == 0
    await queue.put("job", wish_for(), ALICE, keep=True)
    assert (await queue.status(ALICE)).waiting == 1


async def test_pictures_that_lapsed_before_their_job_ended_are_stored_again(
    queue: ValkeyQueue, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when Valkey is away for longer than they are held, just between the two."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    held = await soon(queue.claim("gpu:1"))
    store = queue.pictures.store
    times = []

    async def store_and_lapse(keys: list[str], pictures: list[bytes], wanted: Wanted) -> None:
        await store(keys, pictures, wanted)
        times.append(keys)
        if len(times) == 1:
            await client.delete(*(PREFIX + key for key in keys))

    monkeypatch.setattr(queue.pictures, "store", store_and_lapse)
    assert await queue.finish(held, painted())
    assert len(times) == 2
    assert (await told(watch))[-1] == painted()


async def test_a_pulse_that_comes_while_a_picture_is_fetched_does_not_fetch_it_again(
    queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    held = await soon(queue.claim("gpu:1"))
    fetch = queue.pictures.fetch
    fetched = []

    async def fetch_slowly(keys: list[str]) -> list[bytes | None]:
        fetched.append(keys)
        if len(fetched) == 1:
            await queue.pulse()
        return await fetch(keys)

    monkeypatch.setattr(queue.pictures, "fetch", fetch_slowly)
    assert await queue.finish(held, painted())
    assert (await told(watch))[-1] == painted()
    assert len(fetched) == 1


async def test_a_picture_whose_fetching_failed_is_fetched_by_the_next_pulse(
    home: ValkeyHome, queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    held = await soon(queue.claim("gpu:1"))

    async def fail(_keys: list[str]) -> list[bytes | None]:
        await queue.pulse()  # which leaves it to this one
        raise QueueUnavailable("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(queue.pictures, "fetch", fail)
        assert await queue.finish(held, painted())
        await home.settle()
    await home.pass_time(1)
    assert (await told(watch))[-1] == painted()


async def test_a_picture_whose_fetching_fails_while_a_pulse_looks_is_fetched_by_the_next_one(
    home: ValkeyHome, queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    held = await soon(queue.claim("gpu:1"))
    look, fetch_end, failed = queue._watching._look_at, queue._watching._fetch_end, asyncio.Event()

    async def look_at(ids: list[str]) -> None:
        await look(ids)
        await failed.wait()

    async def fail(_keys: list[str]) -> list[bytes | None]:
        raise QueueUnavailable("cut off")

    async def fetch(job: Watched, ended: Ended) -> None:
        await fetch_end(job, ended)
        failed.set()

    with monkeypatch.context() as patch:
        patch.setattr(queue._watching, "hear", lambda message: None)  # it was lost
        patch.setattr(queue.pictures, "fetch", fail)
        patch.setattr(queue._watching, "_look_at", look_at)
        patch.setattr(queue._watching, "_fetch_end", fetch)
        assert await queue.finish(held, painted())
        await queue.pulse()
    await home.pass_time(1)
    assert (await told(watch))[-1] == painted()


async def test_what_was_missed_while_a_pulse_looked_is_seen_by_the_next_one(
    queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = queue._watching.check
    looks: list[int] = []

    async def cut_off_at_first() -> bool:
        looks.append(len(looks))
        seen = await check()
        if len(looks) == 1:
            queue._missed_something()
        return seen

    monkeypatch.setattr(queue._watching, "check", cut_off_at_first)
    queue._missed_something()
    for _ in range(3):
        await queue.pulse()
    assert len(looks) == 2, "the third has nothing to see"


async def test_a_claim_is_held_for_as_long_as_its_picture_is_on_its_way(
    home: ValkeyHome, queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU at home may need longer for that than a lease lasts; nobody is to paint it again."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    held = await soon(queue.claim("gpu:1"))
    store, arrives = queue.pictures.store, asyncio.Event()

    async def slow(keys: list[str], pictures: list[bytes], wanted: Wanted) -> None:
        await arrives.wait()
        await store(keys, pictures, wanted)

    async def closes(_: Claim) -> Wish:
        try:
            return await asyncio.Event().wait()  # type: ignore[return-value]
        finally:
            await closed.wait()

    monkeypatch.setattr(queue.pictures, "store", slow)
    closed, look = asyncio.Event(), queue._holding._wish_of
    monkeypatch.setattr(queue._holding, "_wish_of", closes)
    async with waiting_for(queue.renew(held, held.wish)) as keeper:
        monkeypatch.setattr(queue._holding, "_wish_of", look)
        keeper.cancel()  # nobody waits for it, and its connection takes a moment to close
        async with waiting_for(queue.finish(held, painted())) as finishing:
            closed.set()
            with pytest.raises(asyncio.CancelledError):
                await keeper
            for _ in range(8):
                home._passed += 1
                await queue.pulse()
            arrives.set()
            assert await soon(finishing)
    assert await told(watch) == [Queued(0, None), Started("gpu:1"), painted()], "begun once"


async def test_a_lease_is_renewed_once_by_each_call_that_hears_nothing(
    queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker that paints makes this call every third of a lease, one after the other."""
    await queue.offer(usable("gpu:1"))
    await queue.put("job", wish_for(), ALICE, keep=True)
    held = await soon(queue.claim("gpu:1"))
    brief = Holding(queue.store, queue.pictures, queue.process, Settings(lease_ttl=0.06), time.monotonic)
    insist, renewals = queue.store.insist, []

    async def counted(script: str, *args: Any, **options: Any) -> Any:
        renewals.append(script)
        return await insist(script, *args, **options)

    monkeypatch.setattr(queue.store, "insist", counted)
    assert await soon(brief.renew(held, held.wish)) == held.wish
    assert renewals == ["renew"]


async def test_a_refused_picture_is_not_kept(queue: ValkeyQueue, client: Redis) -> None:
    await queue.put("job", wish_for(), ALICE, keep=False)
    held = await soon(queue.claim("gpu:1"))
    await queue.cancel("job", ALICE)
    assert not await queue.finish(held, painted())
    assert not [key async for key in client.scan_iter(f"{PREFIX}i:*")]


async def test_a_result_that_nobody_keeps_takes_no_room_after_a_minute(
    home: ValkeyHome, queue: ValkeyQueue, client: Redis
) -> None:
    await queue.put("job", wish_for(), ALICE, keep=False)
    await queue.finish(await soon(queue.claim("gpu:1")), painted())
    assert [key async for key in client.scan_iter(f"{PREFIX}i:*")]
    await home.pass_time(65)
    assert not [key async for key in client.scan_iter(f"{PREFIX}[ij]:*")]


# --- what is said twice, or in the wrong order


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


# --- while it is away


@pytest.mark.parametrize("old_one", ["is a replica", pytest.param("stands still", marks=pytest.mark.slow)])
async def test_after_a_failover_nothing_is_said_to_the_server_that_was_the_primary_before(
    monkeypatch: pytest.MonkeyPatch, old_one: str
) -> None:
    """Its connections stay, however it lives on; the name leads to the new one, which heard of nothing."""
    monkeypatch.setattr("core.queues.valkey.listener.PING_SECONDS", 0.2)
    async with AsyncExitStack() as stack:
        old, new = [await stack.enter_async_context(ValkeyServer("--appendonly", "no")) for _ in range(2)]
        admin = await stack.enter_async_context(Redis.from_url(old.url))
        relay = await stack.enter_async_context(Relay(old.port))
        home = await stack.enter_async_context(valkey(lambda: f"redis://127.0.0.1:{relay.port}/0"))
        assert isinstance(home, ValkeyHome)
        queue = await home.open()
        await asyncio.gather(*(queue.offer(usable(f"gpu:{number}")) for number in range(9)))
        await queue.put("job", wish_for(), ALICE, keep=False)
        watch = await queue.events("job")

        if old_one == "is a replica":
            await admin.replicaof("127.0.0.1", new.port)
        else:
            old.freeze()
        relay.target = new.port
        with pytest.raises(QueueUnavailable):
            await queue.pulse()
        await soon(asyncio.gather(*(queue.store.call("agreed", "a word", b"1" * 32) for _ in range(9))))
        await queue.offer(usable("gpu:1"))
        for _ in range(2):  # the job is found to be lost, and put again; then who watches it is said again
            await queue.pulse()
        await soon(home.settle())  # what is published there is heard
        await queue.finish(await soon(queue.claim("gpu:1")), painted())
        assert (await told(watch))[-1] == painted()


@pytest.mark.slow
async def test_a_crowd_is_told_in_the_time_of_one_call_that_a_frozen_queue_is_away() -> None:
    """Nobody waits for the call of another one to end before his own begins."""
    async with ValkeyServer() as server, valkey(lambda: server.url) as home:
        queue = await home.open()
        await queue.offer(usable("gpu:1"))
        server.freeze()
        try:
            loop = asyncio.get_running_loop()
            began = loop.time()
            puts = (queue.put(f"job{n}", wish_for(), ALICE, keep=False) for n in range(100))
            ends = await asyncio.gather(*puts, return_exceptions=True)
            assert loop.time() - began < 2 * CALL_SECONDS
            assert {type(end) for end in ends} == {QueueUnavailable}
        finally:
            server.thaw()
        await home.pass_time(1)
        status = await queue.status(ALICE)
        assert status.waiting == 0, "who was told 503 has no job in the queue"


@pytest.mark.slow
async def test_what_a_claim_got_after_it_was_given_up_goes_back_at_once() -> None:
    """A frozen queue hears of both when it goes on, of a script that it never ran before as well."""
    async with ValkeyServer() as server, valkey(lambda: server.url) as home:
        queue = await home.open()
        await queue.offer(usable("gpu:1"))
        await queue.put("another", wish_for(), ALICE, keep=True)
        await queue.finish(await queue.claim("gpu:1"), painted())
        await queue.put("job", wish_for(), ALICE, keep=True)
        server.freeze()
        try:
            claiming = asyncio.create_task(queue.claim("gpu:1"))
            for _ in range(20):  # it is sent
                await asyncio.sleep(0)
            claiming.cancel()
            await asyncio.wait([claiming])
        finally:
            server.thaw()
        assert (await soon(queue.claim("gpu:1"))).id == "job"


async def test_a_job_whose_answer_was_lost_is_painted_for_nobody(
    home: ValkeyHome, queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = queue.store._run

    async def lost(script: str, args: tuple[object, ...]) -> object:
        await run(script, args)  # type: ignore[arg-type]
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(queue.store, "_run", lost)
        with pytest.raises(QueueUnavailable):
            await queue.put("job", wish_for(), ALICE, keep=False)
        with pytest.raises(QueueUnavailable):
            await queue.put("kept", wish_for(), ALICE, keep=True)
    assert (await queue.status(ALICE)).waiting == 2
    await home.pass_time(1)
    assert (await queue.status(ALICE)).waiting == 1


async def test_a_short_absence_of_valkey_takes_no_claim_from_a_worker_that_lives(
    home: ValkeyHome, queue: ValkeyQueue
) -> None:
    """Valkey goes just before the lease is to be renewed; when it is back, another process is there first."""
    other = await home.another()
    await queue.put("job", wish_for(), ALICE, keep=False)
    held = await soon(queue.claim("gpu:1"))
    await home.pass_time(1)
    home._passed += 1.95
    await other.pulse()
    home._passed += 0.2
    await other.pulse()
    assert await queue.finish(held, painted())


async def test_after_a_long_absence_of_valkey_no_backend_is_forgotten(
    home: ValkeyHome, queue: ValkeyQueue
) -> None:
    """Their workers could not repeat the offers; new work that comes first is not refused for that."""
    home._passed += 30
    await queue.pulse()
    await queue.put("job", wish_for(), ALICE, keep=False)
    assert (await soon(queue.claim("gpu:1"))).id == "job"
    await home.pass_time(5)
    assert not (await queue.offers()).offers, "unless their workers are gone as well"


async def test_the_next_pulse_comes_when_a_lease_ends_and_not_a_second_later(
    home: ValkeyHome, queue: ValkeyQueue
) -> None:
    """The worker is dead, and this process is the only one that lives on."""
    assert queue._pulse.pause == 1.0
    dead = await home.another()
    await queue.put("job", wish_for(), ALICE, keep=True)
    await soon(dead.claim("gpu:1"))
    home._queues.remove(dead)
    await home.pass_time(1)
    assert queue._pulse.pause == 1.0
    home._passed += 1.4
    await queue.pulse()
    assert 0.3 < queue._pulse.pause < 0.61, "0.6 seconds of its three are left"
    home._passed += queue._pulse.pause
    await queue.pulse()
    assert (await queue.status(ALICE)).waiting == 1
    assert queue._pulse.pause == 1.0
    home._queues.append(dead)


async def test_a_claim_that_waited_for_valkey_has_its_whole_lease(
    home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every idle worker would throw away what it gets first after a long outage."""
    clock = Clock()
    queue = ValkeyQueue(Settings(redis_url=home.url), clock=clock)
    home._queues.append(queue)
    other = await home.another()
    await other.offer(usable("gpu:1"))
    await other.put("job", wish_for(), ALICE, keep=False)
    run, tries = queue.store._run, 0

    async def away_at_first(script: str, args: tuple[object, ...]) -> object:
        nonlocal tries
        tries += 1
        answer = await run(script, args) if tries != 1 else None  # type: ignore[arg-type]
        if tries <= 2:  # the second time only the answer is lost
            clock.advance(10)
            home._passed += 1
            raise ConnectionError
        return answer

    monkeypatch.setattr(queue.store, "_run", away_at_first)
    held = await soon(queue.claim("gpu:1"))
    assert held.until == clock() + Settings().lease_ttl
    monkeypatch.undo()
    home._passed += 1.45
    await other.pulse()
    home._passed += 1.45
    await other.pulse()
    assert await queue.finish(held, painted()), "the queue counts it from then, too"


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
    await client.zadd(f"{PREFIX}finish", many)
    await client.hset(f"{PREFIX}share", mapping=dict.fromkeys(many, "9 0 1"))
    await queue.put("job", wish_for(), Caller("last"), keep=False)
    assert await queue.cancel("job", Caller("last"))
    assert await client.zcard(f"{PREFIX}finish") < MOST_CALLERS + 15
    await queue.put("job", wish_for(), Caller("last"), keep=False)
    assert await queue.cancel("job", Caller("last"))
    left = set(await client.hkeys(f"{PREFIX}share"))
    assert left == set(await client.zrange(f"{PREFIX}finish", 0, -1))
    assert len(left) == MOST_CALLERS
    assert {b"patient", b"came40"} <= left
    assert b"came0" not in left


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
