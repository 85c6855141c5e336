"""No picture is lost or doubled: every way in which Discord refuses a message, and what comes of it."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import msgspec
import pytest
from discord import Webhook

from bot import answers, client, deliveries, pace, results, screen, showing, ticket, tickets
from bot.client import listen
from core import (
    Caller,
    Cancelled,
    Completed,
    End,
    Gateway,
    Image,
    NoBackend,
    Progress,
    QueueUnavailable,
    ShuttingDown,
    Watch,
    connect,
    work,
)
from tests.doubles.a1111 import A1111Double
from tests.doubles.discord import Asked, LoopbackDiscord, Message
from tests.doubles.discord_fixture import Served, serving, until, without_pauses
from tests.doubles.pictures import prompt_of
from tests.ports import free_port
from tests.valkey_server import ValkeyServer, flush

PATCH = r"^/webhooks/.*/messages/@original|^/webhooks/.*/messages/%40original"
SEND = r"^/channels/\d+/messages$"

GIVES_WAY = ("left to another replica", "has delivered it meanwhile")


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits longer than it must."""
    monkeypatch.setattr(showing, "EVERY", 0.02)
    monkeypatch.setattr(pace, "FIRST_PAUSE", 0.02)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """discord.py itself pauses seconds before it repeats a request that got a 5xx."""
    without_pauses(monkeypatch)


async def new_message(served: Served, asked: Asked) -> Message:
    """The message beside the interaction's own that brings its picture."""

    def found() -> list[Message]:
        return [
            message
            for channel in (asked.channel, served.discord.direct(asked.person))
            for message in channel.messages.values()
            if message.title == "Done" and message is not asked.original
        ]

    await served.discord.until(found, within=20)
    await served.nothing_left()
    (message,) = found()
    return message


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


async def begin_further_answer(served: Served, own: ticket.Ticket) -> None:
    """As another replica does, which tells it to all."""
    webhook = Webhook.partial(own.application, own.token, client=served.bot)
    further = await webhook.send("its beginning", wait=True)
    await served.bot.desk.tickets.store(msgspec.structs.replace(own, follow_up=further.id))


async def delete_message(served: Served, asked: Asked) -> None:
    del asked.channel.messages[asked.message.id]


async def age_token(served: Served, asked: Asked) -> None:
    served.discord.skip(901)


async def delete_message_and_permission(served: Served, asked: Asked) -> None:
    del asked.channel.messages[asked.message.id]
    asked.channel.writable = False


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


async def test_a_picture_that_is_too_large_is_sent_in_another_format_and_says_so() -> None:
    """The smaller of what the interaction allows and what the setting allows."""
    async with serving(discord=LoopbackDiscord(size_limit=120_000)) as served:
        message = await served.painted("/kb-300")
        assert message.title == "Done"
        assert sum(map(len, message.pictures)) <= 120_000
        assert "too large" in message.embed["footer"]["text"]
        await served.discord.settled(await served.discord.press(served.ann, message, "Again"))


async def test_the_setting_bounds_files_as_well() -> None:
    async with serving(discord_max_file_bytes=100_000) as served:
        assert sum(map(len, (await served.painted("/kb-300")).pictures)) <= 100_000


async def test_a_limit_that_discord_does_not_keep_itself_is_found_out() -> None:
    """413 although the interaction promised more: smaller, until it is taken."""
    async with serving() as served:
        served.discord.real_limit = 200_000
        message = await served.painted("/kb-450")
        assert sum(map(len, message.pictures)) <= 200_000
        assert served.discord.pictures == 1


async def test_many_pictures_may_each_be_as_large_as_one() -> None:
    """As long as a request holds them, none is packed anew for its company."""
    async with serving(discord=LoopbackDiscord(size_limit=500_000)) as served:
        message = await served.painted("/kb-300", count=4)
        assert sum(map(len, message.pictures)) > 1_000_000
        assert all(file.name.endswith(".png") for file in message.files.values())
        assert "too large" not in message.embed["footer"]["text"]


async def test_many_pictures_share_what_a_request_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is sent in vain before: on a slow line that takes minutes."""
    assert results.LARGEST_TOGETHER < LoopbackDiscord().request_limit == 25 * 2**20
    monkeypatch.setattr(results, "LARGEST_TOGETHER", 700_000)
    async with serving(discord=LoopbackDiscord(size_limit=500_000)) as served:
        served.discord.request_limit = 800_000
        message = await served.painted("/kb-300", count=4)
        assert len(message.pictures) == 4
        assert all(len(picture) <= 175_000 for picture in message.pictures)
        assert "too large" in message.embed["footer"]["text"]
        assert [call.status for call in served.discord.calls if call.status >= 400] == []


async def test_a_single_picture_may_be_as_large_as_discord_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers with boosts take larger files than what a request holds elsewhere."""
    monkeypatch.setattr(results, "LARGEST_TOGETHER", 200_000)
    async with serving(discord=LoopbackDiscord(size_limit=500_000)) as served:
        message = await served.painted("/kb-300")
        assert "too large" not in message.embed["footer"]["text"]


async def test_many_pictures_that_are_too_large_together_are_made_smaller_until_they_are_taken() -> None:
    """What stands in front of Discord may take less than it says."""
    async with serving() as served:
        served.discord.request_limit = 400_000
        message = await served.painted("/kb-300", count=4)
        assert len(message.pictures) == 4
        assert sum(map(len, message.pictures)) <= 400_000
        assert "too large" in message.embed["footer"]["text"]
        assert served.discord.pictures == 1


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


@pytest.fixture
def brisk_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are renewed all the time, and last as long as ever."""
    sleep = asyncio.sleep

    async def briskly(seconds: float) -> None:
        await sleep(0.01 if seconds == tickets.LEASE / 3 else seconds)

    monkeypatch.setattr(deliveries, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": briskly}))


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
