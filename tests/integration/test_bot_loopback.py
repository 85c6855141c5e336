"""The loopback Discord refuses what Discord refuses. No bot is needed: one test a refusal."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.doubles.discord import TOKEN, Asked, Channel, LoopbackDiscord, NotOffered, User
from tests.doubles.discord.limits import Words

COMMANDS: list[Words] = [
    {
        "name": "imagine",
        "type": 1,
        "description": "Paint",
        "options": [
            {"name": "prompt", "type": 3, "description": "x", "required": True, "max_length": 10},
            {"name": "steps", "type": 4, "description": "x", "min_value": 1, "max_value": 5},
            {"name": "size", "type": 3, "description": "x", "choices": [{"name": "a", "value": "a"}]},
            {"name": "model", "type": 3, "description": "x", "autocomplete": True},
            {"name": "hidden", "type": 5, "description": "x"},
        ],
    },
    {"name": "Show parameters", "type": 3},
]
EMBED_LIMITS: list[tuple[Words, str]] = [
    ({"title": "x" * 257}, "title"),
    ({"description": "x" * 4097}, "description"),
    ({"footer": {"text": "x" * 2049}}, "footer"),
    ({"author": {"name": "x" * 257}}, "author"),
    ({"fields": [{"name": "x" * 257, "value": "x"}]}, "name"),
    ({"fields": [{"name": "x", "value": "x" * 1025}]}, "value"),
    ({"fields": [{"name": "x", "value": ""}]}, "value"),
    ({"fields": [{"name": "x", "value": "x"}] * 26}, "fields"),
    ({"description": "x" * 4000, "footer": {"text": "x" * 2001}}, "6000"),
]
DEFER = {"type": 5}
FORM_FIELD = {"type": 4, "custom_id": "a", "label": "a", "style": 1}


def button(**fields: Any) -> Words:
    return {"type": 2, "style": 1, "label": "x", "custom_id": "x", **fields}


def row(*buttons: Words) -> Words:
    return {"type": 1, "components": list(buttons)}


class Raw:
    """A client of the REST API without any library for it."""

    def __init__(self, discord: LoopbackDiscord, session: aiohttp.ClientSession) -> None:
        self.discord = discord
        self.session = session
        self.ann = discord.person()
        self.channel = discord.channel()

    async def call(
        self,
        method: str,
        path: str,
        payload: Any = None,
        *,
        files: tuple[bytes, ...] = (),
        token: str = TOKEN,
    ) -> tuple[int, Any]:
        """Status, and what was answered."""
        body: Any = None if payload is None else json.dumps(payload)
        headers = {"Authorization": f"Bot {token}", "Content-Type": "application/json"}
        if files:
            body = aiohttp.FormData({"payload_json": json.dumps(payload)})
            for number, data in enumerate(files):
                body.add_field(f"files[{number}]", data, filename=f"{number}.png")
            del headers["Content-Type"]
        url = self.discord.api_base + path
        async with self.session.request(method, url, data=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def code(self, method: str, path: str, payload: Any = None, **options: Any) -> tuple[int, int]:
        """Status and Discord's own code."""
        status, words = await self.call(method, path, payload, **options)
        return status, words["code"]

    async def asked(self, where: Channel | None = None, by: User | None = None) -> Asked:
        """An interaction that waits for an answer."""
        return await self.discord.command(by or self.ann, where or self.channel, "imagine", prompt="a")

    async def deferred(self, where: Channel | None = None) -> Asked:
        """An interaction that was promised a message."""
        asked = await self.asked(where)
        assert (await self.call("POST", callback(asked), DEFER))[0] == 200
        return asked

    async def message(self) -> str:
        """The path of a message of the bot."""
        where = f"/channels/{self.channel.id}/messages"
        return f"{where}/{(await self.call('POST', where, {'content': 'x'}))[1]['id']}"


def callback(asked: Asked) -> str:
    return f"/interactions/{asked.id}/{asked.token}/callback"


def original(asked: Asked) -> str:
    return f"/webhooks/1/{asked.token}/messages/@original"


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    async with LoopbackDiscord() as discord, aiohttp.ClientSession() as session:
        client = Raw(discord, session)
        assert (await client.call("PUT", "/applications/1/commands", COMMANDS))[0] == 200
        yield client


async def test_a_second_answer_is_40060(raw: Raw) -> None:
    asked = await raw.deferred()
    assert await raw.code("POST", callback(asked), DEFER) == (400, 40060)
    assert asked.refused == [40060]


async def test_an_answer_after_three_seconds_is_10062(raw: Raw) -> None:
    asked = await raw.asked()
    raw.discord.skip(3.1)
    assert await raw.code("POST", callback(asked), DEFER) == (404, 10062)


async def test_an_unknown_interaction_is_10062(raw: Raw) -> None:
    assert await raw.code("POST", "/interactions/5/nothing/callback", DEFER) == (404, 10062)


async def test_a_token_after_15_minutes_is_50027(raw: Raw) -> None:
    asked = await raw.deferred()
    assert (await raw.call("PATCH", original(asked), {"content": "x"}))[0] == 200
    raw.discord.skip(900.1)
    assert await raw.code("PATCH", original(asked), {"content": "x"}) == (401, 50027)
    assert await raw.code("POST", f"/webhooks/1/{asked.token}", {"content": "x"}) == (401, 50027)


async def test_what_was_not_answered_has_no_message(raw: Raw) -> None:
    asked = await raw.asked()
    assert await raw.code("PATCH", original(asked), {"content": "x"}) == (404, 10015)


async def test_a_deleted_message_is_10008(raw: Raw) -> None:
    asked = await raw.deferred()
    assert (await raw.call("DELETE", original(asked)))[0] == 204
    assert await raw.code("PATCH", original(asked), {"content": "x"}) == (404, 10008)
    message = await raw.message()
    assert (await raw.call("DELETE", message))[0] == 204
    assert await raw.code("PATCH", message, {"content": "x"}) == (404, 10008)


@pytest.mark.parametrize(("embed", "about"), EMBED_LIMITS, ids=[about for _, about in EMBED_LIMITS])
async def test_an_embed_that_is_too_long_is_50035(raw: Raw, embed: Words, about: str) -> None:
    asked = await raw.deferred()
    status, words = await raw.call("PATCH", original(asked), {"embeds": [embed]})
    assert (status, words["code"]) == (400, 50035)
    assert about in json.dumps(words)


@pytest.mark.parametrize(
    "payload",
    [
        {"content": "x" * 2001},
        {"embeds": [{"title": "x"}] * 11},
        {"content": "x", "nonce": "x" * 26},
        {"content": "x", "components": [row(button())] * 6},
        {"content": "x", "components": [row(*[button(custom_id=str(i)) for i in range(6)])]},
        {"content": "x", "components": [row()]},
        {"content": "x", "components": [row(button(), button())]},
        {"content": "x", "components": [row(button(custom_id="x" * 101))]},
        {"content": "x", "components": [row(button(label="x" * 81))]},
    ],
    ids=["content", "embeds", "nonce", "rows", "buttons", "empty row", "twice", "custom_id", "label"],
)
async def test_a_message_that_is_too_long_is_50035(raw: Raw, payload: Words) -> None:
    assert await raw.code("POST", f"/channels/{raw.channel.id}/messages", payload) == (400, 50035)


async def test_an_empty_message_is_50006(raw: Raw) -> None:
    assert await raw.code("POST", f"/channels/{raw.channel.id}/messages", {}) == (400, 50006)


async def test_files_that_are_too_large_are_413(raw: Raw) -> None:
    raw.discord.size_limit = 1000
    where = f"/channels/{raw.channel.id}/messages"
    assert (await raw.call("POST", where, {}, files=(b"x" * 500,)))[0] == 200
    assert (await raw.call("POST", where, {}, files=(b"x" * 600, b"x" * 600)))[0] == 200
    assert await raw.code("POST", where, {}, files=(b"x" * 500, b"x" * 1001)) == (413, 40005)
    raw.discord.request_limit = 1000
    assert (await raw.call("POST", where, {}, files=(b"x" * 600, b"x" * 600)))[0] == 413


async def test_eleven_files_are_50035(raw: Raw) -> None:
    assert await raw.code("POST", f"/channels/{raw.channel.id}/messages", {}, files=(b"x",) * 11) == (
        400,
        50035,
    )


@pytest.mark.parametrize(
    "data",
    [
        {"title": "x" * 46, "custom_id": "x", "components": [row(FORM_FIELD)]},
        {"title": "x", "custom_id": "", "components": [row(FORM_FIELD)]},
        {"title": "x", "custom_id": "x", "components": []},
        {"title": "x", "custom_id": "x", "components": [row({**FORM_FIELD, "label": "x" * 46})]},
        {"title": "x", "custom_id": "x", "components": [row({**FORM_FIELD, "value": "x" * 4001})]},
        {"title": "x", "custom_id": "x", "components": [row({**FORM_FIELD, "max_length": 4001})]},
        {"title": "x", "custom_id": "x", "components": [row({**FORM_FIELD, "style": 3})]},
        {"title": "x", "custom_id": "x", "components": [row(FORM_FIELD, FORM_FIELD)]},
        {"title": "x", "custom_id": "x", "components": [row(FORM_FIELD), row(FORM_FIELD)]},
    ],
    ids=["title", "custom_id", "empty", "label", "value", "max_length", "style", "two", "twice"],
)
async def test_a_form_that_is_too_long_is_50035(raw: Raw, data: Words) -> None:
    asked = await raw.asked()
    assert await raw.code("POST", callback(asked), {"type": 9, "data": data}) == (400, 50035)


async def test_more_than_25_suggestions_are_50035(raw: Raw) -> None:
    asked = await raw.discord.type(raw.ann, raw.channel, "imagine", "model", "x")
    choices = [{"name": str(number), "value": "x"} for number in range(26)]
    answer = {"type": 8, "data": {"choices": choices}}
    assert await raw.code("POST", callback(asked), answer) == (400, 50035)


@pytest.mark.parametrize(
    "command",
    [
        {"name": "Imagine", "description": "x"},
        {"name": "x" * 33, "description": "x"},
        {"name": "x", "description": "x" * 101},
        {"name": "x", "description": ""},
        {"name": "x", "description": "x", "name_localizations": {"de": "Zwei Worte"}},
        {"name": "x", "description": "x", "options": [COMMANDS[0]["options"][1], COMMANDS[0]["options"][0]]},
        {"name": "x", "description": "x", "options": [COMMANDS[0]["options"][1]] * 26},
        {"name": "Menu", "type": 3, "description": "menus have none"},
    ],
    ids=["case", "name", "description", "empty", "localized", "required last", "options", "menu"],
)
async def test_a_command_that_breaks_the_rules_is_50035(raw: Raw, command: Words) -> None:
    assert await raw.code("PUT", "/applications/1/commands", [command]) == (400, 50035)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("draw", {}),
        ("imagine", {}),
        ("imagine", {"prompt": "a", "colour": "red"}),
        ("imagine", {"prompt": "a" * 11}),
        ("imagine", {"prompt": 5}),
        ("imagine", {"prompt": "a", "steps": 6}),
        ("imagine", {"prompt": "a", "steps": 2.5}),
        ("imagine", {"prompt": "a", "size": "b"}),
        ("imagine", {"prompt": "a", "hidden": 1}),
    ],
)
async def test_options_outside_the_synced_tree_are_not_offered(
    raw: Raw, name: str, options: dict[str, Any]
) -> None:
    with pytest.raises(NotOffered):
        await raw.discord.command(raw.ann, raw.channel, name, **options)
    with pytest.raises(NotOffered):
        await raw.discord.type(raw.ann, raw.channel, "imagine", "prompt", "x")


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"exists": False}, (404, 10003)),
        ({"readable": False}, (403, 50001)),
        ({"writable": False}, (403, 50013)),
    ],
)
async def test_a_channel_out_of_reach(raw: Raw, change: dict[str, bool], answer: tuple[int, int]) -> None:
    for name, value in change.items():
        setattr(raw.channel, name, value)
    assert await raw.code("POST", f"/channels/{raw.channel.id}/messages", {"content": "x"}) == answer


async def test_a_server_without_the_bot_is_50001(raw: Raw) -> None:
    channel = raw.discord.channel(has_bot=False)
    assert await raw.code("POST", f"/channels/{channel.id}/messages", {"content": "x"}) == (403, 50001)


async def test_who_takes_no_direct_messages_is_50007(raw: Raw) -> None:
    raw.ann.takes_direct = False
    status, words = await raw.call("POST", "/users/@me/channels", {"recipient_id": str(raw.ann.id)})
    assert status == 200
    assert await raw.code("POST", f"/channels/{words['id']}/messages", {"content": "x"}) == (403, 50007)


async def test_another_ones_message_is_50005(raw: Raw) -> None:
    message = raw.discord.write(raw.channel, by=raw.ann)
    where = f"/channels/{raw.channel.id}/messages/{message.id}"
    assert await raw.code("PATCH", where, {"content": "x"}) == (403, 50005)


async def test_a_sixth_follow_up_without_the_bot_in_the_server_is_40094(raw: Raw) -> None:
    asked = await raw.deferred(raw.discord.channel(has_bot=False))
    follow = f"/webhooks/1/{asked.token}"
    # The first one takes the place of the promised message.
    statuses = [(await raw.call("POST", follow, {"content": "x"}))[0] for _ in range(6)]
    assert statuses == [200] * 6
    assert await raw.code("POST", follow, {"content": "x"}) == (400, 40094)


async def test_a_wrong_token_is_401(raw: Raw) -> None:
    assert (await raw.call("GET", "/users/@me", token="wrong"))[0] == 401


async def test_a_message_with_the_same_nonce_is_sent_once(raw: Raw) -> None:
    where = f"/channels/{raw.channel.id}/messages"
    payload = {"content": "x", "nonce": "7", "enforce_nonce": True}
    ids = {(await raw.call("POST", where, payload))[1]["id"] for _ in range(2)}
    assert len(ids) == 1
    raw.discord.skip(121)
    assert (await raw.call("POST", where, payload))[1]["id"] not in ids, "it is known for minutes"


async def test_a_further_answer_knows_no_nonce(raw: Raw) -> None:
    asked = await raw.deferred()
    assert (await raw.call("PATCH", original(asked), {"content": "x"}))[0] == 200
    payload = {"content": "x", "nonce": "7", "enforce_nonce": True}
    ids = {(await raw.call("POST", f"/webhooks/1/{asked.token}", payload))[1]["id"] for _ in range(2)}
    assert len(ids) == 2


async def test_in_a_deleted_channel_an_interaction_has_no_messages(raw: Raw) -> None:
    asked = await raw.deferred()
    raw.channel.exists = False
    assert await raw.code("PATCH", original(asked), {"content": "x"}) == (404, 10003)
    assert await raw.code("POST", f"/webhooks/1/{asked.token}", {"content": "x"}) == (404, 10003)


async def test_what_an_embed_shows_is_no_attachment(raw: Raw) -> None:
    payload = {"embeds": [{"image": {"url": "attachment://0.png"}}]}
    where = f"/channels/{raw.channel.id}/messages"
    _, words = await raw.call("POST", where, payload, files=(b"shown", b"attached"))
    assert [each["filename"] for each in words["attachments"]] == ["1.png"]
    async with raw.session.get(words["embeds"][0]["image"]["url"]) as answer:
        assert await answer.read() == b"shown"


async def test_an_edit_replaces_the_attachments_that_it_does_not_name(raw: Raw) -> None:
    asked = await raw.deferred()
    await raw.call("PATCH", original(asked), {"attachments": []}, files=(b"one",))
    await raw.call(
        "PATCH", original(asked), {"attachments": [{"id": 0, "filename": "0.png"}]}, files=(b"two",)
    )
    assert asked.message.pictures == [b"two"]
    await raw.call("PATCH", original(asked), {"content": "x"})
    assert asked.message.pictures == [b"two"]


async def test_faults_come_as_often_as_they_were_ordered(raw: Raw) -> None:
    raw.discord.fault("GET", "/users/@me", 429, retry_after=0.5)
    async with raw.session.get(raw.discord.api_base + "/users/@me") as answer:
        assert answer.status == 429
        assert answer.headers["Via"]
        assert (await answer.json())["retry_after"] == 0.5
    assert (await raw.call("GET", "/users/@me"))[0] == 200


@asynccontextmanager
async def socket(raw: Raw, token: str = TOKEN) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A session's socket, after HELLO and IDENTIFY."""
    async with raw.session.ws_connect(raw.discord.gateway_url) as opened, asyncio.timeout(5):
        assert (await opened.receive_json())["op"] == 10
        await opened.send_json({"op": 2, "d": {"token": token, "intents": 0}})
        yield opened


async def test_a_wrong_token_closes_the_gateway_with_4004(raw: Raw) -> None:
    async with socket(raw, "wrong") as opened:
        assert (await opened.receive()).data == 4004


async def test_a_second_session_within_five_seconds_is_invalid(raw: Raw) -> None:
    async with socket(raw) as first, socket(raw) as second:
        assert (await first.receive_json())["t"] == "READY"
        assert await second.receive_json() == {"op": 9, "d": False}
    assert raw.discord.gateway.refused_identifies == 1


async def test_a_session_that_was_cut_is_resumed_with_what_it_missed(raw: Raw) -> None:
    async with socket(raw) as opened:
        ready = await opened.receive_json()
        raw.discord.gateway.cut()
        await opened.receive()
    await raw.asked()
    async with raw.session.ws_connect(ready["d"]["resume_gateway_url"]) as opened, asyncio.timeout(5):
        assert (await opened.receive_json())["op"] == 10
        words = {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": ready["s"]}
        await opened.send_json({"op": 6, "d": words})
        assert [(await opened.receive_json())["t"] for _ in range(2)] == ["INTERACTION_CREATE", "RESUMED"]
