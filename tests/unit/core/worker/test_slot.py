"""A Worker: one slot of one backend, on a real queue in memory, with a backend that follows a script."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from msgspec.structs import replace

from core.backends import Backend, Limited, OnProgress, Unreachable, Wishes
from core.errors import BackendError, InvalidRequest
from core.events import Cancelled, Completed, End, Failed, Progress, Queued, Started
from core.offers import Offer
from core.queues import Again, Claim, Wish
from core.queues.memory import MemoryQueue
from core.request import ImageRequest
from core.settings import Settings
from core.watch import Watch
from core.worker import Worker, health, slot, standing
from tests.unit.core.examples import ALICE, painted, progress, soon, told, usable, wish_for

Paint = Callable[["Scripted", OnProgress, Wishes], Awaitable[Completed]]


class Scripted:
    """A backend that paints as it is told, one step of `script` for each picture."""

    def __init__(self, log: list[str], *script: Paint, name: str = "gpu:1") -> None:
        self.name = name
        self.log = log
        self.script = list(script)
        self.looks: list[Offer] = []
        """What it says when it is looked at, the last one for ever."""
        self.tasks: list[str] = []
        self.painting = asyncio.Event()
        self.stopped = asyncio.Event()
        self.may_stop = True
        """Whether an interrupt ends the painting."""

    @property
    def offer(self) -> Offer:
        return self.looks[0] if self.looks else usable(self.name)

    async def look(self) -> Offer:
        self.log.append("look")
        if len(self.looks) > 1:
            return self.looks.pop(0)
        return self.offer

    async def paint(
        self, task: str, request: ImageRequest, on_progress: OnProgress, wishes: Wishes
    ) -> Completed:
        self.log.append("paint")
        self.tasks.append(task)
        self.stopped.clear()
        self.painting.set()
        try:
            return await self.script.pop(0)(self, on_progress, wishes)
        except asyncio.CancelledError:
            self.log.append("hung up")
            raise
        finally:
            self.painting.clear()

    async def interrupt(self, task: str) -> None:
        self.log.append(f"interrupt {self.tasks.index(task)}")
        if self.may_stop:
            self.stopped.set()


class LoggedQueue(MemoryQueue):
    """Notes what a worker tells the queue, in order."""

    def __init__(self, log: list[str], settings: Settings) -> None:
        super().__init__(settings)
        self.log = log

    async def offer(self, offer: Offer) -> None:
        self.log.append("usable" if offer.usable else "resting" if offer.resting else "unusable")
        await super().offer(offer)

    async def finish(self, claim: Claim, outcome: End | Again) -> bool:
        accepted = await super().finish(claim, outcome)
        name = type(outcome).__name__ if not isinstance(outcome, Failed) else outcome.code
        self.log.append(f"{name} {'accepted' if accepted else 'refused'}")
        return accepted


class Bench:
    """A worker at work, and what it did in order."""

    def __init__(self, *script: Paint, **settings: float) -> None:
        self.log: list[str] = []
        self.backend = Scripted(self.log, *script)
        chosen = Settings(**settings)  # type: ignore[arg-type]
        self.queue = LoggedQueue(self.log, chosen)
        backend: Backend = self.backend
        self.worker = Worker(self.queue, backend, deployment="test", job_timeout=chosen.job_timeout)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[asyncio.Task[None]]:
        """Where it works, until it retires: nothing else may end it."""
        await self.worker.look()
        task = asyncio.create_task(self.worker.run())
        try:
            yield task
            assert not task.done() or task.exception() is None
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def submit(self, id: str = "job") -> Watch:
        await self.queue.put(id, wish_for(), ALICE, keep=True)
        return await self.queue.events(id)


@pytest.fixture(autouse=True)
def _short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FIRST_REST", 0.001)
    monkeypatch.setattr(health, "LONGEST_REST", 0.004)
    monkeypatch.setattr(slot, "AFTER_FAULT", 0.001)
    monkeypatch.setattr(standing, "LOOK_SOON", 0.001)


async def succeed(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
    return painted(backend.name)


async def go_on_until_interrupted(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
    """As A1111: an interrupted request is answered, with the picture as far as it is."""
    await backend.stopped.wait()
    return painted(backend.name)


def fail(error: Exception) -> Paint:
    async def paint(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
        raise error

    return paint


async def code_of(watch: Watch) -> str:
    end = await soon(watch.end())
    assert isinstance(end, Failed)
    return end.code


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
            await soon(_turn())
        await bench.queue.leave(second)
        await soon(watch.end())
    assert [wish.preview for wish in heard] == [True, False]


async def _turn() -> None:
    await asyncio.sleep(0)


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
            await _turn()
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


async def test_a_server_that_was_not_reached_costs_no_attempt() -> None:
    """And it is unusable before the job goes back, so that another server gets it."""
    bench = Bench(*[fail(Unreachable("refused"))] * 3, succeed, max_attempts=1)
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    assert bench.log == [
        *["look", "usable", "paint", "unusable", "Again accepted"] * 3,
        *["look", "usable", "paint", "Completed accepted"],
    ]


async def test_a_server_that_takes_no_more_for_a_while_costs_no_attempt_and_may_be_waited_for() -> None:
    bench = Bench(*[fail(Limited("gpu:1: no more", retry_after=0.001))] * 3, succeed, max_attempts=1)
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    assert bench.log == [
        *["look", "usable", "paint", "resting", "Again accepted"] * 3,
        *["look", "usable", "paint", "Completed accepted"],
    ]


async def test_a_failure_while_painting_counts() -> None:
    bench = Bench(*[fail(BackendError("gpu:1: out of memory"))] * 2, succeed, max_attempts=2)
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == Failed(
            "backend_error", "gpu:1: out of memory", 5.0
        )
        assert await soon((await bench.submit("next")).end()) == painted(), "new work is let in meanwhile"
    assert bench.log[:9] == [
        *["look", "usable", "paint", "resting", "Again accepted"],
        *["look", "usable", "paint", "resting"],
    ]


async def test_a_server_that_fails_everything_rests_but_new_work_may_wait_for_it() -> None:
    bench = Bench(*[fail(BackendError("broken"))] * 8, succeed, max_attempts=9)
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    said = [word for word in bench.log if word in {"resting", "unusable"}]
    assert said == ["resting"] * 8


async def test_a_picture_makes_up_for_the_failures_before_it() -> None:
    bench = Bench(*[fail(BackendError("now and then")), succeed] * 4)
    async with bench.at_work():
        for number in range(4):
            assert await soon((await bench.submit(f"job {number}")).end()) == painted()
    assert bench.log.count("resting") == 4
    assert "unusable" not in bench.log


async def test_a_request_that_the_server_refuses_ends_at_once() -> None:
    bench = Bench(fail(InvalidRequest("steps: too many", field="steps")), succeed)
    async with bench.at_work():
        assert await code_of(await bench.submit()) == "invalid_request"
        assert await soon((await bench.submit("next")).end()) == painted()
    assert bench.log.count("look") == 1, "the server is well"


async def test_a_fault_of_our_own_ends_the_job_and_the_worker_lives_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(fail(ZeroDivisionError("ours")), fail(TimeoutError("ours")), succeed)
    async with bench.at_work():
        assert await soon((await bench.submit("one")).end()) == Failed(
            "internal", "a fault of our own; it is in the server's log"
        )
        assert await code_of(await bench.submit("two")) == "internal"
        assert await soon((await bench.submit("three")).end()) == painted()
    assert "ZeroDivisionError: ours" in caplog.text
    assert "one" not in {record.getMessage() for record in caplog.records}


async def test_a_fault_in_holding_the_claim_ends_the_job_and_the_worker_lives_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The job is nobody's to hold any more: its watchers are told, and its server is hung up on."""
    bench = Bench(go_on_until_interrupted, succeed)
    renew = bench.queue.renew

    async def fail_once(claim: Claim, wish: Wish) -> Wish:
        bench.queue.renew = renew  # type: ignore[method-assign]
        raise ZeroDivisionError("ours")

    bench.queue.renew = fail_once  # type: ignore[method-assign]
    async with bench.at_work():
        assert await code_of(await bench.submit("one")) == "internal"
        assert await soon((await bench.submit("two")).end()) == painted()
    assert f"job {bench.backend.tasks[0]}: a fault of our own" in caplog.text
    assert "ZeroDivisionError: ours" in caplog.text
    assert bench.log.count("hung up") == 1


async def test_a_fault_in_freeing_the_server_costs_the_next_job_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its own job has ended by then, and does not end again."""
    bench = Bench(go_on_until_interrupted, succeed)

    async def fail_to_interrupt(task: str) -> None:
        raise ZeroDivisionError("ours")

    bench.backend.interrupt = fail_to_interrupt  # type: ignore[method-assign]
    async with bench.at_work():
        watch = await bench.submit("one")
        await soon(bench.backend.painting.wait())
        assert await bench.queue.cancel("one", ALICE)
        assert await soon(watch.end()) == Cancelled()
        assert await soon((await bench.submit("two")).end()) == painted()
    assert f"job {bench.backend.tasks[0]}: a fault of our own" in caplog.text
    assert [word for word in bench.log if word.startswith("internal")] == ["internal refused"]


async def test_a_fault_in_the_worker_itself_is_logged_and_it_lives_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(fail(Unreachable("gone")), succeed)
    looked = bench.backend.look
    looks = 0

    async def look() -> Offer:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise ZeroDivisionError("ours")
        return await looked()

    bench.backend.look = look  # type: ignore[method-assign]
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    assert "a fault in the worker" in caplog.text


async def test_a_picture_that_cannot_be_handed_on_ends_its_job_and_is_not_painted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(succeed, succeed)
    finish = bench.queue.finish

    async def finish_what_can_be_said(claim: Claim, outcome: End | Again) -> bool:
        if outcome == painted() and claim.id == "one":
            raise OverflowError("a number that the queue cannot write down")
        return await finish(claim, outcome)

    monkeypatch.setattr(bench.queue, "finish", finish_what_can_be_said)
    async with bench.at_work():
        assert await code_of(await bench.submit("one")) == "internal"
        assert await soon((await bench.submit("two")).end()) == painted()


@pytest.mark.parametrize("local", [True, False])
async def test_a_queue_that_takes_no_end_at_all_ends_no_slot(
    local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(succeed, succeed, succeed)
    monkeypatch.setattr(bench.queue, "local", local)
    finish = bench.queue.finish

    async def finish_the_second(claim: Claim, outcome: End | Again) -> bool:
        if claim.id == "one":
            raise RuntimeError("WRONGTYPE")
        return await finish(claim, outcome)

    monkeypatch.setattr(bench.queue, "finish", finish_the_second)
    async with bench.at_work():
        await bench.submit("one")
        for id in ("two", "three"):
            assert await soon((await bench.submit(id)).end()) == painted()


async def test_a_server_that_finds_everything_wrong_rests_and_a_picture_makes_up_for_that() -> None:
    """Else it would be the first to be free, always, and fail nearly all there is."""
    wrong = fail(InvalidRequest("422"))
    bench = Bench(*[wrong] * 4, succeed, *[wrong] * 6, succeed)
    async with bench.at_work():
        for number in range(12):
            await soon((await bench.submit(f"{number}")).end())
    assert [word for word in bench.log if word not in {"look", "usable"}] == [
        *["paint", "invalid_request accepted"] * 4,
        *["paint", "Completed accepted"],
        *["paint", "invalid_request accepted"] * 4,
        *["paint", "resting", "invalid_request accepted"] * 2,
        *["paint", "Completed accepted"],
    ]


async def test_a_job_cancelled_while_it_is_painted_is_interrupted_and_nothing_else() -> None:
    bench = Bench(go_on_until_interrupted, succeed)
    async with bench.at_work():
        watch = await bench.submit()
        await soon(bench.backend.painting.wait())
        assert await bench.queue.cancel("job", ALICE)
        assert await soon(watch.end()) == Cancelled()
        assert await soon((await bench.submit("next")).end()) == painted()
    assert bench.log == [
        *["look", "usable", "paint", "interrupt 0"],
        *["look", "usable", "paint", "Completed accepted"],
    ], "what the server made of it is told nobody"


async def test_a_job_that_takes_too_long_is_told_first_then_the_server_is_freed() -> None:
    bench = Bench(go_on_until_interrupted, succeed, job_timeout=0.02)
    async with bench.at_work():
        assert await code_of(await bench.submit()) == "timeout"
        next_job = await bench.submit("next")  # no work is refused for the moment that it takes
        assert await soon(next_job.end()) == painted()
    assert bench.log == [
        *["look", "usable", "paint", "resting", "timeout accepted", "interrupt 0"],
        *["look", "usable", "paint", "Completed accepted"],
    ]


async def test_the_log_tells_that_a_job_took_too_long_and_what_became_of_its_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(go_on_until_interrupted, succeed, job_timeout=0.02)
    async with bench.at_work():
        assert await code_of(await bench.submit()) == "timeout"
        assert await soon((await bench.submit("next")).end()) == painted()
    assert [f"{record.levelname} {record.getMessage()}" for record in caplog.records] == [
        "INFO gpu:1: ready",
        "WARNING gpu:1: no picture within 0.02 seconds",
        "WARNING gpu:1: still paints a job that took too long",
        "INFO gpu:1: ready",
    ]


async def test_the_log_tells_of_a_picture_that_failed_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(fail(BackendError("gpu:1: out of memory")), succeed)
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    assert [record.getMessage() for record in caplog.records] == ["gpu:1: out of memory"]


async def test_a_server_that_does_not_let_go_of_a_cancelled_job_is_not_called_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """New work may wait for it, or go to another one."""
    monkeypatch.setattr(slot, "LETTING_GO", 0.01)
    bench = Bench(go_on_until_interrupted, succeed)
    interrupt, is_free = bench.backend.interrupt, asyncio.Event()

    async def interrupt_when_free(task: str) -> None:
        await is_free.wait()
        await interrupt(task)

    bench.backend.interrupt = interrupt_when_free  # type: ignore[method-assign]
    async with bench.at_work():
        await bench.submit()
        await soon(bench.backend.painting.wait())
        assert await bench.queue.cancel("job", ALICE)
        async with asyncio.timeout(5):
            while (offers := await bench.queue.offers()).offers[0].usable:
                await _turn()
        assert offers.takes_work
        next_job = await bench.submit("next")
        is_free.set()
        assert await soon(next_job.end()) == painted()


async def submit_when_usable(bench: Bench) -> Watch:
    while not (await bench.queue.offers()).offers[0].usable:
        await soon(_turn())
    return await bench.submit("next")


async def test_a_server_that_never_lets_go_is_hung_up_on_and_unusable_until_it_is_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(go_on_until_interrupted, succeed, job_timeout=0.02)
    monkeypatch.setattr(slot, "LETTING_GO", 0.01)
    bench.backend.may_stop = False
    still = Offer("gpu:1", usable=False, problem="still paints a job that was given up")
    bench.backend.looks = [usable("gpu:1"), still, still, usable("gpu:1")]
    async with bench.at_work():
        assert await code_of(await bench.submit()) == "timeout"
        next_job = await submit_when_usable(bench)
        assert await soon(next_job.end()) == painted()
    assert bench.log[3:] == [
        *["resting", "timeout accepted", "interrupt 0", "hung up", "resting"],
        *["look", "unusable", "look", "unusable", "look", "usable"],
        *["paint", "Completed accepted"],
    ]


async def test_an_answer_that_comes_as_it_is_hung_up_on_costs_the_next_jobs_none_of_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limit of the turns has expired then, and a new one is needed: the third takes too long as well."""
    monkeypatch.setattr(slot, "LETTING_GO", 0.0)
    monkeypatch.setattr(slot, "KEEP_AFTER", 0.0)

    async def answer_when_hung_up_on(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        backend.log.append("hung up")
        return painted(backend.name)

    bench = Bench(answer_when_hung_up_on, succeed, answer_when_hung_up_on, succeed, job_timeout=0.02)
    async with bench.at_work():
        for wanted in ("timeout", None, "timeout", None):
            watch = await bench.submit(f"job {len(bench.backend.tasks)}")
            end = await soon(watch.end())
            assert (end.code if isinstance(end, Failed) else None) == wanted
    assert bench.log.count("hung up") == 2


async def test_a_keeper_that_ends_late_does_not_cut_the_next_painting_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slot, "LETTING_GO", 0.0)
    late = asyncio.Event()

    async def interrupt(task: str) -> None:
        bench.backend.stopped.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        late.set()

    async def paint_until_the_keeper_has_ended(
        backend: Scripted, on_progress: OnProgress, wishes: Wishes
    ) -> Completed:
        await late.wait()
        for _ in range(5):  # turns in which a limit that is due would be noticed
            await asyncio.sleep(0)
        return painted(backend.name)

    bench = Bench(go_on_until_interrupted, paint_until_the_keeper_has_ended)
    bench.backend.interrupt = interrupt  # type: ignore[method-assign]
    async with bench.at_work():
        await bench.submit("cancelled")
        await soon(bench.backend.painting.wait())
        following = await bench.submit("following")
        await bench.queue.cancel("cancelled", ALICE)
        assert await soon(following.end()) == painted()
    assert "hung up" not in bench.log


async def test_at_shutdown_what_still_runs_is_interrupted() -> None:
    bench = Bench(go_on_until_interrupted)
    async with bench.at_work():
        watch = await bench.submit()
        await soon(bench.backend.painting.wait())
        await bench.queue.drain(0)
        await soon(bench.worker.retire(0))
        assert await code_of(watch) == "shutting_down"
    assert bench.log[:5] == ["look", "usable", "paint", "Again refused", "interrupt 0"]


@pytest.mark.parametrize("lease_ttl", [0.06, 3600.0])
async def test_an_offer_is_repeated_while_its_backend_paints(
    lease_ttl: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would lapse under a long picture, and new work be refused; however long a lease is."""
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.01)
    monkeypatch.setattr("core.queues.memory.queue.OFFER_TTL", 0.06)
    said = asyncio.Event()

    async def paint(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
        backend.log.append("begun")
        await said.wait()
        return painted(backend.name)

    bench = Bench(paint, lease_ttl=lease_ttl)
    say = bench.queue.offer

    async def offer(offer: Offer) -> None:
        await say(offer)
        if "begun" in bench.log:
            said.set()

    bench.queue.offer = offer  # type: ignore[method-assign]
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    assert bench.log[bench.log.index("begun") + 1] == "usable"


async def test_a_backend_that_paints_without_a_pause_is_looked_at_between_two_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Repeating its offer meanwhile is no look: a model that its owner adds would not be known for hours."""
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.01)
    repeated = asyncio.Event()

    async def paint_until_the_offer_is_repeated(
        backend: Scripted, on_progress: OnProgress, wishes: Wishes
    ) -> Completed:
        repeated.clear()
        await repeated.wait()
        return painted(backend.name)

    bench = Bench(*[paint_until_the_offer_is_repeated] * 3, lease_ttl=0.06)
    say = bench.queue.offer

    async def offer(offer: Offer) -> None:
        await say(offer)
        repeated.set()

    bench.queue.offer = offer  # type: ignore[method-assign]
    async with bench.at_work():
        for watch in [await bench.submit(f"job {number}") for number in range(3)]:
            assert await soon(watch.end()) == painted()
    between = [bench.log[start:] for start, word in enumerate(bench.log) if word == "paint"]
    assert all("look" in words[: words.index("paint", 1)] for words in between[:-1])


async def test_an_idle_backend_is_looked_at_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.002)
    bench = Bench()
    bench.backend.looks = [usable("gpu:1"), usable("gpu:1"), usable("gpu:1", "new model")]
    async with bench.at_work():
        while not (await bench.queue.offers()).models:
            await soon(_turn())


async def test_a_queue_that_was_away_hears_of_an_idle_backend_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It took the offer only after the next look had come due: else that lapses, and nobody looks again."""
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.002)
    bench = Bench()
    say, away = bench.queue.offer, [True, True, True]

    async def offer(offer: Offer) -> None:
        while away and not bench.worker._standing.look_due:
            await _turn()
        if away:
            away.pop()
        await say(offer)

    async def looks(more: int) -> None:
        known = bench.log.count("look")
        while bench.log.count("look") < known + more:
            await _turn()

    async with bench.at_work():
        bench.queue.offer = offer  # type: ignore[method-assign]
        await soon(looks(len(away) + 3))


async def test_a_backend_that_is_down_is_asked_again_until_it_is_back() -> None:
    down = Offer("gpu:1", usable=False, problem="connection refused")
    bench = Bench(succeed)
    bench.backend.looks = [down, down, down, usable("gpu:1")]
    async with bench.at_work():
        next_job = await submit_when_usable(bench)
        assert await soon(next_job.end()) == painted()
    assert await told(next_job) == []
