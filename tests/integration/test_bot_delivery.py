"""No picture is lost or doubled: every way in which Discord refuses a message, and what comes of it."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest

from bot import answers, deliveries, pace, screen, ticket
from core import Caller, Completed, Gateway, Image, Progress, ShuttingDown
from tests.doubles.a1111 import A1111Double
from tests.doubles.discord import Asked, LoopbackDiscord
from tests.doubles.discord_fixture import Served, serving, until
from tests.doubles.pictures import prompt_of
from tests.integration.delivering import (
    PATCH,
    SEND,
    delete_message,
    delete_message_and_permission,
    new_message,
)
from tests.ports import free_port

pytestmark = pytest.mark.usefixtures("brisk")


async def test_a_result_after_15_minutes_is_a_new_message_that_mentions_the_user() -> None:
    """By the bot's own token, with a nonce; it pings nobody all the same."""
    async with serving() as served:
        asked = await served.hold_one()
        served.discord.skip(901)
        served.double.release()
        message = await new_message(served, asked)
        assert message.channel is served.channel
        assert message.content == f"<@{served.ann.id}>"
        assert message.mentions == {"parse": []}
        assert message.nonce == str(asked.id)
        assert prompt_of(message.pictures[0]) == "the one that holds"
        assert list(message.buttons) == ["Again", "Edit", "Delete"]
        assert served.discord.pictures == 1


async def test_before_the_15_minutes_are_over_the_message_says_what_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(screen, "LAST_WORDS", ticket.TOKEN_LIFE - 0.5)
    async with serving() as served:
        asked = await served.hold_one()
        await served.discord.until(lambda: "comes as a new one" in asked.message.title)
        assert list(asked.message.buttons) == ["Cancel"]
        edits = asked.message.edits
        served.double.step(3)
        served.double.release()
        await served.nothing_left()
        assert asked.message.edits <= edits + 1, "no progress any more, the end at the most"


async def age_token(served: Served, asked: Asked) -> None:
    served.discord.skip(901)


async def delete_channel(served: Served, asked: Asked) -> None:
    asked.channel.exists = False


async def age_and_delete_channel(served: Served, asked: Asked) -> None:
    served.discord.skip(901)
    asked.channel.exists = False


async def age_and_lose_access(served: Served, asked: Asked) -> None:
    served.discord.skip(901)
    asked.channel.readable = False


@pytest.mark.parametrize(
    ("happens", "where"),
    [
        (delete_message, "channel"),
        (age_token, "channel"),
        (delete_message_and_permission, "follow-up"),
        (delete_channel, "direct"),
        (age_and_delete_channel, "direct"),
        (age_and_lose_access, "direct"),
    ],
)
async def test_the_picture_finds_another_way(
    happens: Callable[[Served, Asked], Awaitable[None]], where: str
) -> None:
    """Once, and progress is no longer shown in vain."""
    async with serving() as served:
        asked = await served.hold_one()
        await happens(served, asked)
        served.double.release()
        message = await new_message(served, asked)
        assert prompt_of(message.pictures[0]) == "the one that holds"
        assert served.discord.pictures == 1
        assert (message.channel is served.discord.direct(served.ann)) == (where == "direct")
        assert bool(asked.followups) == (where == "follow-up")


async def test_a_deleted_progress_message_is_not_asked_for_again() -> None:
    async with serving(double=A1111Double(step_seconds=0.01)) as served:
        asked = await served.hold_one(steps=50)
        await delete_message(served, asked)
        before = served.discord.count("PATCH", PATCH)
        served.double.release()
        await new_message(served, asked)
        assert served.discord.count("PATCH", PATCH) <= before + 2, "once for progress, once for the end"


async def test_a_message_that_is_gone_has_its_job_watched_for_the_end_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody reads previews or progress then: no server is asked for them."""
    asked_for = []
    attach = Gateway.attach

    def seen(self: Gateway, id: str, **wishes: bool) -> Any:
        asked_for.append(wishes)
        return attach(self, id, **wishes)

    monkeypatch.setattr(Gateway, "attach", seen)
    async with serving() as served:
        asked = await served.hold_one()
        await delete_message(served, asked)
        served.double.step(2)
        await until(lambda: len(asked_for) >= 2)
        served.double.release()
        await new_message(served, asked)
    assert asked_for == [{"progress": True, "preview": True}, {"progress": False, "preview": False}]


async def test_where_there_is_no_way_show_still_fetches_it(caplog: pytest.LogCaptureFixture) -> None:
    """User-installed, without the bot, after 15 minutes, and no direct messages: the id is known."""
    async with serving() as served:
        asked = await served.hold_one_by_token()
        id = asked.message.embed["footer"]["text"].split()[1]
        served.discord.skip(901)
        served.double.release()
        await served.nothing_left()
        assert "no way to deliver it" in caplog.text
        assert served.discord.pictures == 0
        shown = await served.discord.command(served.ann, asked.channel, "show", job=id)
        await served.discord.until(lambda: shown.original and shown.original.pictures)


async def test_a_picture_is_kept_for_the_token_that_comes_after_one_that_was_taken_away() -> None:
    """Until Discord ends the session: the bot is to be started with another token, and goes on."""
    async with serving() as served:
        asked = await served.hold_one()
        served.discord.skip(901)
        for path in (SEND, "^/users/@me/channels"):
            served.discord.fault("POST", path, 401, times=3)
        served.double.release()
        assert (await new_message(served, asked)).channel is served.channel


async def test_a_message_that_was_edited_too_often_gives_way_to_a_new_one() -> None:
    async with serving() as served:
        asked = await served.hold_one()
        served.discord.fault("PATCH", PATCH, 429, 30046, times=1000, retry_after=0.01)
        served.double.release()
        await new_message(served, asked)
        assert served.discord.pictures == 1


@pytest.mark.parametrize(("status", "times"), [(429, 3), (500, 2), (502, 2), (503, 6)])
@pytest.mark.usefixtures("no_pauses")
async def test_what_discord_refuses_for_a_while_is_tried_again(status: int, times: int) -> None:
    """The end is delivered once."""
    async with serving() as served:
        asked = await served.hold_one()
        served.discord.fault("PATCH", PATCH, status, times=times)
        served.double.release()
        await served.discord.until(lambda: served.discord.pictures, within=20)
        await served.nothing_left()
        assert served.discord.pictures == 1
        assert asked.answer is not None


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/callback"), ("PATCH", PATCH), ("POST", SEND)],
    ids=["answer", "edit", "new"],
)
async def test_a_page_that_a_proxy_shows_instead_of_discord_costs_no_picture(
    status: int, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither is it a fault of ours, after which nothing is tried for half a minute."""
    async with serving() as served:
        if path == "/callback":
            served.discord.hide_behind(b"<html>", method, path, status)
            asked = await served.imagine()
            await until(lambda: f"in front of Discord answers, with status {status}" in caplog.text)
        else:
            asked = await served.hold_one()
            served.discord.hide_behind(b"<html>", method, path, status, times=3)
            if path == SEND:
                served.discord.skip(901)
            served.double.release()
        if path == PATCH:
            await served.discord.settled(asked)
        else:
            await new_message(served, asked)
        assert served.discord.pictures == 1
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_pages_that_refuse_in_discords_place_for_a_while_cost_no_picture(status: int) -> None:
    """As of a firewall that asks for a human: each way was no way then, and the picture was lost."""
    async with serving() as served:
        asked = await served.hold_one()
        for method, path in (("PATCH", PATCH), ("POST", SEND), ("POST", "^/webhooks/"), ("POST", "^/users/")):
            served.discord.hide_behind(b"<html>", method, path, status, times=4)
        served.double.release()
        message = await served.discord.settled(asked)
        assert message.title == "Done"
        assert served.discord.pictures == 1


async def test_a_page_that_says_that_pictures_are_too_large_is_heard_as_well() -> None:
    """A proxy may take less than Discord, and has no JSON for that."""
    async with serving() as served:
        asked = await served.hold_one("/kb-300")
        served.discord.hide_behind(b"<html>", "PATCH", PATCH, 413)
        served.double.release()
        message = await served.discord.settled(asked)
        assert "too large" in message.embed["footer"]["text"]


async def test_an_answer_that_is_lost_on_a_dead_line_does_not_hold_up_its_picture(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """aiohttp waits for five minutes, and discord.py lets it."""
    monkeypatch.setattr(answers, "PATIENCE", 0.2)
    async with serving() as served:
        served.discord.fall_silent("POST", "/callback")
        asked = await served.imagine()
        await new_message(served, asked)
        assert served.discord.pictures == 1
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_progress_that_is_lost_on_a_dead_line_does_not_hold_up_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as served:
        asked = await served.hold_one()
        monkeypatch.setattr(screen, "PATIENCE", 0.2)
        edits = served.discord.count("PATCH", PATCH)
        served.discord.fall_silent("PATCH", PATCH)
        served.double.step(3)
        await served.discord.until(lambda: served.discord.count("PATCH", PATCH) > edits)
        served.double.release()
        assert (await served.discord.settled(asked)).title == "Done"


@pytest.mark.usefixtures("no_pauses")
async def test_a_new_message_that_was_sent_although_an_error_came_is_not_sent_twice() -> None:
    """The first attempt arrives and is answered with 502: the nonce makes the second one the same."""
    async with serving() as served:
        asked = await served.hold_one()
        served.discord.skip(901)
        served.discord.fail_afterwards("POST", SEND, 502)
        served.double.release()
        await new_message(served, asked)
        assert served.discord.count("POST", SEND) == 2
        assert served.discord.pictures == 1


@pytest.mark.usefixtures("no_pauses")
async def test_a_further_answer_that_came_although_an_error_was_told_bears_no_second_picture() -> None:
    """Discord knows no nonce there: so it is made without the picture, and its edit may be repeated."""
    async with serving() as served:
        asked = await served.hold_one(where=served.discord.channel(has_bot=False))
        await delete_message(served, asked)
        served.discord.fail_afterwards("POST", r"^/webhooks/", 502)
        served.discord.fail_afterwards("PATCH", r"^/webhooks/.*/messages/\d+", 502)
        served.double.release()
        message = await new_message(served, asked)
        assert len(asked.followups) == 2, "both attempts arrived"
        assert served.discord.pictures == 1
        assert prompt_of(message.pictures[0]) == "the one that holds"
        assert all(f"<@{served.ann.id}>" in each.content for each in asked.followups)


@pytest.mark.usefixtures("no_pauses")
async def test_an_answer_that_came_although_an_error_was_told_is_followed_by_the_rest() -> None:
    """discord.py repeats it, and hears that the interaction has been answered: by itself."""
    async with serving() as served:
        discord, ann = served.discord, served.ann
        painted = await served.painted("a monkey")
        id = painted.embed["footer"]["text"].split()[1]

        async def twice(name: str, **options: str) -> Asked:
            discord.fail_afterwards("POST", "/callback", 502)
            return await discord.command(ann, served.channel, name, **options)

        shown = await twice("show", job=id)
        await discord.until(lambda: shown.original and shown.message.pictures == painted.pictures)
        missing = await twice("show", job="0" * 32)
        await discord.until(lambda: missing.original and "no job with this id" in missing.said)
        discord.fail_afterwards("POST", "/callback", 502)
        told = await discord.menu(ann, painted, "Show parameters")
        await discord.until(lambda: told.original and "a monkey" in str(told.message.embeds))
        discord.fail_afterwards("POST", "/callback", 502)
        await discord.press(ann, painted, "Delete")
        await discord.until(lambda: painted.id not in served.channel.messages)


async def test_whoever_takes_over_goes_on_with_the_further_answer_that_is_there() -> None:
    async with serving() as served:
        asked = await served.hold_one(where=served.discord.channel(has_bot=False))
        await delete_message(served, asked)
        served.discord.fault("PATCH", r"^/webhooks/.*/messages/\d+", 500, times=1000)
        served.double.release()
        await served.discord.until(lambda: asked.followups)
        ticket = await served.ticket()
        async with asyncio.timeout(5):
            while not ticket.follow_up:
                await asyncio.sleep(0)
                ticket = await served.ticket()
        served.discord.faults_end()
        end = await served.gateway_end(ticket.job)
        screen_of_another = screen.Screen(served.bot, ticket, served.bot.desk.tickets.store)
        assert await screen_of_another.deliver(end, alone=True)
        assert len(asked.followups) == 1
        assert served.discord.pictures == 1
        await served.nothing_left()


@pytest.mark.parametrize("code", [10062, 40060])
async def test_an_answer_that_comes_too_late_is_no_error_and_its_picture_is_not_lost(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The job was accepted before: its picture comes as a normal message."""
    async with serving() as served:
        served.discord.fault("POST", "/callback", 404 if code == 10062 else 400, code)
        asked = await served.imagine()
        message = await new_message(served, asked)
        assert message.content == f"<@{served.ann.id}>"
        assert asked.answer is None
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.usefixtures("no_pauses")
async def test_a_discord_that_takes_no_answer_for_a_while_loses_no_picture(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither is it a fault of ours."""
    monkeypatch.setattr(deliveries, "SCAN", 0.02)
    async with serving() as served:
        served.discord.fault("POST", "/callback", 500, times=5)
        asked = await served.imagine()
        await new_message(served, asked)
        assert served.discord.pictures == 1
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_job_is_not_shown_before_its_interaction_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan that came in between found the ticket, changed a message that was not there, and gave it up."""
    async with serving() as served:
        defer = served.bot.desk.answers.defer

        async def after_a_scan(*arguments: Any, **options: Any) -> None:
            await served.bot.deliveries.scan()
            await served.double.until(lambda: served.double.active is not None)
            with suppress(AssertionError):
                await served.discord.until(lambda: served.discord.count("PATCH", PATCH), within=0.3)
            await defer(*arguments, **options)

        monkeypatch.setattr(served.bot.desk.answers, "defer", after_a_scan)
        asked = await served.hold_one()
        assert list(asked.message.buttons) == ["Cancel"]
        assert {call.status for call in served.discord.calls if call.method == "PATCH"} == {200}


async def test_a_refusal_that_cannot_be_told_any_more_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as served:
        served.discord.fault("POST", "/callback", 404, 10062)
        asked = await served.imagine(width=100)
        await served.discord.until(lambda: served.discord.count("POST", "/callback"))
        await served.painted()
        assert asked.answer is None
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_the_gateway_may_break_at_any_time() -> None:
    """Cut, told to reconnect: the session is resumed with what it missed."""
    async with serving() as served:
        served.discord.gateway.cut()
        first = await served.imagine("while the line was cut")
        await served.discord.settled(first)
        await served.discord.gateway.reconnect()
        second = await served.imagine("while it came back")
        await served.discord.settled(second)
        assert served.discord.gateway.resumes >= 2
        assert len(served.discord.gateway.identifies) == 1


async def test_a_gateway_that_was_away_for_long_is_tried_soon_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """discord.py waits twice as long each time, up to seventeen minutes: so long was the bot deaf."""
    monkeypatch.setattr(pace, "LONGEST_PAUSE", 0.01)
    async with serving() as served:
        served.discord.gateway.out_of_order = 15
        served.discord.gateway.cut()
        asked = await served.imagine()
        assert (await served.discord.settled(asked)).title == "Done"
        assert served.discord.gateway.out_of_order == 0
    assert "Attempting a reconnect" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_gateway_that_hangs_up_at_once_is_not_called_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """discord.py comes back without a pause, some hundred times a second: Discord shuts such callers out."""
    monkeypatch.setattr(pace, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(pace, "LONGEST_PAUSE", 0.1)
    async with serving() as served:
        gateway = served.discord.gateway
        gateway.hangs_up = 6
        gateway.cut()
        asked = await served.imagine()
        assert (await served.discord.settled(asked)).title == "Done"
        pauses = [later - earlier for earlier, later in itertools.pairwise(gateway.hung_up)]
        assert min(pauses) >= 0.1


async def test_a_gateway_that_is_away_where_it_wants_to_be_resumed_is_found_where_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That address is one of a part of Discord: discord.py asks for nothing but that part for ever."""
    monkeypatch.setattr(pace, "LONGEST_PAUSE", 0.01)
    discord = LoopbackDiscord()
    discord.resume_url = f"ws://127.0.0.1:{free_port()}/gateway"
    async with serving(discord=discord) as served:
        discord.gateway.cut()
        asked = await served.imagine()
        assert (await discord.settled(asked)).title == "Done"
        assert discord.gateway.resumes == 1, "the session is the same"


@pytest.mark.parametrize("during", ["a refusal", "a scan", "the end of a lease"])
async def test_a_fault_beside_a_job_ends_nothing_that_is_followed(
    during: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deliveries, "SCAN", 0.02)
    async with serving(discord_max_jobs_per_user=1) as served:
        asked = await served.hold_one()
        method = {"a refusal": "delete", "a scan": "names", "the end of a lease": "release"}[during]
        with monkeypatch.context() as patch:
            broken = AsyncMock(side_effect=RuntimeError("WRONGTYPE"))
            if during == "a scan":
                patch.setattr(served.bot.desk.tickets, method, broken)
            else:
                patch.setattr(served.gateway.coordination, method, broken)
                await served.imagine("one too many")
            await until(lambda: "WRONGTYPE" in caplog.text)
        served.double.release()
        assert (await served.discord.settled(asked)).title == "Done"


async def test_a_preview_that_is_none_is_not_shown_and_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What a server sends is handed on as it is."""
    async with serving() as served:
        asked = await served.hold_one()
        ticket = await served.ticket()
        shown = screen.Screen(served.bot, ticket, served.bot.desk.tickets.store)
        await shown.show(Progress(0.5, 5, 10, 2.0, preview=b"QQ="))
        await served.discord.until(lambda: "50" in str(asked.message.embeds))
        assert asked.message.files == {}
        served.double.release()
        await served.discord.settled(asked)


async def test_a_picture_that_is_none_ends_its_job() -> None:
    """It cannot be delivered, however often that is tried."""
    async with serving() as served:
        asked = await served.hold_one()
        ticket = await served.ticket()
        await served.gateway.cancel(ticket.job, Caller(f"discord:{served.ann.id}"))
        broken = Completed((Image(b"QQ=", "png", 7),), "gpu:7860", 3.21, "beta", "Euler a", 512, 512, 20)
        assert await screen.Screen(served.bot, ticket, served.bot.desk.tickets.store).deliver(
            broken, alone=True
        )
        assert asked.message.title == "No picture"


@pytest.mark.parametrize("status", [403, 429])
async def test_an_answer_that_discord_refuses_is_no_fault_and_loses_no_picture(
    status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Too many of them, or what stands in front of Discord dislikes this one."""
    monkeypatch.setattr(deliveries, "SCAN", 0.02)
    async with serving() as served:
        served.discord.fault("POST", "/callback", status, times=5, retry_after=0.0)
        asked = await served.imagine()
        await new_message(served, asked)
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.usefixtures("no_pauses")
async def test_a_token_whose_time_is_over_is_no_way_whatever_discord_says_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some dead ones are told by a 500: the channel is tried, and the edit not for ever."""
    async with serving() as served:
        asked = await served.hold_one()
        monkeypatch.setattr(screen, "TOKEN_LIFE", 0.0)
        served.discord.fault("PATCH", "/messages/@original", 500, times=1000)
        served.double.release()
        await new_message(served, asked)


async def test_one_that_runs_when_the_queue_is_told_to_stop_ends_with_buttons_to_go_on() -> None:
    """Without REDIS_URL what waits is lost when the bot stops; its message says so, and Again works."""
    async with serving(shutdown_grace=5) as served:
        asked = await served.hold_one()
        waits = await served.imagine("waits")
        await served.shown(waits)
        async with asyncio.TaskGroup() as group:
            group.create_task(served.gateway.drain(5))
            await served.discord.settled(waits)
            assert waits.message.title == "No picture"
            assert "about to stop" in waits.message.embed["author"]["name"]
            served.double.release()
        assert (await served.discord.settled(asked)).title == "Done"


async def test_what_comes_in_while_a_replica_stops_is_left_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is answered, and not refused; here the same one goes on with it."""
    monkeypatch.setattr(deliveries, "SCAN", 0.02)
    async with serving() as served:
        served.bot.desk.settings = replace(served.settings, redis_url="redis://shared")
        monkeypatch.setattr(served.bot.deliveries, "_shared", True)
        submit, refusals = served.gateway.submit, iter(range(2))

        def stopping(*arguments: Any, **options: Any) -> Any:
            if next(refusals, None) is not None:
                raise ShuttingDown("about to stop")
            return submit(*arguments, **options)

        monkeypatch.setattr(served.gateway, "submit", stopping)
        await served.painted()
        assert next(refusals, None) is None
        assert len(served.channel.messages) == 1


async def test_an_interaction_that_is_cut_off_as_the_bot_stops_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as served:
        client = served.bot
    await client.tree.on_error(cast(Any, SimpleNamespace(client=client)), RuntimeError("Session is closed"))
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_refusal_that_is_cut_off_as_the_bot_stops_is_no_error() -> None:
    """discord.py pauses before it repeats it, and its session is closed by then."""
    async with serving() as served:
        served.discord.fault("POST", "/callback", 502, times=1000)
        await served.imagine(width=100)
        await served.discord.until(lambda: served.discord.count("POST", "/callback"))
        (invoker,) = [task for task in asyncio.all_tasks() if task.get_name() == "CommandTree-invoker"]
        await served.bot.close()
        await invoker
