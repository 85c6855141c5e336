"""A Valkey whose memory is full: only new work is refused, and all else goes on."""

from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from core.errors import QueueUnavailable
from core.events import Cancelled, Queued, Started
from core.queues.valkey import ValkeyQueue
from core.queues.valkey.store import PREFIX
from tests.unit.core.examples import ALICE, painted, soon, told, wish_for
from tests.unit.core.queues.homes import ValkeyHome, go_back, snapshot
from tests.valkey_server import ValkeyServer


@pytest.fixture
async def valkey_url() -> AsyncIterator[Callable[[], str]]:
    """One of its own for each test: its memory is full for all who use it."""
    async with ValkeyServer() as server:
        yield lambda: server.url


async def fill(client: Redis) -> None:
    await client.config_set("maxmemory", "100kb")


async def test_what_was_missed_is_told_although_memory_is_full(
    queue: ValkeyQueue, home: ValkeyHome, client: Redis
) -> None:
    """Its subscription broke meanwhile, and is made anew: that begins with saying again what is watched."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    await queue.put("other", wish_for(), ALICE, keep=True)
    watch, other = await queue.events("job"), await queue.events("other")
    await told(watch)
    await fill(client)
    await client.client_kill_filter(_type="pubsub")
    assert await queue.cancel("job", ALICE)
    await home.settle()
    await home.pass_time(1)
    assert (await told(watch))[-1] == Cancelled()
    assert (await told(other))[-1] == Queued(0, None)


async def test_who_asks_for_a_job_that_has_not_ended_is_told_although_memory_is_full(
    queue: ValkeyQueue, client: Redis
) -> None:
    """Only new work is refused."""
    for id in ("running", "waiting"):
        await queue.put(id, wish_for(), ALICE, keep=True)
    await soon(queue.claim("gpu:1"))
    await fill(client)
    assert await told(await queue.events("running")) == [Started("gpu:1")]
    waiting = await queue.events("waiting")
    assert await queue.cancel("waiting", ALICE)
    assert await told(waiting) == [Queued(0, None), Cancelled()]


async def test_who_asks_again_while_memory_is_full_does_not_end_the_job_that_he_asks_for(
    queue: ValkeyQueue, home: ValkeyHome, client: Redis
) -> None:
    """Its front end was killed, say. That he is refused says that his request has done nothing."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    await fill(client)
    with pytest.raises(QueueUnavailable):
        await (await home.another()).put("job", wish_for(), ALICE, keep=False)
    await home.pass_time(1)
    assert (await queue.status(ALICE)).waiting == 1


async def test_a_lost_job_for_which_there_is_no_room_keeps_no_other_one_from_being_seen_to(
    queue: ValkeyQueue, home: ValkeyHome, client: Redis
) -> None:
    await queue.put("other", wish_for(), ALICE, keep=True)
    before = await snapshot(client)
    await queue.put("lost", wish_for(), ALICE, keep=False)
    lost, other = await queue.events("lost"), await queue.events("other")
    await go_back(client, before)
    assert await queue.cancel("other", ALICE)
    await fill(client)
    await home.settle()
    await home.pass_time(1)
    assert (await told(other))[-1] == Cancelled()
    await client.config_set("maxmemory", "0")
    await home.pass_time(2)
    assert await queue.finish(await soon(queue.claim("gpu:1")), painted())
    assert (await told(lost))[-1] == painted()


async def test_who_was_taken_for_dead_tells_what_it_missed_although_memory_is_full(
    queue: ValkeyQueue, home: ValkeyHome, client: Redis
) -> None:
    """It says again what was agreed on, before all else: that is there, and needs no room."""
    secret = await queue.agreed("secret")
    await queue.put("job", wish_for(), ALICE, keep=True)
    watch = await queue.events("job")
    await client.zadd(f"{PREFIX}processes", {queue.process: 1.0})
    await client.delete(f"{PREFIX}w:job", f"{PREFIX}pw:{queue.process}")
    await fill(client)
    assert await queue.cancel("job", ALICE)
    await home.pass_time(1)
    assert (await told(watch))[-1] == Cancelled()
    assert queue.word("secret") == secret
