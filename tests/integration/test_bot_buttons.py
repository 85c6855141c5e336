"""Buttons: what each one does, who may press it, and that they outlive the bot."""

import asyncio
from unittest.mock import Mock

import pytest

from bot import answers, desk, showing
from bot.client import listen
from core import Caller, QueueUnavailable, connect
from tests.doubles.a1111 import A1111Double
from tests.doubles.discord import MANAGE_MESSAGES, Asked, Message
from tests.doubles.discord_fixture import Served, serving, settings_of
from tests.doubles.pictures import prompt_of


async def press(served: Served, message: Message, label: str, **by: object) -> Asked:
    asked = await served.discord.press(by.get("by", served.ann), message, label)  # type: ignore[arg-type]
    return await served.discord.answered(asked)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """To read what stands below a message may take as long as this machine does."""
    monkeypatch.setattr(answers, "IN_TIME", 3600.0)
    monkeypatch.setattr(desk, "FETCH_SECONDS", 3600.0)


async def test_cancel_ends_a_job_that_waits_and_no_other() -> None:
    async with serving() as served:
        holding = await served.hold_one()
        waits = await served.imagine("waits")
        await served.discord.until(lambda: waits.original and waits.original.buttons)
        await press(served, waits.message, "Cancel")
        await served.discord.settled(waits)
        assert waits.message.title == "Cancelled"
        served.double.release()
        assert (await served.discord.settled(holding)).title == "Done"
        assert served.prompts == ["the one that holds"]
        assert served.double.interrupts == []


async def test_cancel_ends_a_job_that_runs() -> None:
    async with serving() as served:
        asked = await served.hold_one()
        await press(served, asked.message, "Cancel")
        await served.discord.settled(asked)
        assert asked.message.title == "Cancelled"
        await served.double.until(lambda: served.double.interrupts)


async def test_strangers_may_not_cancel_or_delete_and_moderators_may() -> None:
    async with serving() as served:
        bernd = served.discord.person("bernd", "de")
        asked = await served.hold_one()
        stranger = await press(served, asked.message, "Cancel", by=bernd)
        assert "Moderator" in stranger.said
        guild = served.channel.guild
        assert guild is not None
        guild.permissions[bernd.id] = MANAGE_MESSAGES
        await press(served, asked.message, "Cancel", by=bernd)
        await served.discord.settled(asked)
        guild.permissions.clear()
        stranger = await press(served, asked.message, "Delete", by=bernd)
        assert "Moderator" in stranger.said
        assert asked.message.id in served.channel.messages
        guild.permissions[bernd.id] = MANAGE_MESSAGES
        await press(served, asked.message, "Delete", by=bernd)
        await served.discord.until(lambda: asked.message.id not in served.channel.messages)


async def test_delete_by_the_owner_also_where_the_bot_is_not() -> None:
    async with serving() as served:
        asked = await served.imagine(where=served.discord.channel(has_bot=False))
        message = await served.discord.settled(asked)
        await press(served, message, "Delete")
        await served.discord.until(lambda: message.id not in message.channel.messages)


async def test_delete_of_what_is_gone_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """Pressed twice, or a moderator was faster."""
    async with serving() as served:
        message = await served.painted()
        served.discord.fault("DELETE", "/webhooks/", 404, 10008)
        pressed = await press(served, message, "Delete")
        await served.discord.until(lambda: served.discord.count("DELETE", "/webhooks/"))
        await served.painted()
        assert pressed.followups == []
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_again_paints_the_same_with_another_seed_in_a_message_of_its_own() -> None:
    async with serving() as served:
        first = await served.painted("a monkey", seed=7, steps=3, model="beta", negative_prompt="rain")
        before = dict(first.fields), first.pictures
        pressed = await served.discord.press(served.discord.person("bernd"), first, "Again")
        second = await served.discord.settled(pressed)
        assert second is not first
        assert (first.fields, first.pictures) == before
        one, two = served.double.txt2img_requests
        changed = {name for name in one if one[name] != two[name]}
        assert changed <= {"seed", "force_task_id"}
        assert "seed" in changed


@pytest.mark.parametrize("prompt", ["/fail-500", "a monkey"])
async def test_again_and_edit_of_a_spoiler_are_spoilers_also_where_it_never_came_to_a_picture(
    prompt: str,
) -> None:
    async with serving() as served:
        first = await served.painted(prompt, spoiler=True)
        form = await press(served, first, "Edit")
        for asked in (
            await served.discord.fill(form, prompt="a cat"),
            await served.discord.press(served.ann, first, "Again"),
        ):
            second = await served.discord.settled(asked)
            assert all(name.startswith("SPOILER_") for name in second.files)
            assert "image" not in second.embed
        shown = await served.painted("a cat")
        assert not next(iter(shown.files)).startswith("SPOILER_")


async def test_edit_asks_with_the_fields_filled_in_and_paints_what_was_changed() -> None:
    async with serving() as served:
        first = await served.painted("a *monkey*", seed=7, steps=3, negative_prompt="rain", model="beta")
        form = await press(served, first, "Edit")
        assert form.answer is not None
        values = {
            row["components"][0]["custom_id"]: row["components"][0].get("value")
            for row in form.answer["data"]["components"]
        }
        assert values == {"prompt": "a *monkey*", "negative_prompt": "rain", "seed": "7"}
        sent = await served.discord.fill(form, prompt="a cat", negative_prompt="")
        second = await served.discord.settled(sent)
        assert prompt_of(second.pictures[0]) == "a cat"
        _, request = served.double.txt2img_requests
        assert (request["seed"], request["steps"], request["negative_prompt"]) == (7, 3, "")
        assert served.double.loaded == "beta"


@pytest.mark.parametrize(
    ("models", "samplers", "chosen"),
    [
        (("gamma",), ("Heun",), ("gamma", None)),
        (("gamma", "beta"), ("Heun",), ("beta", None)),
        (("gamma",), ("Heun", "euler a"), ("gamma", "euler a")),
        (("gamma",), (), ("gamma", "Euler a")),
    ],
)
async def test_again_and_edit_leave_to_the_server_what_none_has_any_more(
    models: tuple[str, ...], samplers: tuple[str, ...], chosen: tuple[str, str | None]
) -> None:
    """As the model of the demo, once a real server is there: the message names it, nobody had chosen it."""
    async with serving() as served, A1111Double(models=models, samplers=samplers) as other:
        first = await served.painted("a monkey", model="beta", sampler="Euler a", steps=3)
        await served.bot.close()
        served.discord.gateway.identifies.clear()  # five seconds are over
        settings = settings_of(served.discord, other)
        async with connect(settings) as gateway, listen(gateway, settings):
            await served.discord.ready()
            again = await served.discord.press(served.ann, first, "Again")
            assert (await served.discord.settled(again)).title == "Done"
            form = await press(served, first, "Edit")
            edited = await served.discord.fill(form, prompt="a cat")
            assert (await served.discord.settled(edited)).title == "Done"
    for request in other.txt2img_requests:
        assert (other.loaded, request.get("sampler_name")) == chosen
        assert request["steps"] == 3


@pytest.mark.parametrize("seed", ["x", "-2", "4294967296", "1.5"])
async def test_a_form_with_a_wrong_seed_is_refused_to_the_caller_alone(seed: str) -> None:
    async with serving() as served:
        form = await press(served, await served.painted(), "Edit")
        sent = await served.discord.answered(await served.discord.fill(form, seed=seed))
        assert "whole number" in sent.said


@pytest.mark.usefixtures("patient")
async def test_a_prompt_too_long_for_a_message_is_read_from_the_picture() -> None:
    async with serving() as served:
        first = await served.painted("monkey " * 500 + "*" * 400)
        assert len(first.embed["description"]) < 3900
        await served.discord.settled(await served.discord.press(served.ann, first, "Again"))
        assert len(set(served.prompts)) == 1
        assert len(served.prompts) == 2


async def hang(url: str) -> None:
    await asyncio.Future()


async def test_a_picture_that_does_not_come_is_not_waited_for_beyond_the_answers_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who took over late has little of it left."""
    monkeypatch.setattr(answers, "IN_TIME", 0.1)
    monkeypatch.setattr(desk, "FETCH_SECONDS", 3600.0)
    async with serving() as served:
        first = await served.painted("monkey " * 500 + "*" * 400)
        monkeypatch.setattr(served.bot.desk.downloads, "fetch", hang)
        again = await press(served, first, "Again")
        assert "could not be fetched" in again.said


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
async def test_prompts_too_long_for_a_message_without_a_picture_stand_in_a_file_below_it() -> None:
    """Also of a message whose job is gone."""
    prompts = {"prompt": "/fail-500 " + "monkey " * 500 + "*" * 400, "negative_prompt": "rain " * 300}
    async with serving() as served:
        failed = await served.painted(**prompts)
        assert failed.title == "No picture"
        assert await served.discord.settled(await served.discord.press(served.ann, failed, "Again"))
        one, two = served.double.txt2img_requests
        assert (two["prompt"], two["negative_prompt"]) == (one["prompt"], one["negative_prompt"])
        assert one["prompt"] == prompts["prompt"].strip()
        failed.components[0]["components"][0] |= {
            "label": "Cancel",
            "custom_id": f"sd:cancel:{served.ann.id}:{'0' * 32}",
        }
        await press(served, failed, "Cancel")
        assert failed.title == "This job is gone"
        await served.discord.settled(await served.discord.press(served.ann, failed, "Again"))
        assert served.prompts[2] == served.prompts[0]


@pytest.mark.usefixtures("patient")
async def test_a_prompt_too_long_for_a_form_is_not_cut_by_it() -> None:
    """A field holds 4000 characters. Again takes it all."""
    prompt = "monkey " * 600
    async with serving(max_prompt=6000) as served:
        first = await served.painted(prompt)
        edit = await press(served, first, "Edit")
        assert "too long for this button" in edit.said
        await served.discord.settled(await served.discord.press(served.ann, first, "Again"))
        assert served.prompts[0] == served.prompts[1]


async def test_buttons_answer_after_a_restart_and_again_works_on_a_job_long_gone() -> None:
    """Nothing of the first bot is left: its queue was in memory."""
    async with serving() as served:
        first = await served.painted("a monkey", steps=3)
        served.double.hold(at=1)
        lost = await served.imagine("lost", steps=4)
        await served.discord.until(lambda: lost.original and "Cancel" in lost.original.buttons)
        await served.bot.close()
        served.discord.gateway.identifies.clear()  # five seconds are over
        async with connect(served.settings) as gateway, listen(gateway, served.settings):
            await served.discord.ready()
            served.double.release()
            asked = await served.discord.press(served.ann, first, "Again")
            assert (await served.discord.settled(asked)).title == "Done"
            cancel = await press(served, lost.message, "Cancel")
            assert cancel.message is lost.message
            assert lost.message.title == "This job is gone"
            again = await served.discord.press(served.ann, lost.message, "Again")
            assert prompt_of((await served.discord.settled(again)).pictures[0]) == "lost"


async def test_cancel_of_a_job_that_has_just_ended_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as served:
        asked = await served.hold_one()
        served.discord.fault("PATCH", "/webhooks/", 429, times=1, retry_after=1.0)
        served.double.release()
        await served.discord.until(lambda: served.discord.count("PATCH", "/webhooks/") > 1)
        late = await press(served, asked.message, "Cancel")
        assert "ended before" in late.said
        await served.discord.settled(asked)


@pytest.mark.parametrize("prompt", ["the one that holds", "monkey " * 500 + "*" * 400])
@pytest.mark.usefixtures("patient")
async def test_a_message_whose_picture_came_as_a_new_one_says_that_it_has_ended_when_its_cancel_is_pressed(
    prompt: str,
) -> None:
    """After the 15 minutes it could not be changed; a press lets it be once more."""
    async with serving() as served:
        asked = await served.hold_one(prompt.strip())
        served.discord.skip(901)
        served.double.release()
        await served.nothing_left()
        pressed = await press(served, asked.message, "Cancel")
        assert pressed.message is asked.message
        assert asked.message.title == "This job has ended"
        assert "/show fetches it" in asked.message.embed["author"]["name"]
        assert list(asked.message.buttons) == ["Again", "Edit", "Delete"]
        await served.discord.settled(await served.discord.press(served.ann, asked.message, "Again"))
        assert served.prompts == [prompt.strip()] * 2


async def test_cancel_of_a_job_that_is_yet_to_be_put_into_the_queue_does_not_say_that_it_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As while the queue is away, or came back without it: whoever follows it has it painted all the same."""
    monkeypatch.setattr(showing, "AWAY", 0.02)
    async with serving() as served:
        with monkeypatch.context() as away:
            away.setattr(served.gateway, "submit", Mock(side_effect=QueueUnavailable("away")))
            asked = await served.discord.answered(await served.imagine())
            listed = await served.discord.command(served.ann, served.channel, "queue")
            await served.discord.until(lambda: listed.original and listed.original.buttons)
            pressed = await press(served, listed.message, "Cancel 1")
        assert "queue is away" in pressed.said
        assert (await served.discord.settled(asked)).title == "Done"


async def test_an_old_message_whose_cancel_still_cancels_keeps_no_cancel_either() -> None:
    """Who follows the job tells its end in a new message; here nobody else changes anything."""
    async with serving() as served:
        asked = await served.hold_one()
        served.discord.skip(901)
        await press(served, asked.message, "Cancel")
        await served.nothing_left()
        assert asked.message.title == "This job has ended"
        assert list(asked.message.buttons) == ["Again", "Edit", "Delete"]
        assert [message.title for message in served.channel.messages.values()][1:] == ["Cancelled"]


async def test_what_an_old_message_says_of_its_end_is_true_where_nothing_could_be_sent() -> None:
    """In a server without the bot, to somebody who takes no direct messages: /show brings it."""
    async with serving() as served:
        asked = await served.hold_one_by_token()
        served.discord.skip(901)
        served.double.release()
        await served.nothing_left()
        await press(served, asked.message, "Cancel")
        assert "new message" not in asked.message.embed["author"]["name"]
        id = asked.message.embed["footer"]["text"].split()[1]
        shown = await served.discord.command(served.ann, asked.channel, "show", job=id)
        await served.discord.until(lambda: shown.original and shown.original.pictures)


async def test_an_old_message_whose_embeds_a_moderator_removed_says_that_its_job_had_ended() -> None:
    """There are no words left to rewrite."""
    async with serving() as served:
        asked = await served.hold_one()
        served.discord.skip(901)
        served.double.release()
        await served.nothing_left()
        asked.message.embeds = []
        late = await press(served, asked.message, "Cancel")
        assert "ended before" in late.said


async def test_the_cancel_of_a_list_of_jobs_rewrites_no_list() -> None:
    """It stands below /queue, which the caller alone sees, and which tells of other jobs as well."""
    async with serving() as served:
        await served.hold_one()
        listed = await served.discord.command(served.ann, served.channel, "queue")
        await served.discord.until(lambda: listed.original and listed.original.buttons)
        served.discord.skip(901)
        served.double.release()
        await served.nothing_left()
        late = await press(served, listed.message, next(iter(listed.message.buttons)))
        assert "ended before" in late.said


@pytest.mark.parametrize("button", ["Again", "Edit"])
async def test_a_message_whose_embeds_a_moderator_removed_cannot_be_read(button: str) -> None:
    """Nobody is told that his prompt is too long."""
    async with serving() as served:
        message = await served.painted()
        message.embeds = []
        pressed = await press(served, message, button)
        assert "could not be fetched" in pressed.said


async def test_cancel_that_another_replica_heard_first_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has cancelled, and is slow to say so: this one looks again meanwhile, and answers first."""
    monkeypatch.setattr(answers, "LOOK_AGAIN", 0.02)
    async with serving() as served:
        asked = await served.hold_one()
        claim, job = served.gateway.coordination.claim, (await served.ticket()).job

        async def another_first(name: str, owner: str, *, ttl: float) -> bool:
            if await claim(name, "another", ttl=ttl) and name.endswith(":0"):
                assert await served.gateway.cancel(job, Caller(f"discord:{served.ann.id}"))
                return False
            return True

        with monkeypatch.context() as patch:
            patch.setattr(served.gateway.coordination, "claim", another_first)
            pressed = await press(served, asked.message, "Cancel")
        assert pressed.message is asked.message
        assert pressed.followups == []
        assert (await served.discord.settled(asked)).title == "Cancelled"


async def test_cancel_that_all_replicas_obey_since_none_can_ask_the_others_is_no_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As while Valkey's memory is full, where a job can be cancelled all the same."""
    async with serving() as served:
        asked = await served.hold_one()
        job = (await served.ticket()).job

        async def full(name: str, owner: str, *, ttl: float) -> bool:
            assert await served.gateway.cancel(job, Caller(f"discord:{served.ann.id}"))
            raise QueueUnavailable("full")

        with monkeypatch.context() as patch:
            patch.setattr(served.gateway.coordination, "claim", full)
            pressed = await press(served, asked.message, "Cancel")
        assert pressed.message is asked.message
        assert (await served.discord.settled(asked)).title == "Cancelled"
