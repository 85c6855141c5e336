"""The order in Lua, the order in memory and the model by the book agree on every pick and every place."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.caller import Caller
from core.events import Failed
from core.line import FIRST, Key
from core.offers import Kind, Offer, kind_of
from core.queues import Again, Claim
from core.queues.memory import MemoryQueue
from core.queues.memory.job import Job
from core.queues.valkey import ValkeyQueue
from core.settings import Settings
from tests.unit.core.examples import painted, wish_for
from tests.unit.core.fair_model import Model
from tests.valkey_server import flush

OFFERS = [
    Offer("gpu:1", usable=True, models=("a",), samplers=("Euler",), loaded="a", pace=500.0),
    Offer("gpu:2", usable=True, models=("a", "b"), samplers=("Euler", "Heun"), loaded="b", pace=3000.0),
    Offer("gpu:3", usable=True, models=("b", "c")),
    Offer("gpu:4", usable=True, models=("a", "c"), samplers=("Heun",), loaded="c", pace=1000.0),
    Offer("gpu:5", usable=True, models=("a", "b", "c"), samplers=("Euler",), loaded="a"),
    Offer("gpu 6", usable=False, resting=True, models=("a", "b"), pace=2000.0),
]
"""Whom a kind can go to differs for nearly every pair of kinds. They are so slow that it does not count which
home is asked a moment later."""
ALONE_AT = 4
"""Who can do all models."""
ERROR = Failed("backend_error", "as the test wants")
BOUNDS = {"max_attempts": 100, "max_jobs_per_user": 1000}

numbers = st.integers(0, 99)
histories = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.sampled_from("ABCDE"),
            st.sampled_from([0.05, 0.35, 1.0, 2.5, 7.0]),
            st.sampled_from([{}, {"model": "a"}, {"model": "b"}, {"model": "c"}, {"sampler_name": "Heun"}]),
        ),
        st.tuples(st.just("claim"), st.sampled_from(OFFERS)),
        st.tuples(st.just("cancel"), numbers),
        st.tuples(st.just("again"), numbers, st.booleans()),
        st.tuples(st.just("finish"), numbers),
        st.tuples(st.just("load"), st.sampled_from(range(5)), st.sampled_from("abc")),
    ),
    min_size=15,
    max_size=50,
)


def about(work: float) -> Any:
    """The same but for what a moment is worth: who asks later finds what runs a little nearer to its end."""
    return pytest.approx(work, abs=0.02)


def _compete(one: object, other: object) -> bool:
    assert isinstance(one, Kind)
    assert isinstance(other, Kind)
    return one == other or any(offer.accepts(one) and offer.accepts(other) for offer in OFFERS)


@dataclass
class Both:
    """The same history in both homes, compared at each step."""

    slack: float
    memory: MemoryQueue
    valkey: ValkeyQueue
    model: Model = field(default_factory=Model)
    waiting: list[str] = field(default_factory=list)
    """As they came; those that came back stand apart."""
    callers: dict[str, Caller] = field(default_factory=dict)
    back: list[str] = field(default_factory=list)
    running: list[tuple[Claim, Claim]] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=lambda: list(OFFERS))
    made: int = 0

    async def put(self, caller: str, cost: float, fields: dict[str, str]) -> None:
        self.made += 1
        id, request = f"job{self.made}", wish_for(cost=cost, **fields)
        for queue in (self.memory, self.valkey):
            await queue.put(id, request, Caller(caller), keep=True)
        self.waiting.append(id)
        self.callers[id] = Caller(caller)
        self.model.add(id, caller, request.cost, kind_of(request), _compete)  # type: ignore[arg-type]

    async def claim(self, offer: Offer) -> None:
        ours = self.memory._jobs.take(offer.backend)
        theirs = await self.valkey._holding._try_claim(offer.backend)
        assert (ours and ours.id) == (theirs and theirs.id)
        if ours is None or theirs is None:
            return
        self.running.append((ours, theirs))
        if ours.id in self.back:
            self.back.remove(ours.id)
            return
        if not self.slack:
            accepted = [put.id for put in self.model.waiting if offer.accepts(put.kind)]  # type: ignore[arg-type]
            assert ours.id == accepted[0]
        self.model.take(ours.id, offer.accepts)  # type: ignore[arg-type]
        assert all(put.passed_over <= self.slack for put in self.model.puts)
        self.waiting.remove(ours.id)

    async def cancel(self, number: int) -> None:
        ids = [*self.back, *self.waiting]
        if not ids:
            return
        id = ids[number % len(ids)]
        if id in self.back:
            self.back.remove(id)
        else:
            self.waiting.remove(id)
            self.model.remove(id)
        caller = self.callers[id]
        assert await self.memory.cancel(id, caller) == await self.valkey.cancel(id, caller) == True  # noqa: E712

    async def again(self, number: int, counts: bool) -> None:
        await self._end(number, Again(counts=counts, error=ERROR))

    async def finish(self, number: int) -> None:
        await self._end(number, None)

    async def _end(self, number: int, outcome: Again | None) -> None:
        if not self.running:
            return
        ours, theirs = self.running.pop(number % len(self.running))
        assert await self.memory.finish(ours, outcome or painted())
        assert await self.valkey.finish(theirs, outcome or painted())
        if outcome:
            self.back.append(ours.id)

    async def load(self, number: int, model: str) -> None:
        old = self.offers[number]
        self.offers[number] = replace(old, loaded=model)
        for queue in (self.memory, self.valkey):
            await queue.offer(self.offers[number])

    async def compare_places(self) -> None:
        ids = [*self.back, *self.waiting]
        if not ids:
            return
        offers = tuple(self.offers)
        shown = await self.valkey.store.call("places", *ids)
        # The place of one who comes is counted in another way than those of all who wait.
        for id, told in list(zip(ids, shown, strict=True))[-2:]:
            alone, _ = await self.valkey.store.call("watch", id, "p", 1, 0, 1)
            assert alone[3] == told[3]
            assert float(alone[4]) == about(float(told[4]))
        for id, (_, _, _, ahead, work, _, _) in zip(ids, shown, strict=True):
            job = self.memory._jobs.get(id)
            assert job is not None
            count, cost = self.memory._jobs._places.ahead(job, offers, self.memory._jobs.busy())
            assert count == ahead, id
            assert float(work) == about(cost)
            if not self.back:
                assert self.model.ahead(id, partial(_compete, job.kind))[0] == count

        self._compare_walk(offers)

    def _compare_walk(self, offers: tuple[Offer, ...]) -> None:
        """In memory a walk along the order finds the same as each asked for alone, wherever it begins."""
        places, busy = self.memory._jobs._places, self.memory._jobs.busy()

        def walk_from(key: Key) -> list[tuple[Key, Job, int, float]]:
            since = places.since(key, offers, busy)
            return [(found, job, *waiting.before(job.kind)) for found, job, waiting in since]

        walk = walk_from(FIRST)
        assert {job.id for _, job, _, _ in walk} == set(self.waiting)
        for _, job, count, cost in walk:
            alone, alone_cost = places.ahead(job, offers, busy)
            assert count == alone
            assert cost == pytest.approx(alone_cost)
        middle = len(walk) // 2
        rest = walk_from(walk[middle][0]) if walk else []
        assert [told[:3] for told in rest] == [told[:3] for told in walk[middle:]]
        assert [told[3] for told in rest] == pytest.approx([told[3] for told in walk[middle:]])


CAME_TO_NOTHING: list[tuple[Any, ...]] = [
    *(("put", "A", cost, {}) for cost in (0.05, 2.5, 0.35)),
    ("cancel", 0),
    ("put", "A", 0.05, {}),
    ("cancel", 0),
    ("cancel", 0),
    ("put", "B", 0.05, {}),
]
"""A's last job has nothing before it any more: its start is that of B's, and A came first."""


A, C = {"model": "a"}, {"model": "c"}
ONE, TWO = ({"model": model, "sampler_name": "DPM"} for model in "bc")
"""Two kinds that the same backend can do."""


def _lagging(
    *jobs: tuple[str, float, dict[str, str]], then: list[tuple[Any, ...]], waited: str = "AAAA"
) -> list[tuple[Any, ...]]:
    """These callers have waited in a line while V goes on with another one; then these jobs come."""
    kind = ONE if jobs[0][2] in (ONE, TWO) else C
    return [
        *(("put", caller, 1.0, kind) for caller in waited),
        *[("put", "busy", 1.0, A)] * 12,
        *[("claim", OFFERS[0])] * 11,
        *(("put", *job) for job in jobs),
        *then,
        *[("claim", OFFERS[2])] * 8,
    ]


LAGGING = [
    _lagging(("C", 1.0, C), ("D", 0.5, C), ("C", 1.0, C), ("E", 2.5, C), then=[]),
    _lagging(("C", 1.0, A), ("C", 1.0, C), ("C", 1.0, C), then=[("cancel", 5), ("cancel", 6)]),
    _lagging(("C", 1.0, C), ("C", 1.0, C), ("C", 1.0, A), then=[("cancel", 5)]),
    _lagging(("C", 1.0, TWO), ("D", 1.0, {}), ("E", 1.0, {"model": "b"}), ("E", 1.0, ONE), then=[]),
    _lagging(("A", 1.0, C), ("A", 1.0, C), then=[], waited="ABABBBB"),
    _lagging(*[("C", 1.0, C)] * 7, ("D", 3.0, C), then=[]),
    _lagging(("C", 25.0, A), ("C", 1.0, C), ("C", 1.0, C), then=[("cancel", 31)], waited="A" * 30),
    _lagging(("D", 7.0, A), ("D", 1.0, C), ("C", 1.0, C), then=[]),
    _lagging(
        *(("C", 7.0, A), ("C", 1.0, C)),
        then=[*[("put", "D", 1.0, A)] * 20, *[("claim", OFFERS[0])] * 20, ("put", "C", 1.0, C)],
    ),
    _lagging(("D", 3.0, C), *((f"E{number}", 0.75, C) for number in range(6)), then=[]),
    _lagging(
        *(("D", 3.0, A), ("D", 1.0, C), ("C", 0.5, C)),
        then=[*[("put", "D", 1.0, A)] * 20, *[("claim", OFFERS[0])] * 20, *[("put", "E", 0.5, C)] * 2],
    ),
    _lagging(
        *(("A", 7.0, C), *[("C", 1.0, C)] * 3),
        *((f"D{number}", 1.0, C) for number in range(25)),
        then=[("claim", OFFERS[2])] * 22,
        waited="A",
    ),
]
"""Where a line lags newcomers take turns, as tests/unit/core/test_fair_order.py tells."""


def _preferring(*steps: str) -> list[tuple[str, ...]]:
    """That one alone: `A b 0.5` is a job put by A for model b, `b` a claim with b loaded."""
    history: list[tuple[Any, ...]] = []
    for step in steps:
        match step.split():
            case [caller, model, cost]:
                history.append(("put", caller, float(cost), {"model": model}))
            case [model]:
                history += [("load", ALONE_AT, model), ("claim", OFFERS[ALONE_AT])]
    return history


ALONE = _preferring("A a 3", "A b 3", "A b 1", *"bb")
AHEAD = _preferring("A b 4.5", "A b 0.5", "B a 1", *"bbb")
ONE_OF_TWO = _preferring("A a 1", "C c 1", "c", "B b 1", "E c 1", *"ccc")
LATER = _preferring("A c 1", "A c 0.5", "A b 2", "b", "c", "B c 1", "C b 1", *"bbb")
LATER_OF_ONE = _preferring("C c 2", "B a 1", "C b 2", "c", "b", "B a 0.5", "b", "B b 2", *"bb")
BEHIND = _preferring("D a 1", "A b 0.5", "B a 1", "b", "C b 1", *"bbb")
HIDDEN = _preferring(
    "A a 1", "C a 0.5", "a", "A b 1", "C a 1", "B c 0.5", "c", "b", "D a 1", "B b 2", *"bbbb"
)
"""Who is preferred, and who was passed over: tests/unit/core/test_fair_order.py tells of most."""


@example(history=CAME_TO_NOTHING, slack=0.0)
@example(history=LAGGING[0], slack=4.0)
@example(history=LAGGING[1], slack=0.0)
@example(history=LAGGING[2], slack=0.0)
@example(history=LAGGING[3], slack=0.0)
@example(history=LAGGING[4], slack=0.0)
@example(history=LAGGING[5], slack=0.0)
@example(history=LAGGING[6], slack=0.0)
@example(history=LAGGING[7], slack=0.0)
@example(history=LAGGING[8], slack=0.0)
@example(history=LAGGING[9], slack=0.0)
@example(history=LAGGING[10], slack=0.0)
@example(history=LAGGING[11], slack=0.0)
@example(history=ALONE, slack=4.0)
@example(history=AHEAD, slack=4.0)
@example(history=ONE_OF_TWO, slack=1.0)
@example(history=LATER, slack=2.0)
@example(history=LATER_OF_ONE, slack=2.0)
@example(history=BEHIND, slack=1.0)
@example(history=HIDDEN, slack=2.0)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, slack=st.sampled_from([0.0, 1.5, 4.0]))
def test_every_pick_and_every_place_is_the_same_in_both_homes(
    history: list[tuple[Any, ...]], slack: float, valkey_url: Callable[[], str]
) -> None:
    asyncio.run(_live_through(history, slack, valkey_url()))


async def _live_through(history: list[tuple[Any, ...]], slack: float, url: str) -> None:
    await flush(url)
    chosen = Settings(redis_url=url, model_slack=slack, **BOUNDS)  # type: ignore[arg-type]
    both = Both(slack, MemoryQueue(chosen), ValkeyQueue(chosen))
    # No put is late here.
    both.valkey._backends.note(1e12, (), ())
    try:
        for queue in (both.memory, both.valkey):
            for offer in OFFERS:
                await queue.offer(offer)
        for name, *words in history:
            await getattr(both, name)(*words)
            await both.compare_places()
    finally:
        await both.valkey.store.close()
