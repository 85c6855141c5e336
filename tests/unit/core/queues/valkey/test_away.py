"""While Valkey is away, stands still, or has just come back: who waits, how long, and what is not lost."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from core.errors import QueueUnavailable
from core.queues.valkey import ValkeyQueue
from core.queues.valkey.store import CALL_SECONDS
from core.settings import Settings
from tests.doubles.relay import Relay
from tests.unit.core.examples import ALICE, Clock, painted, soon, told, usable, wish_for
from tests.unit.core.queues.homes import ValkeyHome, valkey
from tests.valkey_server import ValkeyServer


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
