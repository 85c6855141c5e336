"""What one connection may cost the others: wrong messages, many messages, large ones, and nobody reading."""

import asyncio
import math
import socket
from itertools import count, pairwise
from typing import Any

import pytest
import websockets

from core import stall
from tests.doubles.ws_fixture import CLOSE, PING, PONG, TEXT, UPGRADE, Client, Served, frame, serving
from tests.unit.core.examples import soon
from wsserver import pace, peer, server

PICTURE = "/kb-4000"
"""More than all buffers on the way to a client hold."""


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> list[peer.Peer]:
    """The server's ends of all connections."""
    found: list[peer.Peer] = []

    class Known(peer.Peer):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            found.append(self)

    monkeypatch.setattr(server, "Peer", Known)
    return found


def narrow() -> socket.socket:
    """A socket whose kernel reads little ahead."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    return narrow


async def stalling(served: Served, other: Client) -> Client:
    """A client that reads nothing any more, with a picture on its way; `other` saw it painted."""
    connection = narrow()
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", served.port))
    options: dict[str, Any] = {"max_size": None, "max_queue": 1, "close_timeout": 0.05, "compression": None}
    client = Client(await websockets.connect(served.url, sock=connection, **options))
    await client.say(input=PICTURE, label="large", idempotency_key="large")
    await other.say(input=PICTURE, idempotency_key="large")
    await other.hear("image")
    return client


# --- messages


async def test_after_any_malformed_message_a_good_one_is_answered() -> None:
    async with serving() as served, served.client() as client:
        for message, field in (
            ("{", None),
            ("[1]", None),
            (b"\xff\xfe", None),
            ('{"type": "dance"}', "type"),
            ('{"input": "a", "steps": -1}', "steps"),
            ('{"input": "a", "model": "nobody has it"}', None),
            ("", "input"),
            ("x" * 4001, "input"),
        ):
            await client.socket.send(message)
            error = await client.next()
            assert error["type"] == "error"
            assert error["code"] in {"invalid_request", "unknown_model"}
            assert error.get("field") == field
            assert "id" not in error
        await client.say(input="a")
        assert (await client.hear())["type"] == "image"
        assert served.prompts == ["a"]


async def test_the_longest_prompts_in_the_longest_writing_are_read() -> None:
    async with serving() as served, served.client() as client:
        await client.say(input="😀" * 4000, negative_prompt="😀" * 4000)
        assert (await client.hear())["type"] == "image"
        assert served.prompts == ["😀" * 4000]


async def test_a_message_beyond_all_bounds_ends_the_connection() -> None:
    """It cannot be skipped: the protocol has a code for it."""
    async with serving() as served, served.client() as client:
        await client.say(input="a" * 300_000)
        assert (await client.closed())[0] == 1009


async def test_who_sends_faster_than_anybody_can_mean_is_refused_and_slowed_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "MESSAGES_PER_SECOND", 20.0)  # a loaded machine may send no 200

    async def send(client: Client, count: int) -> list[str]:
        for _ in range(count):
            await client.say(type="cancel", label="nobody")
        errors = [await client.next() for _ in range(count)]
        assert {error["label"] for error in errors} == {"nobody"}, "each says which message it refuses"
        return [error["code"] for error in errors]

    async with serving() as served, served.client() as client:
        assert set(await send(client, pace.BURST)) == {"not_found"}
        codes = await send(client, 30)
        while "rate_limited" not in codes:
            codes += await send(client, 30)
        assert set(codes) == {"not_found", "rate_limited"}
        refused_twice = ("rate_limited", "rate_limited")
        assert refused_twice not in pairwise(codes), "what comes behind a refusal waits for its turn"
        await client.say(input="a")
        while (end := await client.hear()).get("code") == "rate_limited":
            await client.say(input="a")
        assert end["type"] == "image"


async def test_a_connection_follows_so_many_jobs_and_takes_more_when_one_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "LEAST_JOBS", 3)
    async with serving(max_jobs_per_user=3) as served, served.client() as client, served.client() as other:
        id = await served.hold_one(client, label="0")
        for label in ("1", "2", "3"):
            await client.say(input=label, label=label)
        assert await client.code(label="3") == "too_many_jobs"
        await client.say(type="attach", id=id)
        assert await client.code(id=id) == "too_many_jobs"
        await other.say(input="another connection's", label="o")
        await other.hear("queued")
        served.double.release()
        await client.hear("image", label="0")
        await client.say(input="3", label="3")
        assert (await client.hear(label="3"))["type"] == "image"


async def test_more_jobs_may_be_followed_where_a_caller_may_have_more() -> None:
    async with serving(max_jobs_per_user=150) as served, served.client() as client:
        await served.hold_one(client)
        for number in range(130):
            await client.say(input=f"{number}", label=f"{number}")
        served.double.release()
        for number in range(130):
            assert (await client.hear(label=f"{number}"))["type"] == "image"


# --- peers that do not read


async def test_a_client_that_stops_reading_holds_little_and_delays_nobody(peers: list[peer.Peer]) -> None:
    """One message is on its way to it; of its other jobs it misses all progress but the newest."""
    async with serving() as served, served.client() as other:
        client = await stalling(served, other)
        stalled = next(each for each in peers if each.transport.get_write_buffer_size())
        unsent = stalled.transport.get_write_buffer_size()
        await client.say(input="b", steps=100, label="b", idempotency_key="b")
        await other.say(input="b", steps=100, idempotency_key="b")
        await other.hear("image")
        assert stalled.transport.get_write_buffer_size() == unsent < 6_000_000
        assert (await client.hear("image"))["label"] == "large"
        progress = 0
        while (words := await client.next())["type"] != "image":
            progress += words["type"] == "progress"
        assert words["label"] == "b"
        assert progress <= 2
        await client.socket.close()


async def test_a_client_that_stopped_reading_for_good_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, peers: list[peer.Peer]
) -> None:
    """And its jobs are nobody's any more."""
    async with serving() as served, served.client() as other:
        client = await stalling(served, other)
        stalled = next(each for each in peers if each.transport.get_write_buffer_size())
        served.double.hold(at=1)
        await client.say(input="unwanted")
        await served.double.until(lambda: served.double.active)
        assert stalled._stall._timer, "it has been waited for since it stopped"
        monkeypatch.setattr(stall, "STALL_SECONDS", 0.2)  # not before: `other` may be as slow as this machine
        stalled._stall.begin()
        await served.double.until(lambda: served.double.interrupts)
        assert sum(each.state.name == "OPEN" for each in peers) == 1
        client.socket.transport.abort()


async def test_a_client_that_ends_its_side_without_reading_is_noticed_at_once() -> None:
    """There is no need to wait until it might read after all."""
    async with serving() as served, served.client() as other:
        client = await stalling(served, other)
        served.double.hold(at=1)
        await client.say(input="unwanted")
        await served.double.until(lambda: served.double.active)
        client.socket.transport.write_eof()
        await soon(served.double.until(lambda: served.double.interrupts))
        client.socket.transport.abort()


async def test_what_a_client_said_before_it_went_is_done_also_where_it_hears_no_answer() -> None:
    """It says goodbye in the middle of a picture, behind which a refusal waits for its turn."""
    async with serving() as served, served.client() as other:
        client = await stalling(served, other)
        id = await served.hold_one(other, keep=True)
        await client.say(type="dance")
        await client.say(type="cancel", id=id)
        client.socket.close_timeout = None
        async with asyncio.TaskGroup() as group:
            group.create_task(client.socket.close())
            assert await soon(other.hear()) == {"type": "cancelled", "id": id}
            client.socket.transport.abort()


async def test_a_peer_that_does_not_answer_pings_is_dead(
    monkeypatch: pytest.MonkeyPatch, peers: list[peer.Peer]
) -> None:
    monkeypatch.setattr(server, "PING_INTERVAL", 0.05)
    async with serving() as served, served.client() as living, served.raw(*UPGRADE) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        served.double.hold(at=1)
        writer.write(frame(TEXT, b"the dead"))
        await served.double.until(lambda: served.double.active)
        peers[-1]._unanswered_since = -math.inf  # its time is over, and nobody else's
        await served.double.until(lambda: served.double.interrupts)
        served.double.release()
        await living.say(input="a")
        assert (await living.hear())["type"] == "image"


async def test_a_peer_that_speaks_no_websocket_any_more_and_stays_is_cut_off_and_its_job_ended() -> None:
    async with serving() as served, served.raw(*UPGRADE) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        served.double.hold(at=1)
        writer.write(frame(TEXT, b"a monkey"))
        await served.double.until(lambda: served.double.active)
        writer.write(b"\x81\x01a")  # not masked
        await soon(served.double.until(lambda: served.double.interrupts))
        served.double.release()


async def test_a_peer_that_answers_is_asked_again_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it says is an answer, and an idle one has nothing to say but pongs."""
    monkeypatch.setattr(server, "PING_INTERVAL", 0.01)
    monkeypatch.setattr(server, "PONG_TIMEOUT", 8)
    ask, seconds = peer.Peer.ask, count()  # one passes with each ping, however long this machine takes
    monkeypatch.setattr(peer.Peer, "ask", lambda each, _, timeout: ask(each, next(seconds), timeout))
    async with serving() as served, served.raw(*UPGRADE) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(10):
            assert await soon(reader.readexactly(2)) == bytes([PING, 0])
            writer.write(frame(PONG, b""))
        said = await soon(reader.read())  # it falls silent
    assert said.startswith(bytes([PING, 0]))
    assert bytes([CLOSE]) in said
    assert said.endswith(b"no answer to a ping")
