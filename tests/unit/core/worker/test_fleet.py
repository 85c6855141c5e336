"""A Fleet: the slots of one process, with an ownership that follows a script, and backends that do."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from core.events import Completed
from core.offers import Offer
from core.queues import Claim
from core.queues.memory import MemoryQueue
from core.settings import Settings
from core.worker import Fleet, Worker
from tests.unit.core.examples import ALICE, Clock, soon, wish_for
from tests.unit.core.worker.bench import Scripted, go_on_until_interrupted, succeed

ALL = ["gpu:1", "gpu:2"]


class Owned:
    """What the workers' leases are, as the test wants; it notes what it is asked."""

    def __init__(self) -> None:
        self.owned = set(ALL)
        self.given: list[str] = []
        self.wanted: list[Sequence[str]] = []
        self.disowned: list[str] = []
        self.free_in = 60.0
        self.faults: list[Exception] = []
        """What the next questions are answered with."""
        self.on_its_way = asyncio.Event()
        """Set while an answer may arrive."""
        self.on_its_way.set()
        self.let_go = asyncio.Event()
        """Set when something was disowned."""
        self._asked = asyncio.Event()

    async def own(self, wanted: Sequence[str], giving: Sequence[str]) -> tuple[set[str], list[str], float]:
        self.wanted.append(wanted)
        self._asked.set()
        self._asked = asyncio.Event()
        if self.faults:
            raise self.faults.pop()
        owned, given = set(self.owned), [name for name in self.given if name not in giving]
        await self.on_its_way.wait()
        return owned, given, self.free_in

    async def disown(self, backends: Sequence[str]) -> None:
        if self.faults:
            raise self.faults.pop()
        self.disowned += backends
        self.let_go.set()
        self.owned -= set(backends)
        self.given = [name for name in self.given if name not in backends]

    async def resign(self) -> None:
        self.owned.clear()

    async def turns(self, count: int = 2) -> None:
        """Wait until it was asked so often."""
        for _ in range(count):
            await soon(self._asked.wait())


class House:
    """A fleet at work on a queue in memory."""

    def __init__(self, *, lease_ttl: float = 0.03, clock: Callable[[], float] = time.monotonic) -> None:
        self.queue = MemoryQueue(Settings())
        self.owned = Owned()
        self.backends = {
            name: Scripted([], go_on_until_interrupted, *[succeed] * 9, name=name) for name in ALL
        }
        self.slots: list[str] = []
        """The backends of all slots that were begun."""
        self.fleet = Fleet(
            self.owned, ALL, self._slot, lease_ttl=lease_ttl, named_here=["gpu:1"], clock=clock
        )

    def _slot(self, name: str) -> Worker:
        self.slots.append(name)
        return Worker(self.queue, self.backends[name], deployment="test", job_timeout=60)

    async def paint_somewhere(self, id: str) -> str:
        """Submit a job; the backend that paints it, which goes on until it is interrupted."""
        await self.queue.put(id, wish_for(), ALICE, keep=True)
        waits = [asyncio.create_task(backend.painting.wait()) for backend in self.backends.values()]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED, timeout=5)
        for wait in waits:
            wait.cancel()
        return next(name for name, backend in self.backends.items() if backend.painting.is_set())


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    async with _running(house):
        yield house


@asynccontextmanager
async def _running(house: House) -> AsyncIterator[None]:
    task = asyncio.create_task(house.fleet.run())
    try:
        await house.owned.turns()
        yield
        assert not task.done(), "the fleet ended"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_first_look_at_each_backend_that_is_owned_can_be_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So a start can tell how its servers are. It does not wait for what another worker has."""
    house, answers = House(), asyncio.Event()
    house.owned.owned = {"gpu:2"}

    async def look() -> Offer:
        await answers.wait()
        return Offer("gpu:2", usable=False, problem="not reached")

    monkeypatch.setattr(house.backends["gpu:2"], "look", look)
    first_looks = asyncio.create_task(house.fleet.first_looks())
    async with _running(house):
        assert not first_looks.done()
        answers.set()
        await soon(first_looks)
        assert [offer.problem for offer in (await house.queue.offers()).offers] == ["not reached"]


async def test_there_is_a_slot_for_each_backend_that_is_owned(house: House) -> None:
    assert set(house.fleet.painting) == set(ALL)
    house.owned.owned = {"gpu:2"}
    await house.owned.turns()
    assert set(house.fleet.painting) == {"gpu:2"}


async def test_a_server_that_bears_the_machines_name_and_is_never_ours_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another machine of that name may have it. What was ours is one that workers here share; nor does
    a server count whose name is the same for all of them.
    """
    caplog.set_level(logging.INFO)
    sharing, missing = House(), House()
    missing.owned.owned = set()
    async with _running(sharing), asyncio.timeout(10):
        sharing.owned.owned = set()
        async with _running(missing):
            while "another worker has it" not in caplog.text:
                await missing.owned.turns(1)
            await missing.owned.turns()
            await sharing.owned.turns()
    (said,) = [record.message for record in caplog.records if "another worker has it" in record.message]
    assert said.startswith("gpu:1: another worker has it; if that is another machine's server, give")


async def test_an_answer_that_is_a_fault_ends_no_slot(house: House) -> None:
    """It did, and the process lived on without painting, and said that it was well."""
    slots = dict(house.fleet.painting)
    house.owned.faults = [RuntimeError("WRONGTYPE")]
    await house.owned.turns(3)
    assert house.owned.faults == []
    assert house.fleet.painting == slots


async def test_a_fault_in_letting_go_of_one_backend_ends_no_other(house: House) -> None:
    (kept,) = set(ALL) - {"gpu:1"}
    house.owned.on_its_way.clear()
    house.owned.given = ["gpu:1"]
    house.owned.faults = []
    house.owned.on_its_way.set()
    while "gpu:1" in house.fleet.painting:
        house.owned.faults = [RuntimeError("WRONGTYPE")] if house.fleet._giving else []
        await asyncio.sleep(0)
    house.owned.faults = []
    await house.owned.turns(2)
    assert kept in house.fleet.painting


async def test_it_asks_again_just_when_the_leases_of_a_dead_worker_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.worker.fleet.TURN", 60.0)
    house = House(lease_ttl=180)
    house.owned.free_in = 0.01
    async with _running(house):
        await house.owned.turns(3)


async def test_an_answer_that_took_as_long_as_a_lease_is_not_believed_and_asked_for_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it gives may be another worker's by now: two would paint on it."""
    monkeypatch.setattr("core.worker.fleet.TURN", 60.0)
    clock = Clock()
    house = House(lease_ttl=180, clock=clock)
    house.owned.owned = {"gpu:2"}
    house.owned.free_in = 0.01
    async with _running(house):
        house.owned.on_its_way.clear()
        house.owned.owned = set(ALL)
        await house.owned.turns(1)
        house.owned.owned = {"gpu:2"}
        house.owned.free_in = 60.0
        clock.advance(180)
        house.owned.on_its_way.set()
        await house.owned.turns(1)
        assert house.slots == ["gpu:2"]


async def test_a_backend_is_given_once_its_picture_is_done_and_an_idle_one_is_named_first(
    house: House,
) -> None:
    busy = await house.paint_somewhere("job")
    await house.owned.turns()
    assert house.owned.wanted[-1][-1] == busy
    house.owned.given = [busy]
    await house.owned.turns()
    assert house.owned.disowned == []
    house.backends[busy].stopped.set()
    watch = await house.queue.events("job")
    assert isinstance(await soon(watch.end()), Completed)
    await house.owned.turns()
    assert house.owned.disowned == [busy]
    assert set(house.fleet.painting) == set(ALL) - {busy}


async def test_a_backend_that_was_given_while_its_lease_was_renewed_gets_no_slot_again(house: House) -> None:
    """It is another worker's by now: two would paint on it."""
    busy = await house.paint_somewhere("job")
    house.owned.given = [busy]
    await house.owned.turns()
    house.owned.on_its_way.clear()
    await house.owned.turns(1)
    watch = await house.queue.events("job")
    house.backends[busy].stopped.set()
    assert isinstance(await soon(watch.end()), Completed)
    await soon(house.owned.let_go.wait())
    house.owned.on_its_way.set()
    await house.owned.turns(1)
    assert sorted(house.slots) == ALL
    assert set(house.fleet.painting) == set(ALL) - {busy}


async def test_a_backend_whose_lease_is_lost_while_it_is_being_given_costs_no_other(house: House) -> None:
    busy = await house.paint_somewhere("job")
    house.owned.given = [busy]
    await house.owned.turns()
    house.owned.owned -= {busy}
    house.owned.given = []
    await house.owned.turns(3)
    assert set(house.fleet.painting) == set(ALL) - {busy}
    assert house.owned.disowned == [], "it is another worker's by now"


async def test_at_the_stop_each_backend_is_let_go_of_as_soon_as_it_is_free(house: House) -> None:
    busy = await house.paint_somewhere("job")
    stopping = asyncio.create_task(house.fleet.stop(60))
    await house.owned.turns(3)
    assert house.owned.disowned == list(set(ALL) - {busy})
    assert list(house.owned.wanted[-1]) == [busy], "it wants no more than what it still paints on"
    house.backends[busy].stopped.set()
    await soon(stopping)
    assert set(house.owned.disowned) == set(ALL)


async def test_a_backend_is_let_go_of_once_the_job_that_just_came_for_it_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which takes some calls: the process was over before, and that job waited until its lease was."""
    house, given_back = House(), asyncio.Event()
    over: list[str] = []

    async def claim(backend: str) -> Claim:
        try:
            await asyncio.Event().wait()
        finally:
            await given_back.wait()
            over.append(backend)
        raise AssertionError

    monkeypatch.setattr(house.queue, "claim", claim)
    async with _running(house):
        stopping = asyncio.create_task(house.fleet.stop(0))
        await house.owned.turns(2)
        assert house.owned.disowned == []
        given_back.set()
        await soon(stopping)
        assert set(house.owned.disowned) == set(over) == set(ALL)


async def test_a_backend_that_is_given_just_as_it_stops_takes_no_grace_from_the_others(house: House) -> None:
    busy = await house.paint_somewhere("job")
    (idle,) = set(ALL) - {busy}
    house.owned.on_its_way.clear()
    house.owned.given = [idle]
    await house.owned.turns(1)
    house.owned.on_its_way.set()
    stopping = asyncio.create_task(house.fleet.stop(60))
    await soon(house.owned.let_go.wait())
    await house.owned.turns()
    assert not stopping.done(), "a picture is still painted"
    house.backends[busy].stopped.set()
    await soon(stopping)
    assert house.owned.disowned == [idle, busy]
    watch = await house.queue.events("job")
    assert isinstance(await soon(watch.end()), Completed)
