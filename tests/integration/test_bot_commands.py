"""/queue, /show and the message menu, and who is told what."""

import asyncio
from typing import Any

import msgspec
import pytest

from bot import commands, results
from core.coordination.memory import MemoryCoordination
from tests.doubles.discord import Asked, Message, User
from tests.doubles.discord_fixture import Served, serving
from tests.doubles.pictures import parameters_of, png


async def command(served: Served, name: str, **options: object) -> Asked:
    return await served.discord.answered(
        await served.discord.command(served.ann, served.channel, name, **options)
    )


async def finished(served: Served, asked: Asked) -> Message:
    """The private message, once it is no longer a promise."""
    await served.discord.until(lambda: asked.original and not asked.original.is_loading)
    assert asked.message.is_private
    return asked.message


@pytest.mark.parametrize("new", ["a command", "an option", "an entry of the menu", "an entry point"])
async def test_what_only_a_newer_replica_knows_is_left_to_it(
    new: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It has given its commands to Discord, and the others are yet to be replaced."""
    async with serving() as served:
        discord = served.discord
        option = {"name": "style", "type": 3, "description": "How"}
        if new == "an option":
            (imagine,) = [each for each in discord.commands if each["name"] == "imagine"]
            imagine["options"] = [*imagine["options"], option]
            asked = await served.imagine(style="oil")
        elif new == "a command":
            discord.commands.append({"id": "7", "name": "styles", "type": 1, "options": [option]})
            asked = await discord.command(served.ann, served.channel, "styles", style="oil")
        elif new == "an entry point":
            asked = discord._ask(2, served.ann, served.channel, {"id": "7", "name": "launch", "type": 4})
        else:
            discord.commands.append({"id": "7", "name": "Upscale", "type": 3})
            message = discord.write(served.channel, by=served.ann)
            asked = await discord.menu(served.ann, message, "Upscale")
        await served.painted()
        assert await served.gateway.coordination.claim(f"discord:{asked.id}:0", "a newer one", ttl=60)
        assert asked.answer is None
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_queue_shows_ones_own_jobs_and_never_another_ones_prompt() -> None:
    async with serving() as served:
        bernd = served.discord.person("bernd")
        await served.hold_one("bernd's secret", by=bernd)
        waits = await served.imagine("mine")
        await served.discord.until(lambda: waits.original and waits.original.embeds)
        shown = await finished(served, await command(served, "queue"))
        text = str(shown.embeds)
        assert "**mine**" in text
        assert "Next in line" in text
        assert "secret" not in text
        assert "Server 1: painting" in text
        assert "127.0.0.1" not in text, "addresses are nobody's business"
        assert "1 waiting and 1 running" in text


async def test_queue_says_how_many_jobs_it_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.commands.SHOWN_JOBS", 1)
    async with serving() as served:
        holds = await served.hold_one("the first")
        waits = [await served.imagine(f"another {number}") for number in range(2)]
        for asked in waits:
            await served.shown(asked)
        shown = await finished(served, await command(served, "queue"))
        assert "**the first**" in shown.embed["description"]
        assert shown.embed["description"].endswith("\nand 2 more")
        assert list(shown.buttons) == ["Cancel 1"]
        served.double.release()
        for asked in (holds, *waits):
            await served.discord.settled(asked)


async def test_queue_cancels_a_job_whose_message_is_gone() -> None:
    async with serving() as served:
        holds = await served.hold_one("the first")
        waits = await served.imagine("the second")
        await served.shown(waits)
        del served.channel.messages[waits.message.id]
        shown = await finished(served, await command(served, "queue"))
        lines = shown.embed["description"].splitlines()
        (number,) = [line[0] for line in lines if "the second" in line]
        assert list(shown.buttons) == ["Cancel 1", "Cancel 2"]
        await served.discord.answered(await served.discord.press(served.ann, shown, f"Cancel {number}"))
        served.double.release()
        await served.discord.settled(holds)
        await served.nothing_left()
        assert served.prompts == ["the first"]
        gone = await served.discord.press(served.ann, shown, f"Cancel {number}")
        await served.discord.answered(gone)
        assert "ended" in gone.said


async def test_queue_says_of_a_job_that_is_gone_that_there_is_none() -> None:
    """Its answer is about several jobs: it does not turn into the message of one that was lost."""
    async with serving(result_ttl=0.01) as served:
        holds = await served.hold_one()
        job = (await served.ticket()).job
        shown = await finished(served, await command(served, "queue"))
        served.double.release()
        await served.discord.settled(holds)
        await served.nothing_left()
        await served.result_gone(job)
        gone = await served.discord.press(served.ann, shown, "Cancel 1")
        await served.discord.answered(gone)
        assert "no job with this id" in gone.said
        assert shown.embed["title"] == "Your jobs"


async def test_queue_leaves_out_what_only_a_newer_replica_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tickets hold what may be asked for there; the others' jobs are told all the same."""
    monkeypatch.setattr("bot.deliveries.SCAN", 0.02)
    async with serving() as served:
        asked = await served.hold_one()
        own = await served.ticket()
        newer = msgspec.structs.replace(
            own, interaction=7, job="f" * 32, fields={**own.fields, "style": "oil"}
        )
        await served.bot.desk.tickets.store(newer)
        shown = await finished(served, await command(served, "queue"))
        assert list(shown.buttons) == ["Cancel 1"]
        served.double.release()
        await served.discord.settled(asked)
        await served.at_most_left(1)
        assert await served.gateway.coordination.hold(f"discord:lease:{newer.name}", "a newer one", ttl=60)


async def test_queue_says_that_there_is_nothing() -> None:
    async with serving() as served:
        shown = await finished(served, await command(served, "queue"))
        assert "no job" in shown.embed["description"]
        assert "idle" in str(shown.embed["fields"])


async def test_show_fetches_a_result_by_its_id() -> None:
    async with serving() as served:
        message = await served.painted("a monkey", seed=7, cfg_scale=4.0, steps=3, negative_prompt="rain")
        id = message.embed["footer"]["text"].split()[1]
        shown = await finished(served, await command(served, "show", job=id))
        assert shown.pictures == message.pictures
        assert shown.embed["description"] == "a monkey"
        assert shown.fields == {**message.fields, "Time": shown.fields["Time"]}


async def test_show_keeps_a_spoiler_hidden_and_makes_it_as_small_as_discord_wants_it() -> None:
    """413 although the interaction promised more; and the buttons know of the spoiler."""
    async with serving() as served:
        message = await served.painted("/kb-450", spoiler=True)
        id = message.embed["footer"]["text"].split()[1]
        served.discord.real_limit = 200_000
        shown = await finished(served, await command(served, "show", job=id))
        (name,) = shown.files
        assert name.startswith("SPOILER_")
        assert "image" not in shown.embed
        assert sum(map(len, shown.pictures)) <= 200_000
        assert all(button.endswith(":hidden") for button in shown.buttons.values())


async def test_show_keeps_a_spoiler_hidden_for_as_long_as_there_is_a_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = {}
    put = MemoryCoordination.put

    async def seen(self: MemoryCoordination, kind: str, name: str, value: bytes, *, ttl: float) -> None:
        kept[kind] = ttl
        await put(self, kind, name, value, ttl=ttl)

    monkeypatch.setattr(MemoryCoordination, "put", seen)
    async with serving(result_ttl=1_000_000.0) as served:
        await served.painted(spoiler=True)
    assert kept["discord:hidden"] >= 1_000_000 + kept["discord:ticket"]


async def test_show_fetches_one_result_at_a_time_for_each_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its pictures in memory, and two threads pack them: also those that others wait for."""
    async with serving() as served:
        message = await served.painted()
        id = message.embed["footer"]["text"].split()[1]
        go_on, show_result = asyncio.Event(), results.show_result

        async def held(*arguments: Any) -> None:
            await go_on.wait()
            await show_result(*arguments)

        monkeypatch.setattr(commands, "show_result", held)

        async def ask(person: User) -> Asked:
            asked = await served.discord.command(person, served.channel, "show", job=id)
            return await served.discord.answered(asked)

        first, refused = await ask(served.ann), await ask(served.ann)
        other = await ask(served.discord.person())
        assert "too fast" in refused.said
        go_on.set()
        for asked in (first, other):
            assert (await finished(served, asked)).pictures == message.pictures
        async with asyncio.timeout(10):
            while "too fast" in (await ask(served.ann)).said:  # the bot may not know yet that it is done
                pass


@pytest.mark.parametrize("gone", ["the answer", "its channel", "the 15 minutes"])
async def test_show_is_no_fault_where_its_answer_is_gone_before_the_picture_comes(
    gone: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever asked has put it away, a thread was deleted: nothing is to be told, and nobody is to blame."""
    caplog.set_level("INFO")
    async with serving() as served:
        message = await served.painted()
        go_on, show_result = asyncio.Event(), results.show_result

        async def held(*arguments: Any) -> None:
            await go_on.wait()
            await show_result(*arguments)

        monkeypatch.setattr(commands, "show_result", held)
        asked = await command(served, "show", job=message.embed["footer"]["text"].split()[1])
        if gone == "the answer":
            del asked.channel.messages[asked.message.id]
        elif gone == "its channel":
            asked.channel.exists = False
        else:
            served.discord.skip(901)
        go_on.set()
        async with asyncio.timeout(10):
            while "could not be answered" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert asked.followups == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_show_says_what_is_not_there_or_not_finished() -> None:
    async with serving() as served:
        asked = await finished(served, await command(served, "show", job="0" * 32))
        assert "no job with this id" in asked.content
        holding = await served.hold_one()
        id = holding.message.embed["footer"]["text"].split()[1]
        asked = await finished(served, await command(served, "show", job=id))
        assert "not finished" in asked.content
        await served.gateway.cancel(id, __import__("core").Caller(f"discord:{served.ann.id}"))
        await served.discord.settled(holding)
        asked = await finished(served, await command(served, "show", job=id))
        assert asked.content == "Cancelled"


async def test_show_parameters_reads_a_picture_that_an_embed_shows() -> None:
    """Such a picture is absent from the message's attachments."""
    async with serving() as served:
        message = await served.painted("a monkey", seed=7)
        assert message.words["attachments"] == []
        asked = await served.discord.menu(served.discord.person("bernd"), message, "Show parameters")
        shown = await finished(served, await served.discord.answered(asked))
        plain = shown.embed["description"].replace("\\", "")
        assert plain == parameters_of(message.pictures[0])


async def test_show_parameters_reads_any_png_and_several() -> None:
    async with serving() as served:
        pictures = {"one__png": png(8, 8, "first\nSteps: 1"), "two__png": png(8, 8, "second\nSteps: 2")}
        message = served.discord.write(served.channel, by=served.ann, **pictures)
        asked = await served.discord.menu(served.ann, message, "Show parameters")
        shown = await finished(served, await served.discord.answered(asked))
        assert [embed["description"].split("\n")[0] for embed in shown.embeds] == ["first", "second"]


async def test_show_parameters_reads_a_picture_that_was_forwarded() -> None:
    async with serving() as served:
        forward = served.discord.write(served.discord.channel(), by=served.ann)
        for original in (
            await served.painted("shown by an embed"),
            served.discord.write(served.channel, by=served.ann, a__png=png(8, 8, "attached\nSteps: 1")),
        ):
            forward.forwarded = original
            asked = await served.discord.menu(served.ann, forward, "Show parameters")
            shown = await finished(served, await served.discord.answered(asked))
            assert shown.embed["description"].split("\n")[0] in {"shown by an embed", "attached"}


async def test_show_parameters_reads_one_message_at_a_time_for_each_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two pictures are read at once for everybody: else who asks for many keeps all others waiting."""
    async with serving() as served:
        message = served.discord.write(served.channel, by=served.ann, a__png=png(8, 8, "a cat\nSteps: 1"))
        go_on, fetch = asyncio.Event(), served.bot.desk.downloads.fetch

        async def held(url: str) -> bytes | None:
            await go_on.wait()
            return await fetch(url)

        monkeypatch.setattr(served.bot.desk.downloads, "fetch", held)

        async def ask(person: User) -> Asked:
            asked = await served.discord.menu(person, message, "Show parameters")
            return await served.discord.answered(asked)

        first, refused = await ask(served.ann), await ask(served.ann)
        other = await ask(served.discord.person())
        assert "too fast" in refused.said
        assert refused.message.is_private
        go_on.set()
        for asked in (first, other):
            shown = await finished(served, asked)
            assert shown.embed["description"].startswith("a cat")
        async with asyncio.timeout(10):
            while "too fast" in (await ask(served.ann)).said:  # the bot may not know yet that it is done
                pass


@pytest.mark.parametrize(
    "files",
    [{}, {"a__png": b"no picture"}, {"a__txt": b"text"}, {"a__png": png(8, 8, " \n")}],
    ids=["none", "no picture", "text", "blanks"],
)
async def test_show_parameters_says_that_there_are_none(files: dict[str, bytes]) -> None:
    async with serving() as served:
        message = served.discord.write(served.channel, by=served.ann, **files)
        asked = await served.discord.menu(served.ann, message, "Show parameters")
        shown = await finished(served, await served.discord.answered(asked))
        assert "no picture" in shown.content


async def test_show_parameters_shows_no_blanks_before_what_a_picture_tells() -> None:
    """Where there is room for nothing else Discord takes no such answer."""
    async with serving() as served:
        picture = png(8, 8, " \n" * 4000 + "Steps: 1")
        message = served.discord.write(served.channel, by=served.ann, a__png=picture)
        asked = await served.discord.menu(served.ann, message, "Show parameters")
        shown = await finished(served, await served.discord.answered(asked))
        assert shown.embed["description"] == r"Steps\: 1"


async def test_pictures_elsewhere_are_not_fetched() -> None:
    """An embed may name any address, also one inside our own network."""
    async with serving() as served:
        message = served.discord.write(served.channel, by=served.ann)
        message.embeds = [{"type": "rich", "image": {"url": served.double.url + "/secret.png"}}]
        before = len(served.double.calls)
        asked = await served.discord.menu(served.ann, message, "Show parameters")
        shown = await finished(served, await served.discord.answered(asked))
        assert "could not be fetched" in shown.content
        assert [call.path for call in served.double.calls[before:] if "secret" in call.path] == []
