"""What the bot keeps of a job in the store: it is stored again when lost, and forgotten after a day."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest

from bot import client, deliveries, screen, showing, ticket, tickets
from bot.client import listen
from core import Caller, Cancelled, NoBackend, Watch, connect, work
from tests.doubles.discord_fixture import serving, until
from tests.doubles.pictures import prompt_of
from tests.integration.delivering import PATCH
from tests.valkey_server import ValkeyServer, flush

pytestmark = pytest.mark.usefixtures("brisk")


async def test_a_ticket_that_the_store_lost_is_stored_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nobody could take over, it would not count, and /queue would not know it."""
    for module in (deliveries, tickets):
        monkeypatch.setattr(module, "LEASE", 0.1)
    async with serving() as served:
        asked = await served.hold_one()
        (name,) = await served.bot.desk.tickets.names()
        await served.gateway.coordination.delete(tickets.TICKET_KIND, name)
        async with asyncio.timeout(10):
            while not await served.bot.desk.tickets.names():  # noqa: ASYNC110
                await asyncio.sleep(0)
        served.double.release()
        await served.discord.settled(asked)
        await served.nothing_left()


async def test_a_ticket_whose_day_is_over_is_not_stored_again_and_its_picture_comes_all_the_same(
    brisk_keeper: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was never forgotten: as often as its time ran out it got a new one."""
    async with serving() as served:
        asked = await served.hold_one()
        own = await served.ticket()
        looks = AsyncMock(side_effect=served.bot.desk.tickets.was_delivered)
        monkeypatch.setattr(served.bot.desk.tickets, "was_delivered", looks)
        monkeypatch.setattr(ticket, "TTL", 0.0)
        await served.gateway.coordination.delete(tickets.TICKET_KIND, own.name)
        await until(lambda: looks.call_count >= 3)
        assert await served.bot.desk.tickets.names() == []
        served.double.release()
        assert (await served.discord.settled(asked)).title == "Done"


@pytest.mark.usefixtures("no_pauses")
async def test_a_job_that_could_not_be_delivered_for_a_day_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Discord answers 5xx for ever: else whoever has as many jobs as he may have could order none again."""
    async with serving(discord_max_jobs_per_user=1) as served:
        await served.hold_one()
        served.discord.fault("PATCH", PATCH, 500, times=10**9)
        served.double.release()
        await served.discord.until(lambda: served.discord.count("PATCH", PATCH) > 20, within=20)
        assert len(await served.bot.desk.tickets.names()) == 1, "it is tried for as long as it may pass"
        with monkeypatch.context() as a_day_later:
            a_day_later.setattr(ticket, "TTL", 0.0)
            await until(lambda: not served.bot.deliveries._tended)
        assert caplog.text.count("no way to deliver it") == 1
        assert await served.bot.desk.tickets.names() == []
        served.discord.faults_end()
        await served.painted("the next one")


@pytest.mark.parametrize("alone", [True, False])
async def test_what_was_asked_for_a_day_ago_is_tried_once(
    alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have waited for a server; but what does not pass in a day is not waited for."""
    async with serving() as served:
        asked = await served.hold_one()
        found = await served.ticket()
        late = screen.Screen(
            served.bot, found, served.bot.desk.tickets.store, clock=lambda: found.forgotten_at + 1
        )
        with monkeypatch.context() as patch:
            broken = AsyncMock(side_effect=ConnectionResetError())
            patch.setattr(late, "_edit", broken)
            async with asyncio.timeout(10):
                assert not await late.deliver(Cancelled(), alone=alone)
            assert broken.call_count == 1
        assert await late.deliver(Cancelled(), alone=alone)
        served.double.release()
        await served.discord.settled(asked)


async def test_a_ticket_that_the_store_lost_is_stored_as_it_is_by_then(
    brisk_keeper: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A further answer may be begun while the store is asked what it knows."""
    screens: list[screen.Screen] = []

    def kept_screen(*given: Any) -> screen.Screen:
        screens.append(screen.Screen(*given))
        return screens[-1]

    monkeypatch.setattr(deliveries, "Screen", kept_screen)
    async with serving() as served:
        await served.hold_one()
        own = await served.ticket()
        coordination = served.gateway.coordination
        get, begun = coordination.get, msgspec.structs.replace(own, follow_up=7)

        async def get_and_begin(kind: str, name: str) -> bytes | None:
            if kind == tickets.DELIVERED:
                screens[0].ticket = begun
            return await get(kind, name)

        monkeypatch.setattr(coordination, "get", get_and_begin)
        await coordination.delete(tickets.TICKET_KIND, own.name)
        async with asyncio.timeout(10):
            while not await served.bot.desk.tickets.names():  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert await served.bot.desk.tickets.read(own.name) == begun
        monkeypatch.setattr(coordination, "get", get)
        screens[0].ticket = own
        served.double.release()
        await served.nothing_left()


@pytest.mark.slow
async def test_a_job_that_valkey_lost_is_submitted_again() -> None:
    """It came back empty: the ticket holds all that it takes, and the message never says anything else."""
    async with (
        ValkeyServer() as server,
        serving(redis_url=server.url) as served,
        work(served.settings),
    ):
        async with asyncio.timeout(10):
            while not (await served.gateway.catalog()).takes_work:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        asked = await served.hold_one("held")
        await flush(server.url)
        served.double.release()
        message = await served.discord.settled(asked)
        assert message.title == "Done"
        assert prompt_of(message.pictures[0]) == "held"
        assert served.discord.pictures == 1
        await served.nothing_left()


@pytest.mark.slow
@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_job_that_valkey_lost_with_its_servers_waits_for_one_and_not_for_ever(
    comes_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was accepted: that nobody can paint at first is no end. Where nobody ever can, that is told."""
    monkeypatch.setattr(showing, "AWAY", 0.02)
    async with ValkeyServer() as server, serving(redis_url=server.url) as served:
        async with work(served.settings):
            async with asyncio.timeout(10):
                while not (await served.gateway.catalog()).takes_work:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            asked = await served.hold_one("held")
        served.double.release()
        await served.bot.close()
        served.discord.gateway.identifies.clear()  # five seconds are over
        refused, submit = asyncio.Event(), showing.submit

        @asynccontextmanager
        async def watched(*arguments: Any, **options: Any) -> AsyncIterator[Watch]:
            try:
                async with submit(*arguments, **options) as watch:
                    yield watch
            except NoBackend:
                refused.set()
                raise

        monkeypatch.setattr(showing, "submit", watched)
        monkeypatch.setattr(showing, "REFUSED_FOR", 3600.0 if comes_back else 0.5)
        async with connect(served.settings) as gateway, listen(gateway, served.settings) as another:
            async with asyncio.timeout(20):
                while not another.deliveries._tended:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await flush(server.url)
            async with asyncio.timeout(20):
                await refused.wait()
            if not comes_back:
                message = await served.discord.settled(asked)
                assert message.title == "No picture"
                assert "No painting server" in message.embed["author"]["name"]
                return
            async with work(served.settings):
                message = await served.discord.settled(asked)
            assert message.title == "Done"
            assert prompt_of(message.pictures[0]) == "held"
            await served.nothing_left()


@pytest.mark.slow
@pytest.mark.usefixtures("no_pauses")
async def test_a_job_that_nobody_could_deliver_for_a_day_goes_to_no_further_replica(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its day began when it was asked for: who takes it over begins no new one."""
    monkeypatch.setattr(client, "IDENTIFY_SECONDS", 0.1)
    async with ValkeyServer() as server, serving(redis_url=server.url) as served, work(served.settings):
        async with asyncio.timeout(10):
            while not (await served.gateway.catalog()).takes_work:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await served.hold_one()
        own = await served.ticket()
        served.discord.fault("PATCH", PATCH, 500, times=10**9)
        served.double.release()
        await served.discord.until(lambda: served.discord.count("PATCH", PATCH) > 10, within=20)
        await served.bot.close()
        served.discord.gateway.identifies.clear()  # five seconds are over
        async with connect(served.settings) as gateway, listen(gateway, served.settings) as another:
            async with asyncio.timeout(20):
                await another.wait_until_ready()  # discord.py leaves a thread where it is ended before
                while own.name not in another.deliveries._tended:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            before = served.discord.count("PATCH", PATCH)
            await served.discord.until(lambda: served.discord.count("PATCH", PATCH) > before + 10, within=20)
            monkeypatch.setattr(ticket, "TTL", 0.0)
            async with asyncio.timeout(20):
                while another.deliveries._tended:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert await another.desk.tickets.names() == []
            assert await another.desk.tickets.was_delivered(own.name), "as whoever hung meanwhile is told"
            assert caplog.text.count("no way to deliver it") == 1


async def test_a_job_that_was_cancelled_elsewhere_is_not_painted_again() -> None:
    async with serving() as served:
        asked = await served.hold_one()
        id = asked.message.embed["footer"]["text"].split()[1]
        assert await served.gateway.cancel(id, Caller(f"discord:{served.ann.id}"))
        await served.discord.settled(asked)
        assert served.prompts == ["the one that holds"]


async def test_a_ticket_of_another_version_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It ended every replica, again and again, until it was forgotten after a day."""
    monkeypatch.setattr(deliveries, "SCAN", 0.02)
    async with serving() as served:
        await served.gateway.coordination.put(
            tickets.TICKET_KIND, "1:2:3", b'{"job": "of tomorrow"}', ttl=100
        )
        async with asyncio.timeout(5):
            while "cannot be read" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await served.painted()
        assert "1:2:3" in await served.gateway.coordination.names(tickets.TICKET_KIND)
    assert caplog.text.count("cannot be read") == 1
