"""The queue in memory: what only this home has, and any interleaving of everything against a model."""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from core.caller import Caller
from core.errors import NoBackend, QueueFull, ShuttingDown, TooManyJobs
from core.events import Cancelled, Completed, End, Event, Failed, Queued, Started
from core.fair_order import FairOrder
from core.offers import Kind, Offer
from core.queues import VOID, Again, Claim, Wish
from core.queues.memory import MemoryQueue
from core.queues.memory.job import LOOK
from core.settings import Settings
from core.watch import Watch
from tests.unit.core.examples import (
    BROKEN,
    UNREACHED,
    WATCHED,
    Clock,
    painted,
    progress,
    soon,
    told,
    usable,
    wish_for,
)
from tests.unit.core.fair_model import Model
from tests.unit.core.queues.homes import claiming, waiting_for

ENDS = (Completed, Failed, Cancelled)


async def submit(queue: MemoryQueue, id: str) -> Watch:
    await queue.put(id, wish_for(), Caller("a"), keep=False)
    return await queue.events(id)


async def test_what_a_worker_was_woken_for_and_did_not_take_wakes_another_one() -> None:
    """Of two that come at once the fastest is woken for the first, and prefers the second: its model's."""
    queue = MemoryQueue(Settings())
    await queue.offer(usable("gpu:1", "anime", "photo", loaded="anime", pace=1.0))
    await queue.offer(usable("gpu:2", "photo", pace=9.0))
    async with claiming(queue, "gpu:1") as fast, claiming(queue, "gpu:2") as slow:
        await queue.put("first", wish_for(model="photo"), Caller("a"), keep=True)
        await queue.put("second", wish_for(model="anime"), Caller("a"), keep=True)
        assert (await soon(fast)).id == "second"
        assert (await soon(slow)).id == "first"


async def test_at_the_stop_many_jobs_of_one_caller_end_in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the order meanwhile, which moves the later ones up: so 4,000 took 13 seconds."""
    queue = MemoryQueue(Settings(max_jobs_per_user=1000))
    await queue.offer(usable("gpu:1"))
    for number in range(1000):
        await queue.put(f"{number}", wish_for(), Caller("a"), keep=False)
    moves = 0

    def move_up(*_: Any) -> float:
        nonlocal moves
        moves += 1
        return 0.0

    monkeypatch.setattr(FairOrder, "_move_up", move_up)
    await queue.drain(0)
    assert moves == 0
    assert (await queue.status(Caller("a"))).waiting == 0


async def test_how_things_are_is_told_without_a_look_at_each_job_that_waits() -> None:
    """Each open page asks for it every few seconds: with 100,000 waiting nobody else had a turn for 0.3 s."""
    looks = 0

    class Noted(Caller):
        def __hash__(self) -> int:
            nonlocal looks
            looks += 1
            return hash(self.name)

    queue = MemoryQueue(Settings())
    await queue.offer(usable("gpu:1"))
    for number in range(60):
        await queue.put(f"{number}", wish_for(), Noted("ab"[number % 2]), keep=False)
    looks = 0
    status = await queue.status(Caller("a"))
    assert (status.callers, status.own_waiting, status.waiting_by_caller) == (2, 30, (30, 30))
    assert looks <= status.callers


async def test_the_pulse_goes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.queues.memory.queue.PULSE", 0.001)
    clock = Clock()
    queue = MemoryQueue(Settings(), clock=clock)
    await queue.offer(usable("gpu:1"))
    await queue.put("job", wish_for(), Caller("a"), keep=False)
    watch = await queue.events("job")
    await queue.claim("gpu:1")
    clock.advance(10)
    async with waiting_for(queue.run()):
        async for event in watch:
            if event == Queued(0, None, attempt=2):
                break


async def test_a_pulse_over_a_long_queue_lets_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it does not mind what they do meanwhile."""
    monkeypatch.setattr("core.queues.memory.queue.SLICE", 0.0)  # however fast this machine is
    queue = MemoryQueue(Settings(max_jobs_per_user=1000), clock=Clock())
    await queue.offer(usable("gpu:1"))
    watches = []
    for number in range(10):
        caller = Caller("b" if number == 9 else "a")
        await queue.put(str(number), wish_for(), caller, keep=False)
        watches.append(await queue.events(str(number)))
    await queue.claim("gpu:1")
    async with waiting_for(queue.pulse()) as pulse:
        assert not pulse.done()
        await queue.cancel("7", Caller("a"))
        assert (await queue.claim("gpu:1")).id == "9"
        await soon(pulse)
    assert (await told(watches[7]))[-1] == Cancelled()
    assert (await told(watches[8]))[-1] == Queued(6, None)
    assert (await told(watches[9]))[-1] == Started("gpu:1")


# --- the end


async def test_a_drained_queue_ends_what_waits_lets_finish_what_runs_and_takes_nothing() -> None:
    queue = MemoryQueue(Settings())
    await queue.offer(usable("gpu:1"))
    running, waiting = await submit(queue, "running"), await submit(queue, "waiting")
    held = await queue.claim("gpu:1")
    async with waiting_for(queue.drain(60)) as draining, waiting_for(queue.claim("gpu:1")) as idle:
        end = await soon(waiting.end())
        assert isinstance(end, Failed)
        assert end.code == "shutting_down"
        with pytest.raises(ShuttingDown):
            await submit(queue, "new")
        await asyncio.sleep(0)
        assert not draining.done()
        assert await queue.finish(held, painted())
        await soon(draining)
        assert not idle.done()
    assert (await told(running))[-1] == painted()


@pytest.mark.parametrize("outcome", [UNREACHED, BROKEN])
async def test_while_the_queue_drains_nothing_goes_back(outcome: Again) -> None:
    queue = MemoryQueue(Settings())
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job")
    held = await queue.claim("gpu:1")
    async with waiting_for(queue.drain(60)) as draining:
        await queue.finish(held, outcome)
        await soon(draining)
    end = await soon(watch.end())
    assert isinstance(end, Failed)
    assert end.code == "shutting_down"


async def test_when_the_grace_is_over_what_still_runs_is_ended() -> None:
    queue = MemoryQueue(Settings(lease_ttl=3600))
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job")
    held = await queue.claim("gpu:1")
    async with waiting_for(queue.renew(held, WATCHED)) as renewing:
        await soon(queue.drain(0))
        assert await soon(renewing) == VOID
    end = await soon(watch.end())
    assert isinstance(end, Failed)
    assert (end.code, end.message) == ("shutting_down", "the server has stopped before this was painted")
    assert not await queue.finish(held, painted())


# --- any interleaving

CALLERS = ("a", "b", "c")
BACKENDS = ("gpu:1", "gpu:2")
MODELS = ("", "anime", "photo")
MAX_QUEUE, MAX_OWN, MAX_ATTEMPTS, MAX_DELIVERIES, LEASE, RESULT_TTL = 6, 4, 2, 2, 3.0, 30.0


@dataclass
class Known:
    """What the model knows of a job that waits or runs."""

    id: str
    caller: str
    model: str
    keep: bool
    cost: float
    name: str
    """In the model of the order: an id may be painted anew."""
    claim: Claim | None = None
    backend: str = ""
    deadline: float = 0.0
    failures: int = 0
    deliveries: int = 0
    watches: list["Reader"] = field(default_factory=list)
    unwatched_since: float | None = None
    looked: float = float("-inf")
    """When a watch began last while it ran."""


@dataclass(eq=False)
class Reader:
    """A watcher that reads everything at once."""

    watch: Watch
    events: list[Event]
    gone: bool = False


class AnyInterleaving(RuleBasedStateMachine):
    """Everything that clients, workers and time can do, in any order."""

    @initialize(slack=st.sampled_from([0.0, 2.0]))
    def open(self, slack: float) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.queue = MemoryQueue(
            Settings(
                max_queue=MAX_QUEUE,
                max_jobs_per_user=MAX_OWN,
                max_attempts=MAX_ATTEMPTS,
                max_deliveries=MAX_DELIVERIES,
                lease_ttl=LEASE,
                result_ttl=RESULT_TTL,
                model_slack=slack,
            ),
            clock=self.clock,
        )
        self.order = Model()
        self.live: dict[str, Known] = {}
        self.returned: list[str] = []
        """Ids of jobs that came back, first in line."""
        self.readers: list[Reader] = []
        self.void: list[Claim] = []
        self.offered: dict[str, Offer] = {}
        self.claims: dict[str, asyncio.Task[Claim]] = {}
        self.kept: dict[str, tuple[str, float]] = {}
        """How the jobs ended whose results are kept, and until when."""
        self.serial = 0
        for backend in BACKENDS:
            self.offers(backend, "anime", True, False)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            for task in self.claims.values():
                task.cancel()
            self.do(asyncio.sleep(0))
            self.loop.close()

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    # --- clients

    @rule(
        number=st.integers(0, 5),
        caller=st.sampled_from(CALLERS),
        model=st.sampled_from(MODELS),
        keep=st.booleans(),
        cost=st.sampled_from([0.5, 1.0, 4.0]),
        watched=st.booleans(),
    )
    def submit(self, number: int, caller: str, model: str, keep: bool, cost: float, watched: bool) -> None:
        id = f"{caller}-{number}-{model}-{cost}"  # so that the same id is the same request
        known = self.live.get(id)
        waiting = [job for job in self.live.values() if job.claim is None]
        own = [job for job in waiting if job.caller == caller]
        try:
            self.do(self.queue.put(id, wish_for(cost=cost, model=model), Caller(caller), keep=keep))
        except QueueFull:
            assert known is None
            assert len(waiting) >= MAX_QUEUE
            return
        except TooManyJobs:
            assert known is None
            assert len(own) >= MAX_OWN
            return
        except NoBackend:
            assert known is None
            assert not any(offer.accepts(Kind(model)) for offer in self.usable())
            return
        if known is not None:
            known.keep = known.keep or keep
            if known.keep:
                known.unwatched_since = None
        elif self.kept.get(id, ("", 0.0))[0] == "paint" and self.kept[id][1] > self.clock():
            assert isinstance(self.do(told(self.do(self.queue.events(id))))[-1], Completed)
            return
        else:
            assert len(waiting) < MAX_QUEUE
            assert len(own) < MAX_OWN
            self.kept.pop(id, None)
            self.serial += 1
            name = f"{id} #{self.serial}"
            known = self.live[id] = Known(id, caller, model, keep, cost, name)
            self.order.add(name, caller, cost, model, self.compete)
            if not keep:
                known.unwatched_since = self.clock()
        if watched:
            self.attach(id)

    @rule(pick=st.integers(0, 100))
    @precondition(lambda self: self.live)
    def another_attaches(self, pick: int) -> None:
        self.attach(list(self.live)[pick % len(self.live)])

    @rule(pick=st.integers(0, 100), abandons=st.booleans())
    @precondition(lambda self: self.readers)
    def leave(self, pick: int, abandons: bool) -> None:
        reader = self.readers[pick % len(self.readers)]
        self.read()
        self.do(self.queue.abandon(reader.watch) if abandons else self.queue.leave(reader.watch))
        if not self.ended(reader):
            reader.gone = True
        job = next((job for job in self.live.values() if reader in job.watches), None)
        if job is None:
            return
        job.watches.remove(reader)
        if job.watches or job.keep:
            return
        if abandons:
            self.end(job)
        elif job.claim is None:
            job.unwatched_since = self.clock()

    @rule(pick=st.integers(0, 100))
    @precondition(lambda self: self.live)
    def cancel(self, pick: int) -> None:
        job = list(self.live.values())[pick % len(self.live)]
        assert self.do(self.queue.cancel(job.id, Caller(job.caller)))
        self.end(job)

    # --- workers

    @rule(
        backend=st.sampled_from(BACKENDS),
        loaded=st.sampled_from(["anime", "photo"]),
        usable=st.sampled_from([True, True, True, False]),
        resting=st.booleans(),
    )
    def offers(self, backend: str, loaded: str, usable: bool, resting: bool) -> None:
        models = ("anime", "photo") if backend == "gpu:1" else ("anime",)
        offer = Offer(backend, usable, models, loaded=loaded, resting=resting and not usable)
        self.offered[backend] = offer
        self.do(self.queue.offer(offer))

    @rule(backend=st.sampled_from(BACKENDS))
    def claim(self, backend: str) -> None:
        if backend not in self.claims:
            self.claims[backend] = self.loop.create_task(self.queue.claim(backend))

    @rule(backend=st.sampled_from(BACKENDS))
    def cut_off(self, backend: str) -> None:
        """A claim is cancelled in mid-call, perhaps just when it is woken."""
        task = self.claims.pop(backend, None)
        if task is None:
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            self.take(backend, self.do(_result(task)))

    @rule(pick=st.integers(0, 100), fraction=st.sampled_from([0.25, 0.5]))
    @precondition(lambda self: self.running())
    def publish(self, pick: int, fraction: float) -> None:
        job = self.running()[pick % len(self.running())]
        assert job.claim is not None
        self.do(self.queue.publish(job.claim, progress(fraction)))

    @rule(
        pick=st.integers(0, 100), outcome=st.sampled_from(["paint", "paint", "refuse", "fail", "give back"])
    )
    @precondition(lambda self: self.running())
    def finish(self, pick: int, outcome: str) -> None:
        job = self.running()[pick % len(self.running())]
        assert job.claim is not None
        said: dict[str, End | Again] = {
            "paint": painted(job.backend),
            "refuse": Failed("invalid_request", "no"),
            "fail": BROKEN,
            "give back": UNREACHED,
        }
        assert self.do(self.queue.finish(job.claim, said[outcome]))
        job.failures += outcome == "fail"
        if outcome in {"paint", "refuse"} or job.failures >= MAX_ATTEMPTS:
            self.end(job, outcome)
        else:
            self.give_back(job)

    @rule(pick=st.integers(0, 100))
    @precondition(lambda self: self.void)
    def act_on_a_void_claim(self, pick: int) -> None:
        claim = self.void[pick % len(self.void)]
        self.do(self.queue.publish(claim, progress(0.99)))
        assert not self.do(self.queue.finish(claim, painted("a worker that is too late")))
        assert not self.do(self.queue.renew(claim, claim.wish)).held

    @rule(pick=st.integers(0, 100))
    @precondition(lambda self: self.running())
    def renew(self, pick: int) -> None:
        job = self.running()[pick % len(self.running())]
        assert job.claim is not None
        now = bool(job.watches) or self.clock() - job.looked < LOOK
        wish = self.do(self.queue.renew(job.claim, Wish(held=True, watched=not now, preview=False)))
        assert wish == Wish(held=True, watched=now, preview=False)
        job.deadline = self.clock() + LEASE

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for offer in self.offered.values():
            self.do(self.queue.offer(offer))
        self.settle()
        for job in self.running():
            if job.deadline <= self.clock():
                job.deliveries += 1
                if job.deliveries >= MAX_DELIVERIES:
                    self.end(job)
                else:
                    self.give_back(job)
        for job in list(self.live.values()):
            if job.unwatched_since is not None and job.unwatched_since + RESULT_TTL <= self.clock():
                self.end(job)
        self.do(self.queue.pulse())

    # --- what must hold

    @invariant()
    def positions_are_exact_and_counts_agree(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.settle()
        waiting = [job for job in self.live.values() if job.claim is None]
        status = self.do(self.queue.status(Caller("a")))
        assert (status.waiting, status.running) == (len(waiting), len(self.running()))
        assert len(waiting) - len(self.returned) <= MAX_QUEUE
        assert status.own_waiting == sum(job.caller == "a" for job in waiting)
        assert status.callers == len({job.caller for job in self.live.values()})
        for job in waiting:
            assert self.place(job.id) == self.expected_place(job)

    @invariant()
    def every_watcher_is_told_of_one_end_at_the_very_end(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.read()
        for reader in self.readers:
            ends = [event for event in reader.events if isinstance(event, ENDS)]
            assert len(ends) <= 1
            assert not ends or reader.events[-1] is ends[0]
            live = any(reader in job.watches for job in self.live.values())
            assert live or ends or reader.gone, "a job ended and its watcher was not told"
            assert not (live and ends)

    @invariant()
    def fractions_rise_within_an_attempt_and_attempts_rise(self) -> None:
        for reader in getattr(self, "readers", ()):
            attempts = [event.attempt for event in reader.events if isinstance(event, (Queued, Started))]
            assert attempts == sorted(attempts)
            assert progress(0.99) not in reader.events

    # --- the model

    def running(self) -> list[Known]:
        """In the order in which they were claimed."""
        held = [(job.claim.attempt, job) for job in self.live.values() if job.claim is not None]
        return [job for _, job in sorted(held, key=lambda pair: pair[0])]

    def usable(self) -> list[Offer]:
        return [offer for offer in self.offered.values() if offer.usable or offer.resting]

    def attach(self, id: str) -> None:
        if id not in self.live:
            return
        reader = Reader(self.do(self.queue.events(id)), [])
        self.readers.append(reader)
        self.live[id].watches.append(reader)
        self.live[id].unwatched_since = None
        self.read()
        if not isinstance(reader.events[0], Queued):
            self.live[id].looked = self.clock()

    def settle(self) -> None:
        """Let claims that were woken take their job."""
        self.do(_turns())
        for backend, task in list(self.claims.items()):
            if task.done():
                del self.claims[backend]
                self.take(backend, task.result())

    def take(self, backend: str, claim: Claim) -> None:
        job = self.live[claim.id]
        assert job.claim is None, "two workers hold one job"
        assert self.offered[backend].accepts(Kind(job.model))
        assert claim.failures == job.failures
        assert claim.attempt > max((void.attempt for void in self.void), default=0)
        if job.id in self.returned:
            self.returned.remove(job.id)
        else:
            self.order.take(job.name, lambda model: self.offered[backend].accepts(Kind(model)))
        job.claim, job.backend, job.deadline = claim, backend, self.clock() + LEASE
        job.unwatched_since = None

    def give_back(self, job: Known) -> None:
        assert job.claim is not None
        self.void.append(job.claim)
        job.claim, job.looked = None, float("-inf")
        self.returned.append(job.id)
        if not job.watches and not job.keep:
            job.unwatched_since = self.clock()

    def end(self, job: Known, outcome: str = "") -> None:
        if job.keep:
            self.kept[job.id] = (outcome, self.clock() + RESULT_TTL)
        if job.claim is not None:
            self.void.append(job.claim)
        elif job.id in self.returned:
            self.returned.remove(job.id)
        else:
            self.order.remove(job.name)
        del self.live[job.id]

    def place(self, id: str) -> int:
        """As a watcher that comes now is told; it leaves no trace."""
        job = self.live[id]
        watch = self.do(self.queue.events(id))
        (event,) = self.do(told(watch))
        assert isinstance(event, Queued)
        self.do(self.queue.leave(watch))
        if not job.watches and not job.keep:
            job.unwatched_since = self.clock()
        return event.position

    def compete(self, one: str, other: str) -> bool:
        usable = self.usable()
        return one == other or any(
            offer.accepts(Kind(one)) and offer.accepts(Kind(other)) for offer in usable
        )

    def expected_place(self, job: Known) -> int:
        competes = partial(self.compete, job.model)
        if job.id in self.returned:
            before = self.returned[: self.returned.index(job.id)]
            return sum(competes(self.live[id].model) for id in before)
        came_back = sum(competes(self.live[id].model) for id in self.returned)
        return came_back + self.order.ahead(job.name, competes)[0]

    def read(self) -> None:
        for reader in self.readers:
            if not reader.gone and not self.ended(reader):
                reader.events += self.do(told(reader.watch))
            elif reader.gone:
                assert not self.do(told(reader.watch)), "told after it left"

    @staticmethod
    def ended(reader: Reader) -> bool:
        return bool(reader.events) and isinstance(reader.events[-1], ENDS)


async def _turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def _result(task: "asyncio.Task[Claim]") -> Claim:
    return await task


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings(max_examples=50, stateful_step_count=50)
