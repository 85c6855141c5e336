"""Standing: what the queue knows of a backend, when it is looked at again, and how long it rests."""

import asyncio
import logging

import pytest

from core.offers import Offer
from core.queues.memory import MemoryQueue
from core.settings import Settings
from core.worker import standing
from core.worker.health import FIRST_REST
from core.worker.standing import LOOK_SOON, Standing
from tests.unit.core.examples import Clock, soon, usable

DOWN = Offer("gpu:1", usable=False, problem="connection refused")
BUSY = Offer("gpu:1", usable=False, resting=True, problem="busy")


class Backend:
    """One that offers what it is told to."""

    name = "gpu:1"

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.looks = 0

    async def look(self) -> Offer:
        self.looks += 1
        return self.offer


class Bench:
    """A standing, and all that the queue was told of it."""

    def __init__(self, offer: Offer) -> None:
        self.clock = Clock()
        self.backend = Backend(offer)
        self.rang = asyncio.Event()
        self.queue = MemoryQueue(Settings())
        self.said: list[Offer] = []
        say = self.queue.offer

        async def note(offer: Offer) -> None:
            self.said.append(offer)
            await say(offer)

        self.queue.offer = note  # type: ignore[method-assign]
        self.standing = Standing(self.queue, self.backend, self.clock, self.rang.set)  # type: ignore[arg-type]


async def test_what_was_said_first_and_waits_for_the_queue_is_not_its_last_word() -> None:
    """A picture's news waits for a queue that is away; meanwhile the next one fails."""
    bench = Bench(usable("gpu:1", pace=1.0))
    await bench.standing.look()
    say, back = bench.queue.offer, asyncio.Event()

    async def say_late(offer: Offer) -> None:
        if offer.usable:  # its try comes to an end after that of the other one
            await back.wait()
        await say(offer)

    bench.queue.offer = say_late  # type: ignore[method-assign]
    bench.backend.offer = usable("gpu:1", pace=2.0)
    bench.standing.learn()
    async with asyncio.TaskGroup() as group:
        group.create_task(bench.standing.tell_news())
        await asyncio.sleep(0)
        group.create_task(bench.standing.failed("out of memory", counts=True))
        await asyncio.sleep(0)
        back.set()
    assert not bench.said[-1].usable


async def test_what_a_look_finds_is_told_and_the_next_look_is_due_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.001)
    bench = Bench(usable("gpu:1", "a model"))
    assert bench.standing.look_due
    await bench.standing.look()
    assert not bench.standing.look_due
    assert bench.said == [bench.backend.offer]
    await soon(bench.rang.wait())
    assert bench.standing.look_due


async def test_no_look_comes_due_once_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.0)
    bench = Bench(usable("gpu:1"))
    await bench.standing.look()
    bench.standing.close()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not bench.rang.is_set()
    assert not bench.standing.look_due


async def test_a_backend_that_is_down_rests_and_one_that_is_busy_is_looked_at_soon() -> None:
    bench = Bench(DOWN)
    await bench.standing.look()
    assert bench.standing.rest == pytest.approx(FIRST_REST)
    bench.clock.advance(FIRST_REST)
    assert bench.standing.rest == 0.0
    bench.backend.offer = BUSY
    await bench.standing.look()
    assert bench.standing.rest == LOOK_SOON
    bench.backend.offer = usable("gpu:1")
    await bench.standing.look()
    assert bench.standing.rest == 0.0


async def test_a_look_does_not_make_up_for_failed_paintings_but_a_picture_does() -> None:
    """A server that answers every look and paints nothing would never rest."""
    bench = Bench(usable("gpu:1"))
    for rest in (FIRST_REST, 2 * FIRST_REST):
        await bench.standing.failed("gpu:1: out of memory", counts=True)
        assert bench.standing.rest == pytest.approx(rest)
        bench.clock.advance(rest)
        await bench.standing.look()
    bench.standing.learn()
    await bench.standing.failed("gpu:1: out of memory", counts=True)
    assert bench.standing.rest == pytest.approx(FIRST_REST)


@pytest.mark.parametrize("counts", [True, False])
async def test_a_failure_is_told_without_the_name_and_takes_work_where_it_answered(counts: bool) -> None:
    bench = Bench(usable("gpu:1", "a model"))
    await bench.standing.look()
    await bench.standing.failed("gpu:1: out of memory", counts=counts)
    last = bench.said[-1]
    assert (last.usable, last.resting, last.problem) == (False, counts, "out of memory")
    assert last.models == ("a model",)


async def test_a_backend_that_asks_for_a_rest_gets_it_and_its_offer_does_not_lapse_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What new work may wait for is told again and again, however long that takes."""
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.001)
    bench = Bench(usable("gpu:1"))
    await bench.standing.look()
    await bench.standing.failed("gpu:1: no more", counts=False, rest=60.0)
    assert bench.standing.rest == pytest.approx(60.0)
    resting = asyncio.create_task(bench.standing.rest_over())
    async with asyncio.timeout(5):
        while len(bench.said) < 5:
            await _turn()
    assert not resting.done()
    assert {(offer.resting, offer.problem) for offer in bench.said[1:]} == {(True, "no more")}
    bench.clock.advance(60.0)
    monkeypatch.setattr(standing, "LOOK_SOON", 0.0)
    await soon(resting)
    assert bench.backend.looks == 1


async def test_new_work_does_not_wait_for_ever_for_a_backend_that_limits_its_pictures() -> None:
    """One that counts over a day asks for a minute, again and again: after some minutes that is no moment."""
    bench = Bench(usable("gpu:1"))

    async def is_waited_for_when_limited() -> bool:
        await bench.standing.look()
        await bench.standing.failed("gpu:1: no more", counts=False, rest=60.0)
        bench.clock.advance(60.0)
        last = bench.said[-1]
        assert (last.usable, last.problem) == (False, "no more")
        return last.resting

    assert [await is_waited_for_when_limited() for _ in range(7)] == [True] * 5 + [False] * 2
    bench.standing.learn()
    assert await is_waited_for_when_limited(), "it has painted since"
    bench.clock.advance(3600.0)
    assert await is_waited_for_when_limited(), "nobody has asked it for an hour"
    assert [await is_waited_for_when_limited() for _ in range(5)] == [True] * 4 + [False]


async def test_the_log_tells_once_that_a_backend_leaves_service_why_and_that_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What does not change is not repeated with each look."""
    caplog.set_level(logging.INFO)
    bench = Bench(usable("gpu:1"))
    for offer in (usable("gpu:1"), DOWN, BUSY, usable("gpu:1", loaded="another model")):
        bench.backend.offer = offer
        for _ in range(3):
            await bench.standing.look()
    assert lines(caplog) == [
        "INFO gpu:1: ready",
        "WARNING gpu:1: connection refused",
        "WARNING gpu:1: busy",
        "INFO gpu:1: ready",
    ]


async def test_the_log_tells_in_the_words_of_the_offer_what_no_look_has_found(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(usable("gpu:1"))
    await bench.standing.look()
    await bench.standing.failed("gpu:1: out of memory", counts=True)
    await bench.standing.failed("gpu:1: out of memory", counts=True)
    await bench.standing.say_unusable("still paints a job that took too long", resting=True)
    problems = [offer.problem for offer in bench.said if not offer.usable]
    assert problems == ["out of memory"] * 2 + ["still paints a job that took too long"]
    assert lines(caplog) == [f"WARNING gpu:1: {problem}" for problem in problems[1:]]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records]


async def _turn() -> None:
    await asyncio.sleep(0)


async def test_of_what_a_picture_shows_only_news_is_told() -> None:
    bench = Bench(usable("gpu:1", "a", "b", loaded="a"))
    await bench.standing.look()
    bench.standing.learn()
    await bench.standing.tell_news()
    assert len(bench.said) == 1
    bench.backend.offer = usable("gpu:1", "a", "b", loaded="b")
    bench.standing.learn()
    assert bench.standing.loads_another
    await bench.standing.tell_news()
    assert bench.said[1:] == [bench.backend.offer]
    assert not bench.standing.loads_another
    assert bench.backend.looks == 1


async def test_while_it_is_not_free_its_offer_is_repeated_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.001)
    bench = Bench(usable("gpu:1"))
    await bench.standing.look()
    holding = asyncio.create_task(bench.standing.hold_off(0.0))
    while len(bench.said) < 4:
        await soon(bench.rang.wait())
        bench.rang.clear()
        bench.standing.looked()
    holding.cancel()
    assert [offer.usable for offer in bench.said[:4]] == [True, False, False, False]
    assert bench.said[1].resting
