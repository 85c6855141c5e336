"""Who delivers when another replica may have taken over: the one that holds the lease, and never both."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest

from bot import deliveries, pace, screen, tickets
from core import Cancelled, End, QueueUnavailable
from tests.doubles.discord_fixture import serving, until
from tests.doubles.pictures import prompt_of
from tests.integration.delivering import (
    PATCH,
    SEND,
    begin_further_answer,
    delete_message,
    delete_message_and_permission,
    new_message,
)

pytestmark = pytest.mark.usefixtures("brisk")

GIVES_WAY = ("left to another replica", "has delivered it meanwhile")


async def test_who_is_cut_off_from_discord_leaves_it_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless there is none: then it is tried for as long as it takes."""
    async with serving() as served:
        asked = await served.hold_one()
        found = await served.ticket()
        own = screen.Screen(served.bot, found, served.bot.desk.tickets.store)
        broken = AsyncMock(side_effect=[ConnectionResetError() for _ in range(5)] + [None])
        monkeypatch.setattr(own, "_edit", broken)
        with pytest.raises(screen.CutOff):
            await own.deliver(Cancelled(), alone=False)
        assert await own.deliver(Cancelled(), alone=True)
        assert broken.call_count == 6
        served.double.release()
        await served.discord.settled(asked)


@pytest.mark.parametrize(
    "another",
    [
        *("never came", "was cut off, too", "died with a further answer begun"),
        *("has delivered it", "has delivered it and died"),
    ],
)
async def test_a_replica_that_was_cut_off_goes_on_unless_another_one_has_delivered_it(
    another: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With the picture that it has: the outage may outlast its result."""
    caplog.set_level("INFO")
    deliver, cut_off = screen.Screen.deliver, asyncio.Event()

    async def cut_off_first(self: screen.Screen, end: End, **options: Any) -> bool:
        if not cut_off.is_set():
            cut_off.set()
            raise screen.CutOff("no way")
        return await deliver(self, end, **options)

    async with serving(result_ttl=0.01) as served:
        coordination = served.gateway.coordination
        monkeypatch.setattr(screen.Screen, "deliver", cut_off_first)
        monkeypatch.setattr(served.bot.deliveries, "_shared", True)
        asked = await served.hold_one()
        own = await served.ticket()
        lease = f"discord:lease:{own.name}"
        go_on, sleep, rests = asyncio.Event(), asyncio.sleep, list[float]()

        async def until_told(seconds: float) -> None:
            await sleep(0 if seconds == deliveries.REST else seconds)
            if seconds == deliveries.REST:
                await go_on.wait()
                rests.append(seconds)

        monkeypatch.setattr(deliveries, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": until_told}))
        if begun := another == "died with a further answer begun":
            await delete_message_and_permission(served, asked)
        served.double.release()
        await cut_off.wait()
        async with asyncio.timeout(10):
            while not await coordination.hold(lease, "another", ttl=60):
                await sleep(0)
        if another == "never came":
            await coordination.release(lease, "another")
        await served.result_gone(own.job)
        go_on.set()
        if another != "never came":
            async with asyncio.timeout(10):
                while len(rests) < 3:  # for as long as it takes
                    await sleep(0)
        if begun:
            await begin_further_answer(served, own)
        if begun or another == "was cut off, too":
            await coordination.release(lease, "another")
        if another == "has delivered it":
            await coordination.put(tickets.DELIVERED, own.name, b"1", ttl=60)
            async with asyncio.timeout(10):
                while "left to another replica" not in caplog.text:
                    await sleep(0)
            assert await served.bot.desk.tickets.names() == [own.name]
        elif another == "has delivered it and died":
            await coordination.put(tickets.DELIVERED, own.name, b"1", ttl=60)
            await coordination.release(lease, "another")
            async with asyncio.timeout(10):
                while "left to another replica" not in caplog.text:
                    await sleep(0)
            assert await served.bot.desk.tickets.names() == []
        else:
            message = await (new_message(served, asked) if begun else served.discord.settled(asked))
            assert prompt_of(message.pictures[0]) == "the one that holds"
            assert asked.followups == [message] * begun, "the one that is there, and no second one"
            await served.nothing_left()


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """By the clock of the replica it has hung for as long as its lease."""
    hung_for = 0.0

    def hang() -> None:
        nonlocal hung_for
        hung_for = tickets.LEASE

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + hung_for)
    monkeypatch.setattr(deliveries, "time", clock)
    return hang


async def test_a_replica_that_wakes_up_goes_on_with_the_further_answer_that_another_one_began(
    hang: Callable[[], None],
) -> None:
    """That one took over meanwhile, and died."""
    async with serving() as served:
        asked = await served.hold_one()
        own = await served.ticket()
        await delete_message_and_permission(served, asked)
        await begin_further_answer(served, own)
        hang()
        served.double.release()
        message = await new_message(served, asked)
        assert asked.followups == [message], "the one that is there, and no second one"


@pytest.mark.parametrize("another", ["has delivered it", "is about to"])
async def test_a_replica_whose_clock_stood_still_does_not_deliver_what_another_one_took_over(
    another: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It stood with its whole machine: the lease is over, and by its own clock it is not."""
    caplog.set_level("INFO")
    async with serving() as served:
        coordination = served.gateway.coordination
        asked = await served.hold_one()
        own = await served.ticket()
        await served.discord.until(lambda: "step 1 " in asked.message.title)
        await delete_message(served, asked)
        if another == "has delivered it":
            await coordination.put(tickets.DELIVERED, own.name, b"1", ttl=60)
            await coordination.delete(tickets.TICKET_KIND, own.name)
        else:
            await served.bot.desk.tickets.release(own.name)
            assert await coordination.hold(f"discord:lease:{own.name}", "another", ttl=60)
        served.double.release()
        await until(lambda: any(words in caplog.text for words in GIVES_WAY))
        assert served.discord.pictures == 0


@pytest.mark.usefixtures("no_pauses")
async def test_a_replica_that_hung_between_two_tries_does_not_bring_back_what_was_deleted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Discord took nothing for a while; another one took over, delivered, and its owner has deleted it."""
    caplog.set_level("INFO")
    monkeypatch.setattr(pace, "LONGEST_PAUSE", 0.02)
    async with serving() as served:
        coordination = served.gateway.coordination
        asked = await served.hold_one()
        own = await served.ticket()
        served.discord.fault("PATCH", PATCH, 500, times=10**9)
        served.double.release()
        await served.gateway_end(own.job)
        tries = served.discord.count("PATCH", PATCH)
        await served.discord.until(lambda: served.discord.count("PATCH", PATCH) > tries + 20, within=20)
        await served.bot.desk.tickets.release(own.name)
        assert await coordination.hold(f"discord:lease:{own.name}", "another", ttl=60)
        await delete_message(served, asked)
        served.discord.faults_end()
        await until(lambda: "left to another replica" in caplog.text)
        assert served.discord.pictures == 0


async def test_a_replica_that_keeps_a_lease_gives_way_where_another_one_has_delivered(
    brisk_keeper: None, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not store its ticket again: the job would be followed once more, and perhaps painted."""
    caplog.set_level("INFO")
    async with serving() as served:
        await served.hold_one()
        own = await served.ticket()
        await served.gateway.coordination.put(tickets.DELIVERED, own.name, b"1", ttl=60)
        await served.gateway.coordination.delete(tickets.TICKET_KIND, own.name)
        await until(lambda: "left to another replica" in caplog.text)
        assert await served.bot.desk.tickets.names() == []
        served.double.release()


async def test_who_gives_way_while_discord_takes_no_requests_at_all_goes_on_with_its_other_jobs(
    brisk_keeper: None, caplog: pytest.LogCaptureFixture
) -> None:
    """discord.py has all requests wait for the one that waits: cut off, that one never told them to go on."""
    caplog.set_level("INFO")
    async with serving() as served:
        await served.hold_one("that of another replica")
        own = await served.ticket()
        served.discord.skip(901)
        served.discord.fault("POST", SEND, 429, retry_after=3600.0, everywhere=True)
        served.double.release()
        await served.discord.until(lambda: served.discord.count("POST", SEND))
        await served.bot.desk.tickets.release(own.name)
        assert await served.gateway.coordination.hold(f"discord:lease:{own.name}", "another", ttl=60)
        await until(lambda: "left to another replica" in caplog.text)
        await served.hold_one()
        served.discord.skip(901)
        served.double.release()
        await served.discord.until(lambda: served.discord.pictures)


@pytest.mark.parametrize("heard", ["of another's further answer", "not even of its own", "nothing at first"])
async def test_a_replica_that_was_cut_off_goes_on_with_the_further_answer_that_is_there(
    heard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it can be read at once or not, and whether it was begun elsewhere or here."""
    monkeypatch.setattr(deliveries, "REST", 0.02)
    deliver, cut_off = screen.Screen.deliver, asyncio.Event()

    async def cut_off_first(self: screen.Screen, end: End, **options: Any) -> bool:
        if cut_off.is_set():
            return await deliver(self, end, **options)
        cut_off.set()
        if heard == "not even of its own":
            with monkeypatch.context() as away:
                away.setattr(self, "_store", AsyncMock(side_effect=QueueUnavailable("away")))
                await self._follow_up(*await self._last_page(end, self.ticket.most_bytes))
        raise screen.CutOff("no way")

    async with serving() as served:
        coordination = served.gateway.coordination
        get, misses = coordination.get, [QueueUnavailable("away")] * (heard == "nothing at first")

        async def get_at_last(kind: str, name: str) -> bytes | None:
            if kind == tickets.TICKET_KIND and cut_off.is_set() and misses:
                raise misses.pop()
            return await get(kind, name)

        monkeypatch.setattr(screen.Screen, "deliver", cut_off_first)
        monkeypatch.setattr(coordination, "get", get_at_last)
        asked = await served.hold_one()
        await delete_message_and_permission(served, asked)
        if heard != "not even of its own":
            await begin_further_answer(served, await served.ticket())
        served.double.release()
        message = await new_message(served, asked)
        assert asked.followups == [message], "the one that is there, and no second one"


@pytest.mark.parametrize("let_go", [False, True])
async def test_a_replica_that_wakes_up_shows_nothing_over_what_another_one_delivered(
    let_go: bool, hang: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    """It hung for longer than its lease, and progress had piled up; the lease may be free again by then."""
    caplog.set_level("INFO")
    async with serving() as served:
        coordination = served.gateway.coordination
        asked = await served.hold_one()
        own = await served.ticket()
        lease = f"discord:lease:{own.name}"
        await served.discord.until(lambda: "step 1 " in asked.message.title)
        edits = asked.message.edits
        hang()
        await served.bot.desk.tickets.release(own.name)
        assert await coordination.hold(lease, "another", ttl=60)
        if let_go:
            await coordination.put(tickets.DELIVERED, own.name, b"1", ttl=60)
            await coordination.delete(tickets.TICKET_KIND, own.name)
            await coordination.release(lease, "another")
        served.double.step(3)
        await until(lambda: "left to another replica" in caplog.text)
        assert asked.message.edits == edits
        served.double.release()


async def test_a_replica_whose_lease_lapsed_for_a_moment_goes_on_where_nobody_took_it(
    hang: Callable[[], None],
) -> None:
    async with serving() as served:
        asked = await served.hold_one()
        edits = asked.message.edits
        hang()
        served.double.step(3)
        await served.discord.until(lambda: asked.message.edits > edits)
        served.double.release()
        assert (await served.discord.settled(asked)).title == "Done"


async def test_the_ticket_of_another_bot_on_the_same_queue_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "SCAN", 0.02)
    async with serving() as served:
        asked = await served.hold_one()
        coordination = served.gateway.coordination
        own = await served.ticket()
        foreign = msgspec.structs.replace(own, application=own.application + 1, interaction=7)
        await served.bot.desk.tickets.store(foreign)
        reads = AsyncMock(side_effect=served.bot.desk.tickets.read)
        monkeypatch.setattr(served.bot.desk.tickets, "read", reads)
        async with asyncio.timeout(10):
            while not reads.called:  # noqa: ASYNC110
                await asyncio.sleep(0)
            while not await coordination.hold(f"discord:lease:{foreign.name}", "its own", ttl=60):  # noqa: ASYNC110
                await asyncio.sleep(0)
        served.double.release()
        await served.discord.settled(asked)
        async with asyncio.timeout(10):
            while await served.bot.desk.tickets.names() != [foreign.name]:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert served.discord.pictures == 1


async def test_whoever_held_a_ticket_when_the_store_went_away_comes_first_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have refused it, or delivered it, and could not say so; its lease has ended meanwhile."""
    now = 0.0
    monkeypatch.setattr(deliveries, "SCAN", 0.02)
    monkeypatch.setattr(deliveries, "time", SimpleNamespace(monotonic=lambda: now))
    async with serving() as served:
        asked = await served.hold_one()
        own, coordination = await served.ticket(), served.gateway.coordination
        others = msgspec.structs.replace(own, interaction=own.interaction + 1)
        with monkeypatch.context() as patch:
            away = AsyncMock(side_effect=QueueUnavailable("away"))
            patch.setattr(served.bot.desk.tickets, "names", away)
            await until(lambda: away.called)
            await served.bot.desk.tickets.store(others)
        back = AsyncMock(side_effect=served.bot.desk.tickets.names)
        monkeypatch.setattr(served.bot.desk.tickets, "names", back)
        await until(lambda: back.call_count >= 3)
        assert await coordination.hold(f"discord:lease:{others.name}", "another", ttl=60)
        await coordination.release(f"discord:lease:{others.name}", "another")
        now = deliveries.SCAN + tickets.LEASE  # no: it is no more
        await until(lambda: others.name in served.bot.deliveries._tended)
        served.double.release()
        await served.discord.settled(asked)
        await served.nothing_left()


async def test_what_was_delivered_while_the_store_is_away_is_not_delivered_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its ticket is dropped as soon as the store is back; Discord knows a nonce for minutes alone."""
    monkeypatch.setattr(deliveries, "AWAY", 0.02)
    monkeypatch.setattr(deliveries, "REST", 0.05)
    monkeypatch.setattr(deliveries, "SCAN", 0.02)
    async with serving() as served:
        asked = await served.hold_one()
        served.discord.skip(901)
        delete, away = served.gateway.coordination.delete, iter(range(3))

        async def sometimes(kind: str, name: str) -> None:
            if next(away, None) is not None:
                raise QueueUnavailable("away")
            await delete(kind, name)

        monkeypatch.setattr(served.gateway.coordination, "delete", sometimes)
        served.double.release()
        await new_message(served, asked)
        assert next(away, None) is None
        assert served.discord.count("POST", SEND) == 1
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []
