"""A Worker: one slot of one backend, on a real queue in memory, with a backend that follows a script."""

import asyncio
import time

import pytest
from msgspec.structs import replace

from core.backends import OnProgress, Unreachable, Wishes
from core.events import Completed, End, Progress, Queued, Started
from core.offers import Offer
from core.queues import Again, Claim, Wish
from core.queues.memory import MemoryQueue
from core.worker import slot, standing
from tests.unit.core.examples import painted, progress, soon, told, usable
from tests.unit.core.worker.bench import Bench, Scripted, fail, go_on_until_interrupted, succeed, turn

pytestmark = pytest.mark.usefixtures("short_rests")


async def test_a_job_is_painted_and_its_progress_told() -> None:
    async def paint(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
        assert wishes.current == Wish(held=True, watched=True, preview=False)
        await on_progress(progress(0.5))
        return painted(backend.name)

    bench = Bench(paint)
    async with bench.at_work():
        watch = await bench.submit()
        assert await soon(watch.end()) == painted()
    assert bench.log == ["look", "usable", "paint", "Completed accepted"]


async def test_watchers_are_told_of_each_step() -> None:
    shown = asyncio.Event()

    async def paint(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
        await on_progress(progress(0.5))
        await shown.wait()
        return painted(backend.name)

    bench = Bench(paint)
    async with bench.at_work():
        events = []
        async for event in await bench.submit():
            events.append(event)
            if isinstance(event, Progress):
                shown.set()
    assert events == [Queued(0, None), Started("gpu:1"), progress(0.5), painted()]


@pytest.mark.slow
async def test_the_backend_hears_what_the_watchers_wish_while_it_paints() -> None:
    heard: list[Wish] = []

    async def paint(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
        for _ in range(2):
            await wishes.changed()
            heard.append(wishes.current)
        return painted(backend.name)

    bench = Bench(paint)
    async with bench.at_work():
        watch = await bench.submit()
        await soon(bench.backend.painting.wait())
        second = await bench.queue.events("job", preview=True)
        while not heard:
            await soon(turn())
        await bench.queue.leave(second)
        await soon(watch.end())
    assert [wish.preview for wish in heard] == [True, False]


async def test_the_name_of_a_task_does_not_tell_the_id_and_differs_with_each_attempt() -> None:
    bench = Bench(fail(Unreachable("gone")), succeed)
    async with bench.at_work():
        watch = await bench.submit("secret-id")
        await soon(watch.end())
    first, second = bench.backend.tasks
    assert first != second
    assert first.startswith("sd-b64-test-")
    assert "secret-id" not in first


async def test_a_server_has_its_next_picture_while_the_last_one_is_still_on_its_way() -> None:
    """A line that is slower than the server holds it up only two pictures later; none of them is lost."""
    bench = Bench(*[succeed] * 4)
    finish, go = bench.queue.finish, asyncio.Event()

    async def slow(claim: Claim, outcome: End | Again) -> bool:
        await go.wait()
        return await finish(claim, outcome)

    bench.queue.local = False
    bench.queue.finish = slow  # type: ignore[method-assign]
    async with bench.at_work():
        watches = [await bench.submit(f"job {number}") for number in range(4)]
        for _ in range(50):
            await asyncio.sleep(0)
        assert bench.log.count("paint") == 2
        retiring = asyncio.create_task(bench.worker.retire(None))
        await asyncio.sleep(0)
        go.set()
        await soon(retiring)
        assert [await soon(watch.end()) for watch in watches[:2]] == [painted()] * 2
    assert bench.log.count("paint") == 2


async def test_what_is_on_its_way_at_the_end_of_the_grace_is_given_back() -> None:
    bench = Bench(succeed)
    finish = bench.queue.finish

    async def away(claim: Claim, outcome: End | Again) -> bool:
        if isinstance(outcome, Completed):
            await asyncio.Event().wait()
        return await finish(claim, outcome)

    bench.queue.finish = away  # type: ignore[method-assign]
    async with bench.at_work():
        await bench.submit()
        await soon(bench.backend.painting.wait())
        async with asyncio.timeout(5):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(slot, "FREEING", 0.01)
                await bench.worker.retire(0)
    assert bench.log[-1] == "Again accepted"


async def test_a_picture_that_is_painted_at_once_needs_no_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(succeed, go_on_until_interrupted)
    renewed = asyncio.Event()

    async def renew(claim: Claim, wish: Wish) -> Wish:
        renewed.set()
        return await MemoryQueue.renew(bench.queue, claim, wish)

    monkeypatch.setattr(bench.queue, "renew", renew)
    async with bench.at_work():
        assert await soon((await bench.submit("one")).end()) == painted()
        assert not renewed.is_set()
        await bench.submit("two")
        await soon(renewed.wait())


async def test_a_claim_that_lapses_soon_is_renewed_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a slow answer of Valkey."""
    monkeypatch.setattr(slot, "KEEP_AFTER", 60.0)
    bench = Bench(go_on_until_interrupted)
    renewed = asyncio.Event()
    claim = bench.queue.claim

    async def claim_late(backend: str) -> Claim:
        return replace(await claim(backend), until=time.monotonic() + 0.1)

    async def renew(claim: Claim, wish: Wish) -> Wish:
        renewed.set()
        return await MemoryQueue.renew(bench.queue, claim, wish)

    monkeypatch.setattr(bench.queue, "claim", claim_late)
    monkeypatch.setattr(bench.queue, "renew", renew)
    async with bench.at_work():
        await bench.submit()
        await soon(renewed.wait())


async def test_it_may_retire_while_a_claim_that_was_cut_off_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which takes as long as Valkey takes for it."""
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.01)
    bench = Bench()
    cut_off, given_back = asyncio.Event(), asyncio.Event()

    async def claim(backend: str) -> Claim:
        try:
            await asyncio.Event().wait()
        finally:
            cut_off.set()
            await given_back.wait()
        raise AssertionError

    monkeypatch.setattr(bench.queue, "claim", claim)
    async with bench.at_work():
        await soon(cut_off.wait())
        retiring = asyncio.create_task(bench.worker.retire(None))
        await asyncio.sleep(0)
        given_back.set()
        await soon(retiring)


async def test_a_job_that_comes_just_as_a_look_is_due_is_painted_and_not_cut_short() -> None:
    """The worker was about to stop waiting for one, and has it."""

    async def paint_for_some_turns(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
        for _ in range(5):  # in which a limit that is due would be noticed
            await turn()
        return painted(backend.name)

    bench = Bench(paint_for_some_turns)
    claim = bench.queue.claim

    async def claim_as_a_look_comes_due(backend: str) -> Claim:
        claimed = await claim(backend)
        bench.worker._stop_waiting()
        return claimed

    bench.queue.claim = claim_as_a_look_comes_due  # type: ignore[method-assign]
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    assert "hung up" not in bench.log


async def test_a_worker_that_retires_while_it_looks_begins_no_picture() -> None:
    """Though its server can paint again, and a job waits for that."""
    bench = Bench(succeed)
    bench.backend.looks = [
        Offer("gpu:1", usable=False, resting=True, problem="still paints"),
        usable("gpu:1"),
    ]
    look = bench.backend.look

    async def retire_meanwhile() -> Offer:
        await bench.worker.retire(None)
        return await look()

    async with bench.at_work() as work:
        bench.backend.look = retire_meanwhile  # type: ignore[method-assign]
        watch = await bench.submit()
        await soon(work)
        assert await told(watch) == [Queued(0, None)]
    assert bench.log == ["look", "resting", "look", "usable"]


async def test_what_a_worker_got_too_late_goes_back_at_once_and_costs_no_attempt() -> None:
    """It stood still between its question and the answer: somebody else may have the job, and the server."""
    bench = Bench(succeed)
    claim = bench.queue.claim

    async def late_once(backend: str) -> Claim:
        bench.queue.claim = claim  # type: ignore[method-assign]
        return replace(await claim(backend), until=0.0)

    bench.queue.claim = late_once  # type: ignore[method-assign]
    async with bench.at_work():
        watch = await bench.submit()
        assert await soon(watch.end()) == painted()
    told_to_the_queue = [word for word in bench.log if word not in {"look", "usable"}]
    assert told_to_the_queue == ["Again accepted", "paint", "Completed accepted"]
