"""What is refused: with its reason, to the caller alone, before anything is painted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NoReturn
from unittest.mock import AsyncMock

import aiohttp
import pytest
from discord.http import Route

from bot import answers, deliveries, tickets
from bot.reading import Interaction
from bot.ticket import TTL, encode
from bot.tickets import TICKET_KIND
from core import QueueFull, QueueUnavailable
from tests.doubles.discord import Asked
from tests.doubles.discord.limits import Words
from tests.doubles.discord_fixture import Served, serving, without_pauses


async def said(served: Served, asked: Asked) -> str:
    """What the caller alone was told; nothing else was left behind."""
    await served.discord.answered(asked)
    await served.nothing_left()
    assert [each for each in asked.channel.messages.values() if not each.is_private] == []
    return asked.said


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"width": 100, "height": 100}, "multiple of 8"),
        ({"size": "512x512", "width": 64}, "either a size"),
        ({"model": "gamma"}, "gamma"),
        ({"sampler": "none such"}, "none such"),
        ({"width": 65536, "height": 65536}, "pixels"),
    ],
)
async def test_what_cannot_be_painted(options: dict[str, Any], reason: str) -> None:
    async with serving() as served:
        assert reason in (await said(served, await served.imagine(**options))).replace("\\", "")
        assert served.prompts == []


async def test_a_word_that_is_not_allowed() -> None:
    async with serving(discord_blocked_words=("blood",)) as served:
        assert "not allowed" in await said(served, await served.imagine("Blood moon"))
        assert served.prompts == []


async def test_channels_that_are_not_listed() -> None:
    """A thread counts as its channel."""
    async with serving() as served:
        object.__setattr__(served.settings, "discord_channels", (served.channel.id,))
        elsewhere = served.discord.channel()
        assert "this channel" in await said(served, await served.imagine(where=elsewhere))
        asked = await served.discord.command(served.ann, elsewhere, "queue")
        assert "this channel" in await said(served, asked)
        message = served.discord.write(elsewhere, by=served.ann)
        asked = await served.discord.menu(served.ann, message, "Show parameters")
        assert "this channel" in (await served.discord.answered(asked)).said
        await served.painted()
        thread = served.discord.thread(served.channel)
        await served.discord.settled(await served.imagine(where=thread))


async def test_roles_that_are_not_listed() -> None:
    async with serving(discord_roles=(42,)) as served:
        assert "role" in await said(served, await served.imagine())
        guild = served.channel.guild
        assert guild is not None
        guild.roles[served.ann.id] = (41, 42)
        await served.painted()


async def test_too_many_jobs_of_one_person_anywhere() -> None:
    async with serving(discord_max_jobs_per_user=2) as served:
        await served.hold_one()
        waits = await served.imagine("waits", where=served.discord.direct(served.ann))
        await served.discord.until(lambda: waits.original and waits.original.embeds)
        third = await served.discord.answered(await served.imagine("third"))
        assert "under way: 2" in third.said
        other = await served.imagine("bernd's", by=served.discord.person("bernd"))
        served.double.release()
        await served.discord.settled(other)
        await served.discord.settled(waits)
        await served.painted("now there is room")


@pytest.mark.parametrize(("status", "code"), [(404, 10062), (502, 0)])
async def test_what_was_refused_too_late_is_not_painted(
    status: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody heard of the refusal; the limit holds all the same."""
    monkeypatch.setattr(deliveries, "SCAN", 0.02)
    monkeypatch.setattr(answers, "LOOK_AGAIN", 0.02)
    without_pauses(monkeypatch)
    async with serving(discord_max_jobs_per_user=1) as served:
        first = await served.hold_one()
        served.discord.fault("POST", "/callback", status, code, times=5)
        await served.imagine("one too many")
        await served.discord.until(lambda: served.discord.count("POST", "/callback") >= 2)
        await served.at_most_left(1)
        served.discord.faults_end()
        served.double.release()
        await served.discord.settled(first)
        await served.nothing_left()
        assert served.prompts == ["the one that holds"]


async def test_too_many_jobs_of_one_server() -> None:
    async with serving(discord_max_jobs_per_server=1) as served:
        await served.hold_one()
        bernd = served.discord.person("bernd")
        second = await served.discord.answered(await served.imagine(by=bernd))
        assert "Jobs of this server under way: 1" in second.said
        elsewhere = await served.imagine(by=bernd, where=served.discord.channel())
        served.double.release()
        await served.discord.settled(elsewhere)


async def test_of_a_burst_as_many_are_taken_as_may_be() -> None:
    async with serving(discord_max_jobs_per_user=3) as served:
        served.double.hold(at=1)
        burst = [await served.imagine(f"number {number}") for number in range(8)]
        async with asyncio.TaskGroup() as group:
            for asked in burst:
                group.create_task(served.discord.answered(asked))
        assert sum(not asked.message.is_private for asked in burst) == 3
        served.double.release()
        await served.discord.until(lambda: served.discord.pictures == 3)


async def test_a_limit_holds_where_another_replica_came_to_a_later_command_first() -> None:
    """That one saw no other, and accepted it."""
    async with serving(discord_max_jobs_per_user=1) as served:
        holding = await served.hold_one()
        later = await served.ticket()
        coordination = served.gateway.coordination
        await coordination.delete(TICKET_KIND, later.name)
        name = later.name.replace(str(later.interaction), str(later.interaction + (1 << 40)))
        await coordination.put(TICKET_KIND, name, encode(later), ttl=TTL)
        refused = await served.discord.answered(await served.imagine("one too many"))
        assert "under way: 1" in refused.said
        await coordination.delete(TICKET_KIND, name)
        served.double.release()
        await served.discord.settled(holding)


async def test_errors_of_the_queue_are_told_to_the_caller_alone() -> None:
    async with serving(max_queue=1) as served:
        await served.hold_one()
        waits = await served.imagine("waits")
        await served.discord.until(lambda: waits.original and waits.original.embeds)
        full = await served.discord.answered(await served.imagine("too many"))
        assert "Too many people are waiting" in full.said
        served.double.release()
        await served.discord.settled(waits)


async def hang(*_: object, **__: object) -> None:
    await asyncio.Future()


@pytest.mark.parametrize("method", ["hold", "put"])
async def test_a_store_that_hangs_is_told_in_time(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "IN_TIME", 0.1)
    monkeypatch.setattr(answers, "AT_LEAST", 0.1)
    async with serving() as served:
        with monkeypatch.context() as patch:
            patch.setattr(served.gateway.coordination, method, hang)
            asked = await served.imagine()
            await served.discord.until(lambda: asked.original and "queue is away" in asked.said)


async def test_what_was_refused_is_not_painted_although_the_store_had_heard_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its answer was lost, and it could not be asked to forget it at once; the refusal does not wait."""
    monkeypatch.setattr(answers, "IN_TIME", 0.1)
    monkeypatch.setattr(answers, "AT_LEAST", 0.1)
    monkeypatch.setattr(deliveries, "SCAN", 0.01)
    monkeypatch.setattr(deliveries, "AWAY", 0.05)
    async with serving() as served:
        coordination, away = served.gateway.coordination, iter(range(3))
        put, delete = coordination.put, coordination.delete

        async def put_and_hang(kind: str, name: str, value: bytes, *, ttl: float) -> None:
            await put(kind, name, value, ttl=ttl)
            if kind == TICKET_KIND:
                await hang()

        async def delete_later(kind: str, name: str) -> None:
            if next(away, None) is not None:
                raise QueueUnavailable("away")
            await delete(kind, name)

        monkeypatch.setattr(coordination, "put", put_and_hang)
        monkeypatch.setattr(coordination, "delete", delete_later)
        asked = await served.imagine()
        await served.discord.until(lambda: asked.original and "queue is away" in asked.said)
        await served.nothing_left()
        assert next(away, None) is None
        assert served.prompts == []


def full(*_: object, **__: object) -> NoReturn:
    raise QueueFull("full")


async def test_a_refused_order_leaves_nothing() -> None:
    async with serving() as served:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bot.desk.submit", full)
            asked = await served.imagine()
            await served.discord.until(lambda: asked.original and "Too many people are" in asked.said)
            await served.nothing_left()
        await served.painted("another")
        assert served.prompts == ["another"]


PROMISE: Words = {"type": 5}
HIDDEN_PROMISE: Words = {"type": 5, "data": {"flags": 64}}
"""As Discord keeps one where a person's own apps may not write for all."""
REFUSAL: Words = {"type": 4, "data": {"content": "The queue is away.", "flags": 64}}


async def answer_first(interaction: Interaction, answer: Words) -> None:
    """What another replica says, that cannot tell this one of it."""
    address = f"{Route.BASE}/interactions/{interaction.id}/{interaction.token}/callback"
    async with aiohttp.ClientSession() as session, session.post(address, json=answer) as response:
        assert response.status == 200


@asynccontextmanager
async def among_others(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[Served]:
    """A bot that takes itself for one of several replicas; the others are this test."""
    monkeypatch.setattr(deliveries, "SCAN", 0.02)
    monkeypatch.setattr(answers, "LOOK_AGAIN", 0.02)
    async with serving(**settings) as served:
        served.bot.desk.settings = replace(served.settings, redis_url="redis://shared")
        monkeypatch.setattr(served.bot.deliveries, "_shared", True)
        yield served


async def overtaken(served: Served, answer: Words, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Ask for a picture that this replica accepts, when another one has just given this answer."""
    defer = served.bot.desk.answers.defer

    async def too_late(interaction: Interaction, **options: bool) -> bool:
        await answer_first(interaction, answer)
        return await defer(interaction, **options)

    with monkeypatch.context() as patch:
        patch.setattr(served.bot.desk.answers, "defer", too_late)
        asked = await served.imagine()
        await served.discord.until(lambda: asked.refused)
    return asked


@pytest.mark.parametrize("unread", [0, 1])
async def test_what_another_replica_refused_while_the_store_was_away_is_not_painted(
    unread: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could tell nobody, and this one had put the job into the queue already."""
    async with among_others(monkeypatch) as served:
        holding = await served.hold_one()
        served.discord.fault("GET", "/messages/@original", 404, 10008, times=unread)  # still on its way
        asked = await overtaken(served, REFUSAL, monkeypatch)
        await served.at_most_left(1)
        served.double.release()
        await served.discord.settled(holding)
        await served.painted("another")
        await served.nothing_left()
        assert served.prompts == ["the one that holds", "another"]
        assert asked.said == "The queue is away."
        assert not asked.message.embeds
        told = await served.gateway.coordination.get(answers.ANSWER_KIND, str(asked.id))
        assert told == answers.REFUSED, "to whoever would find the ticket if this one had died"


async def test_what_another_replica_refused_in_time_is_not_painted_by_one_that_is_too_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It hears it on resuming its session, say: to it Discord says no more than that the time is over."""
    async with among_others(monkeypatch) as served:
        holding = await served.hold_one()
        defer = served.bot.desk.answers.defer

        async def too_late(interaction: Interaction, **options: bool) -> bool:
            await answer_first(interaction, REFUSAL)
            served.discord.fault("POST", "/callback", 404, answers.FORGOTTEN)
            return await defer(interaction, **options)

        with monkeypatch.context() as patch:
            patch.setattr(served.bot.desk.answers, "defer", too_late)
            asked = await served.imagine()
            await served.discord.until(lambda: asked.original)
        await served.at_most_left(1)
        served.double.release()
        await served.discord.settled(holding)
        await served.painted("another")
        await served.nothing_left()
        assert served.prompts == ["the one that holds", "another"]
        assert not asked.message.embeds


@pytest.mark.parametrize("promise", [PROMISE, HIDDEN_PROMISE])
async def test_what_another_replica_accepted_as_well_is_painted_once(
    promise: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discord says of both alike that there is an answer."""
    async with among_others(monkeypatch) as served:
        asked = await overtaken(served, promise, monkeypatch)
        assert (await served.discord.settled(asked)).title == "Done"
        await served.nothing_left()
        assert served.prompts == ["a monkey"]


async def test_a_promise_that_came_through_although_an_error_was_told_is_followed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the replica that made it: no scan has to find it."""
    without_pauses(monkeypatch)
    async with among_others(monkeypatch) as served:
        monkeypatch.setattr(served.bot.deliveries, "scan", hang)
        served.discord.fail_afterwards("POST", "/callback", 502)
        asked = await served.imagine()
        assert (await served.discord.settled(asked)).title == "Done"
        await served.nothing_left()
        assert served.prompts == ["a monkey"]


async def test_where_nobody_can_read_what_was_answered_no_picture_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with among_others(monkeypatch) as served:
        served.discord.fault("GET", "/messages/@original", 404, 10008, times=answers.TURNS)
        asked = await overtaken(served, PROMISE, monkeypatch)
        assert (await served.discord.settled(asked)).title == "Done"


@pytest.mark.parametrize("answer", [PROMISE, REFUSAL])
@pytest.mark.parametrize("too_late", [False, True])
async def test_a_refusal_that_comes_after_another_replicas_answer_takes_nothing_from_it(
    answer: Words, too_late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that one has accepted it, its ticket stays, though a store that came back empty tells nobody."""
    async with among_others(monkeypatch) as served:
        accepted = answer is PROMISE
        refuse = served.bot.desk.answers.refuse

        async def overtaken(interaction: Interaction, text: str) -> None:
            await answer_first(interaction, answer)
            served.discord.fault("POST", "/callback", 404, answers.FORGOTTEN, times=too_late)
            await refuse(interaction, text)

        with monkeypatch.context() as patch:
            patch.setattr("bot.desk.submit", full)
            patch.setattr(served.bot.desk.answers, "refuse", overtaken)
            asked = await served.imagine()
            await served.discord.until(lambda: served.discord.count("POST", "/callback") == 2)
        if accepted:
            assert (await served.discord.settled(asked)).title == "Done"
        await served.nothing_left()
        assert served.prompts == ["a monkey"] * accepted


async def test_what_one_cannot_refuse_and_another_replica_refuses_is_not_painted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one is cut off from Discord; the other took over, found the same, and says so in the store."""
    without_pauses(monkeypatch)
    async with among_others(monkeypatch, discord_max_jobs_per_user=1) as served:
        holding = await served.hold_one()
        refuse = served.bot.desk.answers.refuse
        another = answers.Answers(served.gateway.coordination, "another")

        async def cut_off(interaction: Interaction, text: str) -> None:
            heard: Any = SimpleNamespace(id=interaction.id, extras={})
            await another._answer(heard, answer_first(interaction, REFUSAL), refuses=True)
            served.discord.fault("POST", "/callback", 502, times=1000)
            served.discord.fault("GET", "/messages/@original", 404, 10008, times=1000)
            await refuse(interaction, text)

        with monkeypatch.context() as patch:
            patch.setattr(served.bot.desk.answers, "refuse", cut_off)
            asked = await served.imagine("one too many")
            await served.discord.until(lambda: asked.original)
        await served.at_most_left(1)
        served.double.release()
        await served.discord.settled(holding)
        await served.nothing_left()
        assert served.prompts == ["the one that holds"]
        assert not asked.message.embeds


async def test_what_one_cannot_promise_and_another_replica_refused_is_not_painted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one does not reach Discord for a while; the other took over, and had no store to accept it."""
    without_pauses(monkeypatch)
    async with among_others(monkeypatch) as served:
        holding = await served.hold_one()
        defer = served.bot.desk.answers.defer

        async def cut_off(interaction: Interaction, **options: bool) -> bool:
            await answer_first(interaction, REFUSAL)
            served.discord.fault("POST", "/callback", 502, times=5)
            return await defer(interaction, **options)

        with monkeypatch.context() as patch:
            patch.setattr(served.bot.desk.answers, "defer", cut_off)
            asked = await served.imagine("refused")
            await served.discord.until(lambda: served.discord.count("POST", "/callback") >= 7)
        await served.at_most_left(1)
        served.double.release()
        await served.discord.settled(holding)
        await served.nothing_left()
        assert served.prompts == ["the one that holds"]
        assert not asked.message.embeds


async def test_a_refusal_that_came_through_although_an_error_was_told_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """discord.py repeats it, and hears that there is an answer; it is this replica's own."""
    monkeypatch.setattr(deliveries, "SCAN", 0.02)
    monkeypatch.setattr(answers, "LOOK_AGAIN", 0.02)
    without_pauses(monkeypatch)
    async with serving(discord_max_jobs_per_user=1) as served:
        await served.hold_one("accepted")
        served.discord.fail_afterwards("POST", "/callback", 502)
        refused = await served.imagine("one too many")
        await served.discord.until(lambda: refused.original and "under way" in refused.said)
        async with asyncio.timeout(10):
            while not await served.gateway.coordination.get(answers.ANSWER_KIND, str(refused.id)):  # noqa: ASYNC110
                await asyncio.sleep(0)  # another replica would go on with it
        await served.at_most_left(1)
        served.double.release()
        await served.nothing_left()
        assert served.prompts == ["accepted"]


async def test_a_refused_order_stays_with_its_replica_until_that_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However slow Discord is: else another one would find the ticket, and paint it."""
    for module in (deliveries, tickets):
        monkeypatch.setattr(module, "LEASE", 0.1)
    async with serving() as served:
        holds, told = 0, asyncio.Event()
        hold = served.bot.desk.tickets.hold

        async def count(name: str) -> bool:
            nonlocal holds
            holds += 1
            return await hold(name)

        async def is_told(_: object) -> bool:
            await told.wait()
            return True

        monkeypatch.setattr(served.bot.desk.tickets, "hold", count)
        monkeypatch.setattr(served.bot.desk.answers, "refusal_was_told", is_told)
        monkeypatch.setattr("bot.desk.submit", full)
        await served.imagine()
        async with asyncio.timeout(10):
            while holds < 8:  # noqa: ASYNC110
                await asyncio.sleep(0)
        (name,) = await served.bot.desk.tickets.names()
        assert not await served.gateway.coordination.hold(f"discord:lease:{name}", "another", ttl=1)
        told.set()
        await served.nothing_left()


async def test_a_refusal_by_one_who_holds_no_lease_leaves_the_ticket_to_its_holder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as served:
        monkeypatch.setattr(served.bot.desk.tickets, "hold", AsyncMock(return_value=False))
        monkeypatch.setattr("bot.desk.submit", full)
        asked = await served.imagine()
        await served.discord.until(lambda: asked.original and "Too many people are waiting" in asked.said)
        assert len(await served.bot.desk.tickets.names()) == 1


async def test_what_was_refused_is_not_painted_although_who_had_stored_it_is_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed before its answer, or before it could forget it: the lease ends, and a scan finds the ticket."""
    async with among_others(monkeypatch, discord_max_jobs_per_user=1) as served:
        holding = await served.hold_one()
        own, hold = await served.ticket(), served.gateway.coordination.hold

        async def held_by_the_dead(name: str, owner: str, *, ttl: float) -> bool:
            return name.endswith(own.name) and await hold(name, owner, ttl=ttl)

        with monkeypatch.context() as patch:
            patch.setattr(served.gateway.coordination, "hold", held_by_the_dead)
            refused = await served.imagine("one too many")
            await served.discord.until(lambda: refused.original and "under way" in refused.said)
            async with asyncio.timeout(10):
                while not await served.gateway.coordination.get(answers.ANSWER_KIND, str(refused.id)):  # noqa: ASYNC110
                    await asyncio.sleep(0)
            assert len(await served.bot.desk.tickets.names()) == 2
        await served.at_most_left(1)
        served.double.release()
        await served.discord.settled(holding)
        await served.nothing_left()
        assert served.prompts == ["the one that holds"]
        assert not refused.message.embeds


async def test_a_job_that_was_stored_before_the_store_hung_is_accepted_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limits cannot be looked up then, and whoever follows the job submits it."""
    monkeypatch.setattr(answers, "IN_TIME", 0.1)
    monkeypatch.setattr(answers, "AT_LEAST", 0.1)
    async with serving() as served:
        with monkeypatch.context() as patch:
            patch.setattr(served.gateway.coordination, "names", hang)
            asked = await served.discord.answered(await served.imagine())
        assert (await served.discord.settled(asked)).title == "Done"


async def test_a_queue_that_hangs_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also to who wants to cancel, or to see his jobs."""
    monkeypatch.setattr(answers, "IN_TIME", 0.1)
    async with serving() as served:
        holding = await served.hold_one()
        with monkeypatch.context() as patch:
            patch.setattr(served.gateway, "cancel", hang)
            patch.setattr(served.gateway, "status", hang)
            for asked in (
                await served.discord.press(served.ann, holding.message, "Cancel"),
                await served.discord.command(served.ann, served.channel, "queue"),
            ):
                assert "queue is away" in (await served.discord.answered(asked)).said
        served.double.release()
        await served.discord.settled(holding)


async def test_nobody_paints() -> None:
    async with serving() as served:
        await served.double.go_away()
        waits = await served.shown(await served.imagine("finds out that nobody is there"))
        async with asyncio.timeout(10):
            while (await served.gateway.catalog()).takes_work:  # noqa: ASYNC110
                await asyncio.sleep(0)  # the queue tells nobody of its offers
        asked = await served.imagine()
        assert "No painting server" in (await served.discord.answered(asked)).said
        await served.double.come_back()
        await served.discord.until(lambda: waits.title == "Done")


async def test_a_fault_of_ours_is_logged_and_told_without_its_details(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as served:

        def broken(*_: object) -> None:
            raise ZeroDivisionError("our secret")

        monkeypatch.setattr("bot.desk.check_prompt", broken)
        text = await said(served, await served.imagine())
        assert text == "That is a fault of ours. It is in the log."
        assert "our secret" in caplog.text
