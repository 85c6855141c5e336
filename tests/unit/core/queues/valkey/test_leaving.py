"""Who leaves a job, or comes back, while something else is on its way: what the queue takes to be watched."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from core.errors import QueueUnavailable
from core.events import Cancelled, Queued
from core.queues.valkey import ValkeyQueue
from core.queues.valkey.leaving import ABANDONED_AT_ONCE
from core.queues.valkey.store import PREFIX
from core.watch import Watch
from tests.unit.core.examples import ALICE, WATCHED, painted, soon, told, usable, wish_for
from tests.unit.core.queues.homes import ValkeyHome, waiting_for
from tests.unit.core.queues.valkey.interleaving import before, cancelled_unheard, cut_off


async def test_who_comes_back_while_the_queue_is_told_of_his_leaving_is_heard(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the word of his leaving, which came last, would end his job."""

    async def come_back() -> Watch:
        await queue.put("job", wish_for(), ALICE, keep=False)
        return await queue.events("job")

    await queue.put("job", wish_for(), ALICE, keep=False)
    queue._watching.leaving.later("job", abandon=True)
    async with asyncio.TaskGroup() as tasks:
        came_back = []

        async def meanwhile() -> None:
            came_back.append(tasks.create_task(come_back()))
            await asyncio.wait(came_back, timeout=0.1)  # it does not get that far

        before(monkeypatch, queue, "unwatch", meanwhile)
        await home.pass_time(2)
    held = await soon(queue.claim("gpu:1"))
    assert held.wish.watched
    await queue.finish(held, painted())
    assert (await told(came_back[0].result()))[-1] == painted()


async def test_who_leaves_and_is_cut_off_before_it_is_said_has_left_all_the_same(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another watch of the same job leaves just then, and Valkey is slow to hear of it."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    one, two = await queue.events("job"), await queue.events("job", preview=True)
    slow, heard = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        heard.set()
        await slow.wait()

    before(monkeypatch, queue, "unwatch", wait)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(queue.leave(two))
        await heard.wait()
        cut_off = tasks.create_task(queue.abandon(one))
        await asyncio.sleep(0)
        cut_off.cancel()
        await asyncio.wait([cut_off])
        await queue.pulse()
        slow.set()
    await home.pass_time(2)
    assert (await queue.status(ALICE)).waiting == 0


async def test_who_is_cut_off_as_his_request_is_refused_ends_no_job_of_another_request(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That came with the same id, and is about to be watched."""
    slow = asyncio.Event()
    await (await home.another()).put("job", wish_for(), ALICE, keep=False)
    before(monkeypatch, queue, "put", slow.wait)
    async with waiting_for(queue.put("job", wish_for("a horse"), ALICE, keep=False)) as putting:
        putting.cancel()
        await asyncio.wait([putting])
        slow.set()
    await home.pass_time(1)
    assert (await queue.status(ALICE)).waiting == 1


async def test_who_is_cut_off_as_he_puts_a_job_takes_it_from_nobody_who_has_put_it_too(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy repeats a request here, say: the job ends with the first one, before he watches."""
    slow = asyncio.Event()
    before(monkeypatch, queue, "put", slow.wait)
    async with waiting_for(queue.put("job", wish_for(), ALICE, keep=False)) as putting:
        await queue.put("job", wish_for(), ALICE, keep=False)
        putting.cancel()
        await asyncio.wait([putting])
        slow.set()
        await home.settle()
    assert (await queue.status(ALICE)).waiting == 0
    assert await told(await queue.events("job")) == [Queued(0, None)]


async def test_who_fetches_an_old_result_does_not_watch_the_jobs_next_life(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time was over while it was on its way, and whoever has put the job again goes: that ends it."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    assert await queue.finish(await soon(queue.claim("gpu:1")), painted())
    fetch, arrives = queue.pictures.fetch, asyncio.Event()

    async def slow(keys: list[str]) -> list[bytes | None]:
        pictures = await fetch(keys)
        await arrives.wait()
        return pictures

    monkeypatch.setattr(queue.pictures, "fetch", slow)
    async with waiting_for(queue.events("job")) as fetching:
        await home.pass_time(901)
        await queue.offer(usable("gpu:1"))
        await queue.put("job", wish_for(), ALICE, keep=False)
        await queue.abandon(await queue.events("job"))
        assert (await queue.status(ALICE)).waiting == 0
        arrives.set()
        assert await told(await soon(fetching)) == [painted()]


async def test_who_leaves_in_an_outage_is_told_of_though_an_old_result_of_the_job_is_on_its_way(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a slow line that takes minutes, in which the job would be painted for nobody."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    assert await queue.finish(await soon(queue.claim("gpu:1")), painted())

    async def slow(_keys: list[str]) -> list[bytes | None]:
        await asyncio.Event().wait()
        return []

    async def away() -> None:
        raise QueueUnavailable("away")

    monkeypatch.setattr(queue.pictures, "fetch", slow)
    async with waiting_for(queue.events("job")):
        await home.pass_time(901)
        await queue.offer(usable("gpu:1"))
        await queue.put("job", wish_for(), ALICE, keep=False)
        watch = await queue.events("job")
        before(monkeypatch, queue, "unwatch", away)
        await queue.abandon(watch)
        assert (await queue.status(ALICE)).waiting == 1
        await home.pass_time(1)
        assert (await queue.status(ALICE)).waiting == 0


async def test_who_leaves_in_an_outage_ends_his_job_though_he_looks_for_it_in_vain(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be painted for nobody."""

    async def away() -> None:
        raise QueueUnavailable("away")

    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    before(monkeypatch, queue, "unwatch", away)
    await queue.abandon(watch)
    before(monkeypatch, queue, "watch", away)
    with pytest.raises(QueueUnavailable):
        await queue.events("job")
    await home.pass_time(1)
    assert (await queue.status(ALICE)).waiting == 0


async def test_who_leaves_and_is_cut_off_takes_what_he_wanted_with_him(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else stays, who wants no previews."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    await queue.events("job")
    two = await queue.events("job", preview=True)

    async def never() -> None:
        await asyncio.Event().wait()

    before(monkeypatch, queue, "unwatch", never)
    async with waiting_for(queue.leave(two)) as leaving:
        leaving.cancel()
    await home.pass_time(1)
    assert (await soon(queue.claim("gpu:1"))).wish == WATCHED


@pytest.mark.parametrize("others", ["nobody", "somebody"])
async def test_who_is_cut_off_as_he_begins_to_watch_watches_nothing_though_his_word_comes_last(
    others: str, queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Valkey has the call, and stands still: it may run after the word that he has left, on another line."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    if others == "somebody":
        await queue.events("job", progress=False)
    call, sent = queue.store.call, list[tuple[Any, ...]]()

    async def stands_still(name: str, *args: Any, **options: Any) -> Any:
        if name == "watch":
            sent.append((name, *args))
            await asyncio.Event().wait()
        return await call(name, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(queue.store, "call", stands_still)
        async with waiting_for(queue.events("job", preview=True)) as watching:
            watching.cancel()
    await call(*sent[0])
    await home.pass_time(1)
    wish = (await soon(queue.claim("gpu:1"))).wish
    assert not wish.watched
    assert not wish.preview


@pytest.mark.parametrize("others", ["nobody", "somebody"])
async def test_who_comes_back_is_heard_though_the_word_that_he_had_left_comes_last(
    others: str, queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that was away sends it again on the old line, when he has a new one."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job", preview=True)
    if others == "somebody":
        await queue.events("job")
    with cut_off(monkeypatch, queue, "unwatch") as sent:
        await queue.abandon(watch)
    await queue.put("job", wish_for(), ALICE, keep=False)
    back = await queue.events("job", preview=True)
    await home.pass_time(1)
    await queue.store.call(*sent[0])
    held = await soon(queue.claim("gpu:1"))
    assert held.wish.preview
    assert await queue.finish(held, painted())
    assert (await told(back))[-1] == painted()


async def test_who_comes_back_before_the_turn_of_the_word_that_he_had_left_keeps_his_job(
    queue: ValkeyQueue,
) -> None:
    """Of many who broke off together, as where their proxy ended: else it ends, and is put anew."""
    for id in ("job", "the next one"):
        await queue.put(id, wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    async with AsyncExitStack() as others:
        for _ in range(ABANDONED_AT_ONCE):
            await others.enter_async_context(queue._watching.leaving._turn)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(queue.abandon(watch))
            await queue.put("job", wish_for(), ALICE, keep=False)
            entering = tasks.create_task(queue.events("job"))
            await asyncio.sleep(0)
            await others.aclose()
    assert await told(entering.result()) == [Queued(0, None)]


async def test_who_left_watches_nothing_though_what_was_said_again_before_comes_last(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody else could end the job by hanging up, and its progress would be asked for in vain."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    watch = await queue.events("job")
    queue._missed_something()
    with cut_off(monkeypatch, queue, "watch_again") as sent, pytest.raises(QueueUnavailable):
        await queue.pulse()
    await queue.leave(watch)
    await queue.store.call(*sent[0])
    await home.pass_time(1)
    assert not (await soon(queue.claim("gpu:1"))).wish.watched


async def test_who_leaves_as_a_job_ends_does_not_watch_its_next_life(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who put it again elsewhere can end it: nobody else watches it."""
    other, watches = await home.another(), list[Watch]()
    await queue.put("job", wish_for(), ALICE, keep=False)
    await queue.events("job")
    two = await queue.events("job", preview=True)

    async def put_again() -> None:
        assert await other.cancel("job", ALICE)
        await other.put("job", wish_for(), ALICE, keep=False)
        watches.append(await other.events("job"))

    before(monkeypatch, queue, "unwatch", put_again)
    await queue.leave(two)
    await home.settle()
    await other.abandon(watches[0])
    assert (await queue.status(ALICE)).waiting == 0


async def test_what_is_watched_is_said_again_of_no_next_life_of_a_job(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended and was put again elsewhere just before, and the word of its end comes only then."""
    other, watches = await home.another(), list[Watch]()
    come_late = None
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")

    async def put_again() -> None:
        nonlocal come_late
        come_late = await cancelled_unheard(queue, home, monkeypatch)
        await other.put("job", wish_for(), ALICE, keep=False)
        watches.append(await other.events("job"))

    before(monkeypatch, queue, "watch_again", put_again)
    queue._missed_something()
    await queue.pulse()
    assert come_late is not None
    await come_late()
    assert (await told(watch))[-1] == Cancelled()
    await home.pass_time(1)
    await other.abandon(watches[0])
    assert (await queue.status(ALICE)).waiting == 0


@pytest.mark.parametrize("who", ["stays", "leaves and comes back"])
async def test_what_was_said_again_of_a_job_and_comes_late_is_not_said_of_its_next_life(
    who: str, queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await home.another()
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    queue._missed_something()
    with cut_off(monkeypatch, queue, "watch_again") as sent, pytest.raises(QueueUnavailable):
        await queue.pulse()
    if who == "leaves and comes back":
        await queue.leave(watch)
        watch = await queue.events("job")
        queue._watching.leaving.say_all()
        await home.settle()
    assert await queue.cancel("job", ALICE)
    assert (await told(watch))[-1] == Cancelled()
    await other.put("job", wish_for(), ALICE, keep=False)
    theirs = await other.events("job")
    await home.pass_time(1)
    await queue.store.call(*sent[0])
    await other.abandon(theirs)
    assert (await queue.status(ALICE)).waiting == 0


async def test_who_is_told_an_end_while_it_is_said_again_what_is_watched_here_watches_no_next_life(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, watches = await home.another(), list[Watch]()
    await queue.put("job", wish_for(), ALICE, keep=True)
    assert await queue.cancel("job", ALICE)
    call = queue.store.call

    async def answered_late(name: str, *args: Any, **options: Any) -> Any:
        answer = await call(name, *args, **options)
        if name == "watch":
            await other.put("job", wish_for(), ALICE, keep=False)
            watches.append(await other.events("job"))
            await queue.pulse()
        return answer

    queue._missed_something()
    monkeypatch.setattr(queue.store, "call", answered_late)
    assert await told(await queue.events("job")) == [Cancelled()]
    await home.pass_time(1)
    await other.abandon(watches[0])
    assert (await queue.status(ALICE)).waiting == 0


async def test_who_goes_while_the_queue_is_told_that_another_one_went_ends_the_job_all_the_same(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.put("job", wish_for(), ALICE, keep=False)
    one, two = await queue.events("job"), await queue.events("job", preview=True)
    async with asyncio.TaskGroup() as tasks:

        async def meanwhile() -> None:
            tasks.create_task(queue.abandon(one))
            await asyncio.sleep(0)

        before(monkeypatch, queue, "unwatch", meanwhile)
        await queue.leave(two)
    await home.pass_time(2)
    assert (await queue.status(ALICE)).waiting == 0


@pytest.mark.parametrize("who", ["leaves", "comes", "comes after an outage"])
async def test_who_leaves_or_comes_while_it_is_said_again_what_is_watched_here_has_the_last_word(
    who: str, queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """His word overtakes the other one, and is answered after it."""
    await queue.put("job", wish_for(), ALICE, keep=False)
    watch = await queue.events("job")
    if who == "comes after an outage":  # in which somebody left, which was not said
        queue._watching.leaving.later("job", abandon=True)
    call, said, answered = queue.store.call, asyncio.Event(), asyncio.Event()

    async def crossing(name: str, *args: Any, **options: Any) -> Any:
        if name == "watch_again" and not said.is_set():
            tasks.create_task(queue.leave(watch) if who == "leaves" else queue.events("job", preview=True))
            await said.wait()
        answer = await call(name, *args, **options)
        if name in ("watch", "unwatch"):
            said.set()
            await answered.wait()
        return answer

    monkeypatch.setattr(queue.store, "call", crossing)
    async with asyncio.TaskGroup() as tasks:
        queue._missed_something()
        await queue.pulse()
        answered.set()
    await home.pass_time(2)
    wish = (await soon(queue.claim("gpu:1"))).wish
    assert (wish.watched, wish.preview) == ((False, False) if who == "leaves" else (True, True))


async def test_who_stays_is_heard_where_the_word_that_another_one_left_overtakes_what_is_said_again(
    queue: ValkeyQueue, home: ValkeyHome, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process was taken for dead, and so the word of the other one says nothing."""
    await queue.put("job", wish_for(), ALICE, keep=True)
    await queue.events("job")
    two = await queue.events("job", preview=True)
    saying = queue._watching._jobs["job"].saying
    await saying.acquire()
    async with waiting_for(queue.leave(two)) as leaving:

        async def overtake() -> None:
            saying.release()
            await soon(leaving)

        await client.delete(f"{PREFIX}w:job")
        before(monkeypatch, queue, "watch_again", overtake)
        queue._missed_something()
        await queue.pulse()
    assert (await soon(queue.claim("gpu:1"))).wish == WATCHED
