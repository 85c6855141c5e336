"""Jobs over the websocket: painted, many at once, cancelled, and watched again."""

import asyncio
import base64
from typing import Any

import pytest

from core import ImageRequest
from tests.doubles.pictures import prompt_of, seed_of
from tests.doubles.ws_fixture import serving
from wsserver import jobs

# --- painted


@pytest.mark.parametrize(
    "message", ['{"input": "a monkey with a hat"}', "a monkey with a hat", b"a monkey with a hat"]
)
async def test_the_least_client_gets_its_picture(message: str | bytes) -> None:
    """Place in the queue, start, picture; each with the same id."""
    async with serving() as served, served.client() as client:
        await client.socket.send(message)
        queued, started = await client.next(), await client.hear("started")
        image = await client.hear("image")
    assert (queued["type"], queued["position"]) == ("queued", 0)
    assert started["backend"] == served.double.name
    assert prompt_of(image["image-base64"]) == "a monkey with a hat"
    assert image["seed"] == seed_of(image["image-base64"])
    assert {queued["id"], started["id"], image["id"]} == {image["id"]}
    assert "label" not in image


async def test_many_jobs_over_one_connection_each_under_its_label() -> None:
    async with serving() as served, served.client() as client:
        for number in range(40):
            await client.say(input=f"number {number}", label=f"n{number}", seed=number)
        images = [await client.hear("image") for _ in range(40)]
    assert {image["label"]: prompt_of(image["image-base64"]) for image in images} == {
        f"n{number}": f"number {number}" for number in range(40)
    }
    assert len({image["id"] for image in images}) == 40


async def test_several_pictures_are_one_message_each() -> None:
    async with serving() as served, served.client() as client:
        await client.say(input="a", batch_size=3, seed=7, label="three")
        images = [await client.hear("image", label="three") for _ in range(3)]
    assert [(image["index"], image["count"], image["seed"]) for image in images] == [
        (0, 3, 7),
        (1, 3, 8),
        (2, 3, 9),
    ]
    assert [seed_of(image["image-base64"]) for image in images] == [7, 8, 9]


async def test_a_large_picture_comes_whole() -> None:
    async with serving() as served, served.client() as client:
        await client.say(input="/kb-3000")
        image = await client.hear("image")
    assert len(base64.b64decode(image["image-base64"], validate=True)) > 3_000_000


async def test_progress_is_told_and_previews_only_to_who_asked() -> None:
    async with serving() as served, served.client() as client, served.client() as other:
        for preview in (False, True):
            served.double.hold(at=2)
            await client.say(input="a", steps=4, preview=preview)
            progress = await client.hear("progress", step=2)
            assert (progress["progress"], progress["steps"]) == (0.5, 4)
            assert ("preview-base64" in progress) is preview
            assert bool(served.double.previews) is preview
            await other.say(type="attach", id=progress["id"])
            assert "preview-base64" not in await other.hear("progress")
            served.double.release()
            await client.hear("image")
            await other.hear("image")
        assert base64.b64decode(progress["preview-base64"])


async def test_a_job_that_fails_says_so_under_its_names() -> None:
    async with serving() as served, served.client() as client:
        await client.say(input="/fail-500", label="bad")
        error = await client.hear("error")
        assert (error["code"], error["label"]) == ("backend_error", "bad")
        assert error["id"]
        await client.say(input="a", label="bad")
        assert (await client.hear())["type"] == "image"


async def test_the_same_idempotency_key_is_one_painting() -> None:
    """While the first still runs, after it ended, and over another connection."""
    async with serving() as served, served.client() as client, served.client() as other:
        served.double.hold(at=1)
        for each in (client, other):
            await each.say(input="a", idempotency_key="k")
        started = [await each.hear("started") for each in (client, other)]
        served.double.release()
        images = [await each.hear("image") for each in (client, other)]
        await other.say(input="a", idempotency_key="k")
        images.append(await other.hear("image"))
        assert len({image["image-base64"] for image in images}) == 1
        assert len({words["id"] for words in images + started}) == 1
        await other.say(input="b", idempotency_key="k", label="new")
        assert await other.code(label="new") == "invalid_request"
        assert served.prompts == ["a"]


# --- labels


async def test_a_label_names_one_running_job_and_is_free_again_at_its_end() -> None:
    async with serving() as served, served.client() as client, served.client() as other:
        await served.hold_one(client, label="mine")
        await client.say(input="b", label="mine")
        error = await client.hear("error")
        assert (error["code"], error["field"], error["label"]) == ("invalid_request", "label", "mine")
        assert error["refused"] is True
        await other.say(input="c", label="mine")
        assert (await other.hear("queued"))["label"] == "mine"
        served.double.release()
        for _ in range(20):
            await client.hear("image", label="mine")
            await client.say(input="again", label="mine")
        await client.hear("image", label="mine")
        assert "b" not in served.prompts


async def test_the_refusal_of_a_message_is_told_apart_from_the_end_of_the_job_that_it_names() -> None:
    """Both are errors that bear the job's id or label; behind a refusal the job goes on."""
    async with serving(trusted_proxies=("127.0.0.1",)) as served:
        mine, foreign = {"X-Forwarded-For": "203.0.113.1"}, {"X-Forwarded-For": "203.0.113.2"}
        async with served.client(mine) as client, served.client(foreign) as other:
            id = await served.hold_one(client, "/fail-500", label="mine")
            await other.say(type="attach", id=id, label="theirs")
            await other.say(type="cancel", label="theirs")
            assert (await other.hear("error"))["refused"] is True
            for message in (
                {"input": "b", "label": "mine"},
                {"type": "cancel", "id": id, "label": "mine"},
                {"type": "attach", "id": id, "label": "mine"},
                {"type": "dance", "id": id},
            ):
                await client.say(**message)
                assert (await client.hear("error"))["refused"] is True
            served.double.release()
            for each, label in ((client, "mine"), (other, "theirs")):
                end = await each.hear("error")
                assert (end["id"], end["label"], end["code"]) == (id, label, "backend_error")
                assert "refused" not in end


async def test_a_message_that_cannot_be_read_is_refused_under_its_label_as_far_as_that_can() -> None:
    """As of a page that cuts a prompt within an emoji: it waits for an answer by its label."""
    async with serving() as served, served.client() as client:
        await client.socket.send(r'{"label": "mine", "input": "a monkey \ud83d"}')
        error = await client.hear("error", label="mine")
        assert (error["code"], error["field"], error["refused"]) == ("invalid_request", "input", True)


# --- cancelled


async def test_a_cancel_right_behind_its_generate_finds_the_job() -> None:
    """By its label, before anything was heard of it; it never reaches the server that paints."""
    async with serving() as served, served.client() as client:
        await served.hold_one(client)
        for number in range(10):
            await client.say(input="unwanted", label=f"n{number}")
            await client.say(type="cancel", label=f"n{number}")
        for number in range(10):
            assert (await client.hear(label=f"n{number}"))["type"] == "cancelled"
        served.double.release()
        await client.hear("image")
        assert served.prompts == ["the one that holds"]


async def test_that_holds_also_where_it_takes_a_while_to_submit_a_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a queue that is shared: the next message is not looked at before."""
    async with serving() as served, served.client() as client:
        asked, answered = asyncio.Event(), asyncio.Event()

        async def resolve(request: ImageRequest) -> ImageRequest:
            asked.set()
            await answered.wait()
            return request

        await served.hold_one(client)
        monkeypatch.setattr(served.gateway, "_resolve", resolve)
        await client.say(input="unwanted", label="mine")
        await client.say(type="cancel", label="mine")
        await asked.wait()
        await (await client.socket.ping())  # by then the cancel has arrived, too
        answered.set()
        assert (await client.hear(label="mine"))["type"] == "cancelled"


async def test_a_running_job_is_cancelled_by_its_id_and_only_that_one() -> None:
    async with serving() as served, served.client() as client, served.client() as other:
        id = await served.hold_one(client, label="mine")
        task = served.double.paintings[0].task
        await other.say(input="the next one")
        await other.hear("queued")
        served.double.hold(at=0)
        await client.say(type="cancel", id=id)
        cancelled = await client.hear("cancelled")
        assert (cancelled["id"], cancelled["label"]) == (id, "mine")
        await served.double.until(lambda: served.double.interrupts)
        served.double.release()
        assert prompt_of((await other.hear("image"))["image-base64"]) == "the next one"
        assert served.double.interrupts == [task]


async def test_a_job_of_another_connection_is_cancelled_by_its_id() -> None:
    """Both are told."""
    async with serving() as served, served.client() as client, served.client() as other:
        id = await served.hold_one(client)
        await other.say(type="cancel", id=id)
        assert await other.hear() == {"type": "cancelled", "id": id}
        assert await client.hear() == {"type": "cancelled", "id": id}


async def test_only_its_caller_may_cancel_a_job() -> None:
    """Who knows the id may watch it, also by its label there."""
    async with serving(trusted_proxies=("127.0.0.1",)) as served:
        mine, foreign = {"X-Forwarded-For": "203.0.113.1"}, {"X-Forwarded-For": "203.0.113.2"}
        async with served.client(mine) as client, served.client(foreign) as other:
            id = await served.hold_one(client)
            await other.say(type="cancel", id=id)
            assert await other.code(id=id) == "forbidden"
            await other.say(type="attach", id=id, label="theirs")
            await other.say(type="cancel", label="theirs")
            assert await other.code(label="theirs") == "forbidden"
            served.double.release()
            await client.hear("image")
            await other.hear("image", label="theirs")


async def test_a_cancel_that_finds_nothing_says_so() -> None:
    async with serving() as served, served.client() as client:
        await client.say(type="cancel", label="nobody")
        assert await client.code(label="nobody") == "not_found"
        await client.say(type="cancel", id="nobody")
        assert await client.code(id="nobody") == "not_found"
        await client.say(input="a", keep=True)
        id = (await client.hear("image"))["id"]
        await client.say(type="cancel", id=id)
        assert await client.code(id=id) == "not_found"


# --- watched again


async def test_attach_shows_the_last_state_first() -> None:
    async with serving() as served, served.client() as client, served.client() as other:
        running = await served.hold_one(client)
        await client.hear("progress", step=1)
        await client.say(input="b", label="waits")
        waiting = (await client.hear("queued", label="waits"))["id"]
        await other.say(type="attach", id=running, label="r")
        first = await other.next()
        assert (first["type"], first["step"], first["label"]) == ("progress", 1, "r")
        await other.say(type="attach", id=waiting, label="w")
        second = await other.hear("queued", "started", "progress", label="w")
        assert (second["type"], second["position"]) == ("queued", 0)
        served.double.release()
        for each, names in ((client, ({}, {"label": "waits"})), (other, ({"label": "r"}, {"label": "w"}))):
            for name in names:
                await each.hear("image", **name)


async def test_an_unknown_job_is_not_found() -> None:
    async with serving() as served, served.client() as client:
        await client.say(type="attach", id="0" * 32, label="x")
        error = await client.hear("error")
        assert (error["code"], error["id"], error["label"]) == ("not_found", "0" * 32, "x")


@pytest.mark.parametrize("wish", [{"keep": True}, {"idempotency_key": "k"}])
async def test_a_kept_job_lives_on_and_is_fetched(wish: dict[str, Any]) -> None:
    """By attach, running and completed."""
    async with serving() as served:
        async with served.client() as client:
            id = await served.hold_one(client, **wish)
        async with served.client() as client:
            await client.say(type="attach", id=id)
            assert (await client.next())["type"] in {"started", "progress"}
            served.double.release()
            painted = await client.hear("image")
        async with served.client() as client:
            await client.say(type="attach", id=id)
            assert await client.next() == painted
        assert served.double.interrupts == []


# --- faults of our own


async def test_a_fault_of_our_own_is_logged_and_the_connection_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as served, served.client() as client:
        with monkeypatch.context() as broken:
            broken.setattr(served.gateway, "_resolve", lambda _: 1 / 0)
            await client.say(input="a", label="mine")
            error = await client.hear("error")
        assert (error["code"], error["label"]) == ("internal", "mine")
        assert "division" not in error["message"]
        assert "ZeroDivisionError" in caplog.text
        await client.say(input="a", label="mine")
        assert (await client.hear())["type"] == "image"


async def test_a_fault_while_a_job_is_told_ends_only_what_is_told_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as served, served.client() as client:
        await served.hold_one(client, label="good")
        with monkeypatch.context() as broken:
            broken.setattr(jobs, "event_messages", lambda *_: 1 / 0)
            await client.say(input="b", label="bad")
            error = await client.hear("error")
        assert (error["code"], error["label"]) == ("internal", "bad")
        assert "ZeroDivisionError" in caplog.text
        served.double.release()
        assert (await client.hear(label="good"))["type"] == "image"
