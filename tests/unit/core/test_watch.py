"""A Watch never grows, however slowly it is read, and ends with the End."""

import asyncio

import pytest

from core.events import Cancelled, Event, Queued, Started
from core.watch import Watch
from tests.unit.core.examples import painted, progress, soon, told


def watching(*events: Event, preview: bool = False) -> Watch:
    watch = Watch("id", preview=preview)
    for event in events:
        watch.tell(event)
    return watch


async def test_events_come_in_order_and_the_end_is_the_last() -> None:
    events: list[Event] = [Queued(0, None), Started("gpu:1"), progress(0.5), painted()]
    assert [event async for event in watching(*events)] == events


async def test_an_unread_event_is_replaced_by_a_newer_one_of_its_sort() -> None:
    watch = watching(Queued(2, 9.0), Queued(1, 5.0), Started("gpu:1"), progress(0.1), progress(0.2))
    assert await told(watch) == [Queued(1, 5.0), Started("gpu:1"), progress(0.2)]


async def test_what_is_unread_of_an_earlier_attempt_is_out_of_date() -> None:
    """So a watcher that never reads holds no more after a thousand attempts than after one."""
    watch = watching()
    for attempt in range(1, 1000):
        for event in (Queued(0, None, attempt), Started("gpu:1", attempt), progress(0.1)):
            watch.tell(event)
    watch.tell(painted())
    assert await told(watch) == [Queued(0, None, 999), Started("gpu:1", 999), progress(0.1), painted()]


async def test_a_reader_that_keeps_up_misses_nothing() -> None:
    watch = watching()
    read: list[Event] = []

    news = asyncio.Event()

    async def reader() -> None:
        async for event in watch:
            read.append(event)
            news.set()

    events: list[Event] = [
        Queued(0, None),
        Started("gpu:1"),
        progress(0.1),
        progress(0.2),
        Queued(0, None, 2),
        Cancelled(),
    ]
    async with asyncio.TaskGroup() as group:
        group.create_task(reader())
        for event in events:
            watch.tell(event)
            await soon(news.wait())
            news.clear()
    assert read == events


async def test_previews_come_only_to_those_who_asked_for_them() -> None:
    event = progress(0.5, preview=b"cHJldmlldw==")
    assert await told(watching(event, preview=True)) == [event]
    assert await told(watching(event)) == [progress(0.5)]


async def test_who_waits_for_the_end_alone_is_told_neither_place_nor_progress() -> None:
    watch = Watch("id", progress=False, place=False)
    for event in (Queued(0, None), Started("gpu:1"), progress(0.5), Queued(0, None, 2), painted()):
        watch.tell(event)
    assert await told(watch) == [painted()]


async def test_a_reader_that_gives_up_loses_nothing() -> None:
    watch = watching()
    assert await told(watch) == []
    watch.tell(Started("gpu:1"))
    assert await told(watch) == [Started("gpu:1")]


async def test_one_may_wait_for_the_end_alone() -> None:
    watch = watching(Queued(0, None), Started("gpu:1"), painted())
    assert await watch.end() == painted()
    with pytest.raises(RuntimeError, match="read to its end before"):
        await watch.end()


class Taker:
    """Takes what it is offered at once, while it has room."""

    def __init__(self, watch: Watch) -> None:
        self.room = True
        self.taken: list[Event] = []
        watch.at_once = self

    def __call__(self, event: Event) -> bool:
        if self.room:
            self.taken.append(event)
        return self.room


async def test_all_but_the_end_may_be_taken_at_once() -> None:
    watch = watching()
    taker = Taker(watch)
    events: list[Event] = [Queued(1, None), Queued(0, None), Started("gpu:1"), progress(0.1)]
    for event in (*events, painted()):
        watch.tell(event)
    assert taker.taken == events
    assert await told(watch) == [painted()]


async def test_nothing_overtakes_what_is_unread() -> None:
    watch = watching(Started("gpu:1"))
    taker = Taker(watch)
    watch.tell(progress(0.1))
    assert taker.taken == []
    assert await told(watch) == [Started("gpu:1"), progress(0.1)]


async def test_what_cannot_be_taken_at_once_is_read_as_ever() -> None:
    watch = watching()
    taker = Taker(watch)
    taker.room = False
    watch.tell(progress(0.1))
    watch.tell(progress(0.2))
    assert await told(watch) == [progress(0.2)]


async def test_what_the_watcher_does_not_read_is_not_taken_either() -> None:
    watch = Watch("id", progress=False, place=False)
    taker = Taker(watch)
    for event in (Queued(1, None), progress(0.1)):
        watch.tell(event)
    assert taker.taken == []


async def test_who_waits_for_the_end_alone_is_woken_by_nothing_else() -> None:
    watch = Watch("id", progress=False, place=False)
    for event in (Queued(1, None), Started("gpu:1"), progress(0.1), painted()):
        watch.tell(event)
    assert await told(watch) == [painted()]
