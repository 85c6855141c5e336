"""Discord refuses a picture, or any file, and takes words: no message stands still, no job ends unsaid."""

import pytest

from bot import answers, desk, screen
from core import Gateway
from tests.doubles.a1111 import A1111Double
from tests.doubles.discord import Message
from tests.doubles.discord_fixture import Served, serving
from tests.doubles.pictures import prompt_of

LONG = "monkey " * 500 + "*" * 400
"""A prompt for which a message has no room: it stands in a file."""

pytestmark = pytest.mark.usefixtures("brisk")


def about(message: Message) -> str:
    return str(message.embed.get("author", {}).get("name", ""))


def all_messages(served: Served) -> list[Message]:
    channels = (served.channel, served.discord.direct(served.ann))
    return [message for channel in channels for message in channel.messages.values()]


@pytest.mark.parametrize(("status", "code"), [(400, 20009), (403, 50013), (413, 40005)])
async def test_a_picture_that_discord_refuses_everywhere_is_told_in_its_own_message(
    status: int, code: int
) -> None:
    """As one that it finds explicit, or too large however small it is; nothing else is left behind."""
    async with serving() as served:
        served.discord.refuse_files(status, code)
        message = await served.painted("a monkey", steps=3)
        await served.nothing_left()
        assert all_messages(served) == [message]
        assert (message.title, about(message)) == ("No picture", "Discord refuses this picture.")
        assert list(message.buttons) == ["Again", "Edit", "Delete"]
        served.discord.take_files()
        pressed = await served.discord.press(served.ann, message, "Again")
        again = await served.discord.settled(pressed)
        assert prompt_of(again.pictures[0]) == "a monkey"


async def test_after_15_minutes_it_is_told_in_a_new_message() -> None:
    async with serving() as served:
        asked = await served.hold_one()
        served.discord.refuse_files(400, 20009)
        served.discord.skip(901)
        served.double.release()
        await served.nothing_left()
        old, new = all_messages(served)
        assert old is asked.original
        assert (new.content, new.title) == (f"<@{served.ann.id}>", "No picture")
        assert list(new.buttons) == ["Again", "Edit", "Delete"]


async def test_where_the_bot_may_not_write_it_is_told_in_one_more_answer() -> None:
    """The message itself was deleted."""
    async with serving() as served:
        asked = await served.hold_one(where=served.discord.channel(has_bot=False))
        served.discord.refuse_files(400, 20009)
        del asked.channel.messages[asked.message.id]
        served.double.release()
        await served.nothing_left()
        (message,) = asked.followups
        assert message.title == "No picture"
        assert "refuses this picture" in about(message)


async def test_a_picture_that_is_refused_in_a_channel_alone_comes_as_a_direct_message() -> None:
    """Where a person takes it, words alone do not stand in for it."""
    async with serving() as served:
        asked = await served.hold_one()
        served.discord.fault("PATCH", "/messages/@original", 403, 50013)
        served.channel.writable = False
        served.double.release()
        await served.nothing_left()
        (message,) = served.discord.direct(served.ann).messages.values()
        assert prompt_of(message.pictures[0]) == "the one that holds"
        assert asked.followups == []


@pytest.mark.parametrize(("prompt", "title"), [("a monkey", "Done"), ("/fail-500", "No picture")])
@pytest.mark.parametrize("code", [50083, 50035])
async def test_a_message_that_takes_no_change_leaves_one_more_answer_as_the_only_way(
    code: int, prompt: str, title: str
) -> None:
    """In an archived thread of a server without the bot, to somebody who takes no direct messages."""
    async with serving() as served:
        served.ann.takes_direct = False
        asked = await served.hold_one(prompt, where=served.discord.channel(has_bot=False))
        served.discord.fault("PATCH", "/messages/@original", 400, code, times=100)
        served.double.release()
        await served.nothing_left()
        (message,) = asked.followups
        assert message.title == title
        assert len(message.pictures) == (title == "Done")


async def test_one_more_answer_brings_words_where_the_message_goes_after_it_refused_the_picture() -> None:
    """It was not asked to take the picture: it would have refused it as well, and left a line behind."""
    async with serving() as served:
        asked = await served.hold_one_by_token()
        served.discord.fault("PATCH", "/messages/@original", 400, 20009)
        served.discord.fault("PATCH", "/messages/@original", 404, 10008, times=100)
        served.double.release()
        await served.nothing_left()
        (message,) = asked.followups
        assert (message.title, about(message)) == ("No picture", "Discord refuses this picture.")


async def test_where_no_refusal_means_the_picture_nothing_is_tried_a_second_time() -> None:
    """A token whose time is over, a server without the bot, no direct messages: words do not help."""
    async with serving() as served:
        asked = await served.hold_one_by_token()
        served.discord.skip(901)
        served.double.release()
        await served.nothing_left()
        refused = [call.code for call in served.discord.calls if call.status >= 400]
        assert sorted(refused) == [50001, 50007, 50027, 50027]
        assert asked.followups == []


async def test_who_shares_no_server_with_the_bot_is_no_word_about_the_picture(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As somebody who has left the only one: Discord has a code of its own for that."""
    async with serving() as served:
        await served.hold_one_by_token()
        served.discord.skip(901)
        direct = served.discord.direct(served.ann)
        served.discord.fault("POST", f"^/channels/{direct.id}/messages", 403, 50278, times=10)
        served.double.release()
        await served.nothing_left()
        refused = [call.code for call in served.discord.calls if call.status >= 400]
        assert sorted(refused) == [50001, 50027, 50027, 50278]
    assert "refuses its files" not in caplog.text


async def test_words_are_tried_where_the_picture_was_refused_and_nowhere_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The old message cannot be changed any more; and the log says why there is no picture."""
    async with serving() as served:
        await served.hold_one()
        served.discord.refuse_files(400, 20009)
        served.discord.skip(901)
        served.double.release()
        await served.nothing_left()
        assert sum(call.code == 50027 for call in served.discord.calls) == 2
        (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert "refuses its files" in warning
        assert "20009" in warning


async def test_a_refused_picture_of_a_long_prompt_leaves_the_prompt_in_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The picture would have told it; so Again can read it there."""
    monkeypatch.setattr(answers, "IN_TIME", 3600.0)
    monkeypatch.setattr(desk, "FETCH_SECONDS", 3600.0)
    async with serving() as served:
        served.discord.refuse_files(400, 20009, named="png")
        message = await served.painted(LONG)
        assert about(message) == "Discord refuses this picture."
        assert list(message.files) == ["prompt.txt"]
        await served.discord.settled(await served.discord.press(served.ann, message, "Again"))
        assert served.prompts == [LONG] * 2


async def test_an_end_without_its_files_needs_no_other_way_than_the_one_that_refused_them() -> None:
    """First the picture, then its prompts as a file; nothing else leads to whoever asked."""
    async with serving() as served:
        served.ann.takes_direct = False
        asked = await served.hold_one(LONG, where=served.discord.channel(has_bot=False))
        served.discord.fault("PATCH", "/messages/@original", 400, 50035)
        served.discord.fault("PATCH", "/messages/@original", 403, 50013)
        served.discord.fault("POST", "^/webhooks/", 404, 10015)
        served.double.release()
        await served.nothing_left()
        assert about(asked.message) == "Discord refuses this picture."
        assert asked.message.files == {}


async def test_an_end_whose_prompts_discord_refuses_as_a_file_is_told_without_them() -> None:
    async with serving() as served:
        served.discord.refuse_files(403, 50013)
        message = await served.painted(f"/fail-500 {LONG}")
        assert message.title == "No picture"
        assert "painting server failed" in about(message)
        assert message.files == {}


async def test_a_preview_that_discord_refuses_does_not_hold_up_what_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No other preview is sent, nor is the server asked for one; the picture may be taken all the same."""
    asked_for = []
    attach = Gateway.attach

    def seen(self: Gateway, id: str, **wishes: bool) -> object:
        asked_for.append(wishes["preview"])
        return attach(self, id, **wishes)

    monkeypatch.setattr(Gateway, "attach", seen)
    async with serving() as served:
        served.discord.refuse_files(400, 20009, named="preview")
        asked = await served.hold_one(steps=20)
        for step in (4, 7):
            served.double.step(3)
            await served.discord.until(lambda step=step: f"step {step} " in asked.message.title)  # type: ignore[misc]
        assert sum(call.code == 20009 for call in served.discord.calls) == 1
        assert asked_for == [True, False]
        served.double.release()
        message = await served.discord.settled(asked)
        assert message.title == "Done"
        assert prompt_of(message.pictures[0]) == "the one that holds"


async def test_progress_and_last_words_of_a_long_prompt_need_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(double=A1111Double(live_previews=False)) as served:
        served.discord.refuse_files(403, 50013)
        asked = await served.hold_one(LONG)
        served.double.step(3)
        await served.discord.until(lambda: "step 4 " in asked.message.title)
        own = screen.Screen(served.bot, await served.ticket(), served.bot.desk.tickets.store)
        await own.say_last_words()
        assert "comes as a new one" in asked.message.title
        served.double.release()


async def test_show_tells_it_in_the_same_words(caplog: pytest.LogCaptureFixture) -> None:
    """It is no fault of ours."""
    async with serving() as served:
        painted = await served.painted()
        id = painted.embed["footer"]["text"].split()[1]
        served.discord.refuse_files(400, 20009)
        shown = await served.discord.command(served.ann, served.channel, "show", job=id)
        await served.discord.until(lambda: shown.original and not shown.original.is_loading)
        assert shown.said == "Discord refuses this picture."
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []
