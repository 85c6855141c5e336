"""/imagine to picture, over real sockets: what people see from the command to the end."""

import pytest

from bot import showing
from tests.doubles.a1111 import A1111Double
from tests.doubles.discord import NotOffered
from tests.doubles.discord_fixture import serving
from tests.doubles.pictures import prompt_of, seed_of


async def test_a_command_becomes_a_picture() -> None:
    """One message: promised, then shown on its way, then the picture with everything about it."""
    async with serving() as served:
        asked = await served.imagine("a monkey with a hat", seed=7, steps=3, negative_prompt="rain")
        message = await served.discord.settled(asked)
        assert message.title == "Done"
        assert message.embed["description"] == "a monkey with a hat"
        assert message.fields["Seed"] == "7"
        assert message.fields["Size"] == "512 x 512"
        assert message.fields["Negative prompt"] == "rain"
        assert message.fields["Model"] == "alpha"
        assert message.fields["Time"].endswith(" s")
        assert list(message.buttons) == ["Again", "Edit", "Delete"]
        (picture,) = message.pictures
        assert prompt_of(picture) == "a monkey with a hat"
        assert seed_of(picture) == 7
        assert asked.answered_after is not None
        assert asked.answered_after < served.discord.answer_seconds
        assert len(served.channel.messages) == 1


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages may change as often as anything happens."""
    monkeypatch.setattr(showing, "EVERY", 0.02)


@pytest.mark.usefixtures("brisk")
async def test_the_message_lives() -> None:
    """Its place in the queue, then a bar with the growing picture, then the picture alone."""
    async with serving() as served:
        holding = await served.hold_one()
        asked = await served.imagine("the second", steps=4)
        await served.discord.until(lambda: asked.original and asked.original.title.startswith("Next in line"))
        third = await served.imagine("the third")
        await served.discord.until(lambda: third.original and "1 ahead" in third.original.title)
        assert list(third.message.buttons) == ["Cancel"]
        assert third.message.embed["footer"]["text"].startswith("job ")
        served.double.step(2)
        await served.discord.until(lambda: holding.message.files and "▰" in holding.message.title)
        assert holding.message.embed["image"]["url"].rpartition("/")[2].startswith("preview.")
        served.double.step(2)
        await served.discord.until(lambda: "step 5" in holding.message.title)
        assert len(holding.message.files) == 1, "a preview takes the place of the one before"
        served.double.release()
        await served.discord.settled(holding)
        assert len(holding.message.files) == 1
        assert prompt_of(holding.message.pictures[0]) == "the one that holds"
        await served.discord.settled(third)


@pytest.mark.slow
async def test_the_message_changes_at_most_every_two_and_a_half_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever happens in between is shown as it is then; the end comes at once."""
    assert showing.EVERY == 2.5
    monkeypatch.setattr(showing, "EVERY", 3600.0)  # no machine takes so long for a painting
    async with serving(double=A1111Double(step_seconds=0.02)) as served:
        asked = await served.imagine(steps=60)
        message = await served.discord.settled(asked)
        assert message.edits == 2, message.seen


async def test_previews_can_be_turned_off(brisk: None) -> None:
    async with serving(discord_previews=False) as served:
        asked = await served.hold_one()
        served.double.step(3)
        await served.discord.until(lambda: "▰" in asked.message.title)
        assert not asked.message.files
        assert served.double.previews == 0
        served.double.release()
        await served.discord.settled(asked)


async def test_all_options_reach_the_server() -> None:
    async with serving() as served:
        await served.painted(
            "a monkey",
            steps=5,
            size="512x768",
            cfg_scale=4.5,
            sampler="Euler a",
            model="beta",
            seed=9,
            count=2,
        )
        (request,) = served.double.txt2img_requests
        chosen = {"steps": 5, "width": 512, "height": 768, "cfg_scale": 4.5, "seed": 9, "batch_size": 2}
        assert chosen.items() <= request.items()
        assert request["sampler_name"] == "Euler a"
        assert served.double.loaded == "beta"


async def test_several_pictures_come_in_one_message() -> None:
    async with serving() as served:
        message = await served.painted(count=3)
        assert len(message.pictures) == 3
        assert [embed["image"]["url"] for embed in message.embeds] == [
            file.url for file in message.files.values()
        ]


async def test_ranges_and_choices_are_the_deployments_own() -> None:
    """Discord itself lets nobody go beyond them."""
    async with serving(max_steps=30, max_batch=2, max_prompt=50, max_pixels=512 * 512) as served:
        for options in (
            {"steps": 31},
            {"steps": 0},
            {"count": 3},
            {"cfg_scale": 31.0},
            {"seed": -2},
            {"width": 8},
            {"prompt": "x" * 51},
            {"negative_prompt": "x" * 51},
            {"size": "1024x1024"},
            {"spoiler": "yes"},
        ):
            with pytest.raises(NotOffered):
                await served.imagine(**options)


async def test_samplers_and_models_complete_themselves() -> None:
    async with serving() as served:
        asked = await served.discord.type(served.ann, served.channel, "imagine", "sampler", "euler")
        await served.discord.answered(asked)
        assert asked.answer is not None
        assert [each["value"] for each in asked.answer["data"]["choices"]] == ["Euler", "Euler a"]
        asked = await served.discord.type(served.ann, served.channel, "imagine", "model", "")
        await served.discord.answered(asked)
        assert asked.answer is not None
        assert [each["value"] for each in asked.answer["data"]["choices"]] == ["alpha", "beta"]


async def test_a_suggestion_that_another_replica_made_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as served:
        discord = served.discord
        discord.fault("POST", "/callback", 400, 40060, times=2)
        for _ in range(2):
            await discord.type(served.ann, served.channel, "imagine", "sampler", "euler")
            await discord.until(lambda: discord.count("POST", "/callback") >= len(discord.asked))
        await served.painted()
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_prompt_is_shown_as_it_is_and_pings_nobody() -> None:
    async with serving() as served:
        message = await served.painted("*loud* @everyone <@1>")
        assert message.embed["description"] == r"\*loud\* \@everyone \<\@1\>"
        assert message.mentions == {"parse": []}


async def test_a_spoiler_is_hidden_and_has_no_preview(brisk: None) -> None:
    async with serving() as served:
        asked = await served.hold_one(spoiler=True)
        served.double.step(3)
        await served.discord.until(lambda: "▰" in asked.message.title)
        assert not asked.message.files
        served.double.release()
        message = await served.discord.settled(asked)
        (name,) = message.files
        assert name.startswith("SPOILER_")
        assert "image" not in message.embed, "a picture in an embed is never hidden"


async def test_channels_that_are_not_age_restricted_get_spoilers_where_that_is_set() -> None:
    async with serving(discord_spoiler=True) as served:
        restricted = served.discord.channel(nsfw=True)
        assert next(iter((await served.painted()).files)).startswith("SPOILER_")
        shown = await served.discord.settled(await served.imagine(where=restricted))
        assert not next(iter(shown.files)).startswith("SPOILER_")


async def test_it_speaks_the_callers_language() -> None:
    async with serving() as served:
        bernd = served.discord.person("bernd", "de")
        message = await served.discord.until_buttons(await served.imagine(by=bernd), "Nochmal")
        assert message.title == "Fertig"
        assert message.fields["Schritte"] == "20"
        names = {each["name"]: each["name_localizations"] for each in served.discord.commands}
        assert names["imagine"]["de"] == "bild"
        assert names["Show parameters"]["de"] == "Parameter zeigen"


async def test_it_works_in_direct_messages_groups_threads_and_servers_without_the_bot() -> None:
    async with serving() as served:
        places = [
            served.discord.direct(served.ann),
            served.discord.group(served.ann),
            served.discord.thread(served.channel),
            served.discord.channel(has_bot=False),
        ]
        for place in places:
            message = await served.discord.settled(await served.imagine(where=place))
            assert message.channel is place
            assert message.pictures


async def test_a_server_that_fails_is_told_in_the_message_and_again_paints_it() -> None:
    async with serving() as served:
        message = await served.painted("/fail-500")
        assert message.title == "No picture"
        assert message.embed["author"]["name"].startswith("The painting server failed: RuntimeError")
        assert list(message.buttons) == ["Again", "Edit", "Delete"]


async def test_one_person_is_one_caller_everywhere() -> None:
    """In a server and in direct messages: who asks often and who asks once take turns."""
    async with serving() as served:
        await served.hold_one("first")
        for where in (served.channel, served.discord.direct(served.ann), served.discord.channel()):
            asked = await served.imagine(f"ann in {where.kind}", where=where)
            await served.shown(asked)
        bernd = await served.imagine("bernd's", by=served.discord.person("bernd"))
        await served.discord.until(lambda: bernd.original and bernd.original.embeds)
        served.double.release()
        await served.discord.settled(bernd)
        await served.discord.until(lambda: served.discord.pictures == 5)
        assert served.prompts.index("bernd's") <= 2
