"""What Valkey had not written down when it was killed, and pictures that are on their way then."""

import asyncio
import time
from typing import Any

import pytest
from redis.asyncio import Redis

from core.errors import QueueUnavailable
from core.events import Queued, Started
from core.queues import Claim, Wish
from core.queues.valkey import ValkeyQueue
from core.queues.valkey.holding import Holding
from core.queues.valkey.pictures import Wanted
from core.queues.valkey.shown import Ended
from core.queues.valkey.store import PREFIX
from core.queues.valkey.watched import Watched
from core.settings import Settings
from tests.unit.core.examples import ALICE, painted, soon, told, usable, wish_for
from tests.unit.core.queues.homes import ValkeyHome, go_back, snapshot, waiting_for


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
