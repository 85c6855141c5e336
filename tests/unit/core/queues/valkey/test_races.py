"""Two things at once: what is answered, heard or begun while something else was on its way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from core.caller import Caller
from core.errors import NotFound, QueueUnavailable
from core.events import Cancelled, Failed, Progress, Queued, Started
from core.offers import Offer
from core.queues import Wish
from core.queues.valkey import ValkeyQueue
from core.queues.valkey.ownership import ValkeyOwnership
from core.queues.valkey.records import encode_end
from core.queues.valkey.store import PREFIX
from core.queues.valkey.watched import Watched
from core.request import SMALLEST_COST, ImageRequest
from tests.unit.core.examples import ALICE, ERROR, UNREACHED, WATCHED, painted, soon, told, usable, wish_for
from tests.unit.core.queues.homes import ValkeyHome, claiming, go_back, snapshot, waiting_for
from tests.unit.core.queues.valkey.interleaving import before
from tests.valkey_server import ValkeyServer


def gone(client: Redis, held: dict[bytes, bytes]) -> Callable[[list[str]], Awaitable[list[bytes | None]]]:
    """In place of a picture's fetching: Valkey has gone back to what it held then, and has none."""

    async def fetch(_keys: list[str]) -> list[bytes | None]:
        await go_back(client, held)
        return [None]

    return fetch


async def test_a_picture_that_valkey_lost_on_its_way_is_no_end_while_the_job_lives_on(
    queue: ValkeyQueue, home: ValkeyHome, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    held = await soon(queue.claim("gpu:1"))
    running = await snapshot(client)

    with monkeypatch.context() as patch:
        patch.setattr(queue.pictures, "fetch", gone(client, running))
        assert await queue.finish(held, painted())
        await home.settle()
    await home.pass_time(1)
    assert await told(watch) == [Queued(0, None), Started("gpu:1")]
    assert await queue.finish(held, painted()), "it is still to be painted"
    assert await told(watch) == [painted()]


async def test_who_asks_for_a_picture_that_valkey_loses_just_then_may_ask_again(
    queue: ValkeyQueue, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.put("job", wish_for(), ALICE, keep=True)
    held = await soon(queue.claim("gpu:1"))
    running = await snapshot(client)
    assert await queue.finish(held, painted())

    monkeypatch.setattr(queue.pictures, "fetch", gone(client, running))
    with pytest.raises(QueueUnavailable):
        await queue.events("job")


async def test_who_cancels_a_kept_job_that_is_just_put_has_it_cancelled(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await home.another()
    before(monkeypatch, queue, "watch", lambda: other.cancel("job", ALICE))
    await queue.put("job", wish_for(), ALICE, keep=True)
    assert await told(await queue.events("job")) == [Cancelled()]


async def test_the_pulse_waits_neither_for_a_picture_nor_for_those_who_left(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is silent for long is taken for dead, and the others wait for their news."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    held = await soon(queue.claim("gpu:1"))
    fetch, arrives = queue.pictures.fetch, asyncio.Event()

    async def slow(keys: list[str]) -> list[bytes | None]:
        await arrives.wait()
        return await fetch(keys)

    with monkeypatch.context() as patch:
        patch.setattr(queue._watching, "hear", lambda message: None)  # it was lost
        patch.setattr(queue.pictures, "fetch", slow)
        assert await queue.finish(held, painted())
        before(patch, queue, "unwatch", arrives.wait)
        queue._watching.leaving.later("left", abandon=True)
        await soon(queue.pulse())
        arrives.set()
        await home.settle()
    assert (await told(watch))[-1] == painted()


async def test_an_end_whose_word_is_lost_while_a_first_state_is_on_its_way_is_told(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pulse comes by just then, and has nothing to see when the state is there."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    call = queue.store.call

    async def answered_late(name: str, *args: Any, **options: Any) -> Any:
        answer = await call(name, *args, **options)
        if name == "watch":
            assert await queue.finish(await soon(queue.claim("gpu:1")), painted())
            await home.settle()
            await queue.pulse()
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(queue._watching, "hear", lambda message: None)  # it was lost
        patch.setattr(queue.store, "call", answered_late)
        watch = await queue.events("job")
    await home.pass_time(1)
    assert (await told(watch))[-1] == painted()


async def test_who_asks_for_a_job_that_is_not_there_makes_no_server_look_idle(
    queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What all others are told of the time that is left would jump, each time that somebody does."""
    await queue.offer(usable("gpu:1", pace=1.0))
    await queue.put("runs", wish_for(cost=10), ALICE, keep=True)
    await soon(queue.claim("gpu:1"))
    await queue.put("waits", wish_for(), ALICE, keep=True)
    watch = await queue.events("waits")
    assert await told(watch) == [Queued(0, 11.0)]

    async def ask() -> None:
        with pytest.raises(NotFound):
            await queue.events("no such job")

    before(monkeypatch, queue, "places", ask)
    queue._missed_something()
    await queue.pulse()
    assert await told(watch) == []


async def test_what_a_worker_was_woken_for_and_did_not_take_wakes_another_one(
    queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that come at once the fastest is woken for the first, and prefers the second: its model's."""
    monkeypatch.setattr("core.queues.valkey.holding.POLL", 60)
    await queue.offer(usable("gpu:1", "anime", "photo", loaded="anime", pace=1.0))
    await queue.offer(usable("gpu:2", "photo", pace=9.0))
    async with claiming(queue, "gpu:1") as fast, claiming(queue, "gpu:2") as slow:
        before(
            monkeypatch,
            queue,
            "claim",
            lambda: queue.put("second", wish_for(model="anime"), ALICE, keep=True),
        )
        await queue.put("first", wish_for(model="photo"), ALICE, keep=True)
        assert (await soon(fast)).id == "second"
        assert (await soon(slow)).id == "first"


async def test_what_was_asked_before_valkey_went_back_is_not_believed_afterwards(
    queue: ValkeyQueue, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a job could seem to be further than it will ever be again."""
    for id in ("first", "second"):
        await queue.put(id, wish_for(), ALICE, keep=False)
        await queue.events(id)
    monkeypatch.setattr("core.queues.valkey.watching.SLICE", 0.0)  # others have their turn after each job
    heard = []

    def go_back_meanwhile(job: Watched, *_: Any) -> None:
        heard.append(job.id)
        asyncio.get_running_loop().call_soon(queue._missed_something)

    monkeypatch.setattr(Watched, "hear", go_back_meanwhile)
    queue._missed_something()
    await queue.pulse()
    assert heard == ["first"]


async def test_who_comes_as_valkey_goes_back_is_told_the_end_though_what_he_was_answered_was_further(
    queue: ValkeyQueue, home: ValkeyHome, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions are given a second time then: the end's would be one of before he came."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    waiting = await snapshot(client)
    for _ in range(2):
        await queue.finish(await soon(queue.claim("gpu:1")), UNREACHED)
    call, doubted = queue.store.call, asyncio.Event()
    doubt = queue._watching.doubt

    def note() -> None:
        doubt()
        doubted.set()

    async def answered_before(name: str, *args: Any, **options: Any) -> Any:
        answer = await call(name, *args, **options)
        if name == "watch" and not doubted.is_set():
            await go_back(client, waiting)
            await soon(doubted.wait())
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(queue._watching, "doubt", note)
        patch.setattr(queue.store, "call", answered_before)
        watch = await queue.events("job")
    assert await queue.finish(await soon(queue.claim("gpu:1")), painted())
    await home.pass_time(2)
    assert (await told(watch))[-1] == painted()


async def test_a_process_that_was_half_forgotten_says_again_what_it_watches(
    queue: ValkeyQueue, home: ValkeyHome, client: Redis
) -> None:
    """It was silent for so long that another one has begun to let go of its jobs, some at a time."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    held = await soon(queue.claim("gpu:1"))
    await client.zadd(f"{PREFIX}processes", {queue.process: 1.0})
    await client.hdel(f"{PREFIX}w:job", queue.process)
    await home.pass_time(1)
    progress = Progress(0.5, 10, 20, 1.0)
    await queue.publish(held, progress)
    assert (await told(watch))[-1] == progress


async def test_all_who_watch_a_result_share_its_pictures(
    queue: ValkeyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask for it, and however slowly they read: a copy for each would fill the memory."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    await queue.finish(await soon(queue.claim("gpu:1")), painted())
    fetch, fetched = queue.pictures.fetch, list[list[str]]()

    async def count(keys: list[str]) -> list[bytes | None]:
        fetched.append(keys)
        return await fetch(keys)

    monkeypatch.setattr(queue.pictures, "fetch", count)
    watches = await asyncio.gather(*(queue.events("job") for _ in range(5)))
    ends = [(await told(watch))[-1] for watch in (*watches, await queue.events("job"))]
    assert all(end is ends[0] for end in ends)
    assert len(fetched) == 1
    del ends, watches
    await told(await queue.events("job"))
    assert len(fetched) == 2, "nothing is kept for nobody"


@pytest.mark.parametrize("what", ["is cancelled with who had put it before", "is lost"])
async def test_what_becomes_of_a_job_between_its_being_put_and_watched_costs_nobody_an_error(
    what: str, home: ValkeyHome, queue: ValkeyQueue, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = await snapshot(client)
    if what == "is lost":
        before(monkeypatch, queue, "watch", lambda: go_back(client, empty))
    else:
        other = await home.another()
        await other.put("job", wish_for(), ALICE, keep=False)
        first = await other.events("job")
        before(monkeypatch, queue, "watch", lambda: other.abandon(first))
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    assert await queue.finish(await soon(queue.claim("gpu:1")), painted())
    await home.pass_time(1)
    assert (await told(watch))[-1] == painted()


async def test_a_picture_of_a_worker_that_lost_its_server_meanwhile_is_refused_and_its_job_goes_back(
    queue: ValkeyQueue, home: ValkeyHome
) -> None:
    """It stood still until its lease of the server was over, and that of the job not yet. Who has the server
    now found the picture under way and interrupted it: half of one would have been told as whole.
    """
    other = await home.another()
    theirs = ValkeyOwnership(other.store, other.process)
    await ValkeyOwnership(queue.store, queue.process).own(["gpu:1"], [])
    await queue.put("job", wish_for(), ALICE, keep=True)
    held = await soon(queue.claim("gpu:1"))
    await home.pass_time(1)
    assert (await soon(queue.renew(held, Wish(held=True, watched=False, preview=True)))).held
    await home.pass_time(2.1)
    assert (await soon(theirs.own(["gpu:1"], [])))[0] == {"gpu:1"}
    assert not await soon(queue.finish(held, painted()))
    again = await soon(other.claim("gpu:1"))
    assert (again.id, again.failures) == ("job", 0)
    assert await soon(other.finish(again, painted()))


async def test_what_is_said_of_a_server_by_who_has_lost_it_counts_no_more(
    queue: ValkeyQueue, home: ValkeyHome
) -> None:
    """It stood still, and goes on with what it was about to say; whose server it is now would get no job."""
    other = await home.another()
    await ValkeyOwnership(other.store, other.process).own(["gpu:1"], [])
    await other.offer(usable("gpu:1"))
    await queue.offer(Offer("gpu:1", usable=False, problem="still has a job that was cancelled"))
    await queue.put("job", wish_for(), ALICE, keep=True)
    assert (await soon(other.claim("gpu:1"))).id == "job"


async def test_a_picture_is_held_on_its_way_though_the_word_that_it_took_too_long_is_cut_off_by_it(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the job would be painted again where the line is slow."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    held = await soon(queue.claim("gpu:1"))
    store, arrives = queue.pictures.store, asyncio.Event()

    async def slow(keys: Sequence[str], *args: Any) -> None:
        if keys:
            await arrives.wait()
        await store(keys, *args)

    async def never() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(queue.pictures, "store", slow)
    before(monkeypatch, queue, "finish", never)
    async with waiting_for(queue.finish(held, ERROR)) as telling:
        delivering = asyncio.create_task(queue.finish(held, painted()))
        await asyncio.sleep(0)
        telling.cancel()
        await asyncio.wait([telling])
    await home.pass_time(5)
    arrives.set()
    assert await soon(delivering)


async def test_what_fills_valkeys_memory_is_let_go_when_its_time_is_over() -> None:
    """Also where there is none left for the scripts that let it go."""
    async with ValkeyServer() as server, Redis.from_url(server.url) as admin:
        home = ValkeyHome(server.url)
        try:
            queue = await home.open()
            await queue.offer(usable("gpu:1"))
            await queue.put("job", wish_for(), ALICE, keep=False)
            await queue.finish(await soon(queue.claim("gpu:1")), painted(picture=b"A" * 4_000_000))
            await queue.put("running", wish_for(), ALICE, keep=True)
            held = await soon(queue.claim("gpu:1"))
            await queue.store._connect_anew()  # the buffer through which the picture came is gone
            used = (await admin.info("memory"))["used_memory"]
            await admin.config_set("maxmemory", used - 2_000_000)
            with pytest.raises(QueueUnavailable):
                await queue.put("next", wish_for(), ALICE, keep=False)
            # Workers keep what they have meanwhile.
            ownership = ValkeyOwnership(queue.store, queue.process)
            for _ in range(30):
                await home.pass_time(2)
                assert (await soon(queue.renew(held, WATCHED))).held
                assert (await soon(ownership.own(["gpu:1"], [])))[0] == {"gpu:1"}
                await soon(queue.offer(usable("gpu:1")))
            await home.pass_time(2)
            await queue.put("next", wish_for(), ALICE, keep=False)
        finally:
            await home.close()


async def test_workers_let_go_of_their_jobs_although_valkeys_memory_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A picture is what filled it, say. Else they would hold what is done for as long as that lasts."""
    async with ValkeyServer() as server, Redis.from_url(server.url) as admin:
        home = ValkeyHome(server.url)
        try:
            queue = await home.open()
            await queue.offer(usable("gpu:1"))
            for id in ("painted", "failed", "unreached", "unwanted"):
                await queue.put(id, wish_for(), ALICE, keep=True)
            painting, failing, unreached = [await soon(queue.claim("gpu:1")) for _ in range(3)]
            await queue.store.call("claim", "gpu:1", queue.process, "cut off", 0)

            before(monkeypatch, queue, "finish", lambda: admin.config_set("maxmemory", "100kb"))
            assert await soon(queue.finish(painting, painted()))
            assert await soon(queue.finish(failing, ERROR))
            assert await soon(queue.finish(unreached, UNREACHED))
            await queue.store.call("unclaim", "cut off", "gpu:1", queue.process)
            with pytest.raises(QueueUnavailable):
                await queue.store.call("claim", "gpu:1", queue.process, "next", 0)

            await admin.config_set("maxmemory", "0")
            assert [await admin.hget(f"{PREFIX}j:{id}", "state") for id in ("painted", "failed")] == [
                b"ended"
            ] * 2
            again = {(await soon(queue.claim("gpu:1"))).id for _ in range(2)}
            assert again == {"unreached", "unwanted"}
        finally:
            await home.close()


async def test_a_job_that_goes_back_while_its_front_end_stops_is_told_to_go_elsewhere(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    grace_is_over = asyncio.Event()

    async def until_then() -> None:
        await grace_is_over.wait()
        raise TimeoutError

    monkeypatch.setattr(queue._watching, "nothing_watched", until_then)
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    held = await soon(queue.claim("gpu:1"))
    await home.settle()
    assert queue._watching.running, "else it counts as waiting, and is told at once"
    async with waiting_for(queue.drain(60)) as draining:
        await queue.finish(held, UNREACHED)
        await home.settle()
        assert queue._watching.waiting
        grace_is_over.set()
        await soon(draining)
    end = (await told(watch))[-1]
    assert isinstance(end, Failed)
    assert end.code == "shutting_down"


async def test_a_cancel_that_is_made_again_does_not_end_the_jobs_next_life(queue: ValkeyQueue) -> None:
    """Its answer was lost, and the job was put again meanwhile."""
    cancel = ("cancel", "job", ALICE.name, b"X", "this call")
    await queue.put("job", wish_for(), ALICE, keep=True)
    assert await queue.store.call(*cancel) == b"done"
    await queue.put("job", wish_for(), ALICE, keep=True)
    assert await queue.store.call(*cancel) == b"done"
    assert (await queue.status(ALICE)).waiting == 1


async def test_a_claim_that_is_heard_once_more_when_its_job_has_ended_takes_no_other_one(
    queue: ValkeyQueue,
) -> None:
    """A network that was away sends it again. Nobody waits for it any more: the lease would have to lapse."""
    claim = ("claim", "gpu:1", queue.process, "this call", 4)
    await queue.put("job", wish_for(), ALICE, keep=True)
    id, fence, *_ = await queue.store.call(*claim)
    assert await queue.store.call("finish", id, fence, encode_end(ERROR), 0, 0, "that call") == 1
    await queue.put("another", wish_for(), ALICE, keep=True)
    assert await queue.store.call(*claim) == []
    assert (await soon(queue.claim("gpu:1"))).id == "another"


async def test_an_end_that_is_told_again_leaves_its_pictures_to_those_who_are_about_to_fetch_them(
    queue: ValkeyQueue, client: Redis
) -> None:
    """Its answer was lost, and the job was put again meanwhile."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    held = await soon(queue.claim("gpu:1"))
    picture = f"{PREFIX}i:job:{held.attempt}:0"
    await client.set(picture, b"aVZCT1I=")
    finish = ("finish", "job", held.attempt, encode_end(painted()), 1, 8, "this call")
    assert await queue.store.call(*finish) == 1
    await queue.put("job", wish_for(), ALICE, keep=False)
    assert await queue.store.call(*finish) == 1
    assert await client.exists(picture)


async def test_a_clock_that_goes_back_keeps_no_dead_worker_alive(
    queue: ValkeyQueue, home: ValkeyHome
) -> None:
    """A replica took over that is a minute behind, and the worker died with the primary's machine."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    await soon(queue.claim("gpu:1"))
    home._passed -= 60
    await home.pass_time(20)
    await queue.offer(usable("gpu:1"))
    assert (await soon(queue.claim("gpu:1"))).id == "job"


async def test_tiny_jobs_pass_over_a_job_so_many_times_and_no_more(home: ValkeyHome, client: Redis) -> None:
    """As in memory: while it looks at thousands of passes, Valkey does nothing else."""
    queue = await home.open(model_slack=64 * SMALLEST_COST)
    await queue.offer(usable("gpu:1", "anime", "photo", loaded="photo"))
    await queue.put("other", wish_for(model="anime"), ALICE, keep=True)
    tiny = ImageRequest(prompt="tiny", model="photo", steps=1, width=64, height=64)
    for number in range(65):
        await queue.put(f"tiny{number}", tiny, Caller("b"), keep=True)
    taken = [(await soon(queue.claim("gpu:1"))).id for _ in range(64)]
    assert "other" not in taken
    assert await client.llen(f"{PREFIX}passed:anime\n") == 64
    assert (await soon(queue.claim("gpu:1"))).id == "other"


async def test_a_line_that_was_passed_over_thousands_of_times_can_be_judged(
    home: ValkeyHome, client: Redis
) -> None:
    """Where MODEL_SLACK is large; Lua takes some 8,000 values at once."""
    queue = await home.open(model_slack=1e6)
    await queue.offer(usable("gpu:1", "anime", "photo", loaded="photo"))
    await queue.put("anime", wish_for(model="anime"), ALICE, keep=True)
    await queue.put("photo", wish_for(model="photo"), Caller("b"), keep=True)
    key = f"{PREFIX}passed:anime\n"
    later = [f"9 {2:015d}{number:015d}0.001 x 9" for number in range(9000)]
    await client.rpush(key, f"-1 {0:015d}{0:015d}0.001 x 9", *later)
    assert (await soon(queue.claim("gpu:1"))).id == "photo"
    assert await client.llen(key) == 9001, "the one that counts no more went, and this one came"


async def test_a_valkey_that_came_back_empty_is_told_what_was_agreed_on(
    queue: ValkeyQueue, home: ValkeyHome, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else those who start from now on would know the same key as another job."""
    secret = await queue.agreed("secret")
    await client.flushall()

    async def away() -> None:
        raise QueueUnavailable("away for another moment")

    before(monkeypatch, queue, "agreed", away)
    with pytest.raises(QueueUnavailable):
        await queue.pulse()
    await home.pass_time(1)
    assert await (await home.another()).agreed("secret") == secret == queue.word("secret")


async def test_who_comes_before_a_valkey_that_came_back_empty_was_told_is_agreed_with(
    queue: ValkeyQueue, home: ValkeyHome, client: Redis
) -> None:
    secret = await queue.agreed("secret")
    newcomer = await home.another()
    await client.flushall()
    theirs = await newcomer.agreed("secret")
    assert theirs != secret
    await home.pass_time(1)
    assert queue.word("secret") == newcomer.word("secret") == theirs
