"""Who may come in by the websocket: each refusal over real sockets, and each way that is open."""

import asyncio
import json
import logging

import pytest
import websockets

from tests.doubles.ws_fixture import UPGRADE, Served, serving
from tests.unit.core.examples import soon
from wsserver import connection

KEY = {"Authorization": "Bearer sesame"}


async def refused(served: Served, headers: dict[str, str]) -> tuple[int, str, str]:
    """Status, code and detail of a handshake that is refused with a problem."""
    lines = [line for line in UPGRADE if line.split(":")[0] not in headers]
    status, head, body = await served.ask(*lines, *(f"{name}: {value}" for name, value in headers.items()))
    assert "Content-Type: application/problem+json" in head
    assert "Cache-Control: no-store" in head
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["title"]
    return status, problem["code"], problem["detail"]


# --- pages and names


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://localhost:1", "http://["],
)
async def test_a_foreign_page_may_not_call(origin: str) -> None:
    async with serving() as served:
        status, code, detail = await refused(served, {"Origin": origin})
        assert (status, code) == (403, "forbidden")
        assert "ALLOWED_ORIGINS" in detail


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "localhost.evil.example", "[::1"])
async def test_a_foreign_host_name_may_not_lead_here(host: str) -> None:
    """DNS rebinding: the page's own name resolves to 127.0.0.1."""
    async with serving() as served:
        status, code, detail = await refused(served, {"Host": host})
        assert (status, code) == (403, "forbidden")
        assert "ALLOWED_HOSTS" in detail


async def test_our_own_page_and_listed_ones_may_call() -> None:
    async with serving(
        http_port=5000, allowed_origins=("https://gallery.example",), allowed_hosts=("pictures.example",)
    ) as served:
        for headers in (
            {"Origin": "http://127.0.0.1:5000"},
            {"Origin": "https://gallery.example"},
            {"Host": "pictures.example"},
        ):
            lines = [line for line in UPGRADE if line.split(":")[0] not in headers]
            if "Origin" in headers:
                lines = ["Host: 127.0.0.1:8765" if line.startswith("Host") else line for line in lines]
            own = [f"{name}: {value}" for name, value in headers.items()]
            async with served.raw(*lines, *own) as (reader, _):
                assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")


# --- keys


async def test_the_key_of_the_handshake_opens() -> None:
    async with serving(api_key="sesame") as served, served.client(KEY) as client:
        await client.say(input="a")
        assert (await client.hear())["type"] == "image"


@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer ", "Basic sesame", "sesame", "Bearer s\xe9same"])
async def test_a_wrong_key_in_the_handshake_is_refused(value: str) -> None:
    async with serving(api_key="sesame") as served:
        status, code, detail = await refused(served, {"Authorization": value})
        assert (status, code) == (401, "unauthorized")
        assert "API key" in detail


async def test_the_key_may_be_the_first_message() -> None:
    """What is sent right behind it, however much, need not wait for an answer."""
    async with serving(api_key="sesame") as served, served.client() as client:
        await client.say(type="auth", key="sesame")
        for number in range(50):
            await client.say(input="a" * 4000, negative_prompt="b" * 4000, label=str(number))
        for number in range(50):
            assert (await client.hear(label=str(number)))["type"] == "image"


@pytest.mark.parametrize(
    "message",
    [
        '{"input": "a"}',
        "a prompt",
        '{"type": "auth", "key": "wrong"}',
        '{"type": "auth", "key": 5}',
        '{"type": "auth", "key": "sésame"}',
        "{",
        b"\xff",
    ],
)
async def test_any_other_first_message_ends_the_connection(message: str | bytes) -> None:
    async with serving(api_key="sesame") as served, served.client() as client:
        await client.socket.send(message)
        error = await client.next()
        assert (error["type"], error["code"]) == ("error", "unauthorized")
        assert "Authorization" in error["message"]
        assert await client.closed() == (1008, "unauthorized")
        assert served.prompts == []


async def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "AUTH_SECONDS", 0.05)
    async with serving(api_key="sesame") as served, served.client() as client:
        assert await client.code() == "unauthorized"
        assert await client.closed() == (1008, "unauthorized")


async def test_a_stranger_that_sends_without_end_is_cut_off() -> None:
    """Long before the size that a message may have later."""
    async with serving(api_key="sesame") as served, served.raw(*UPGRADE) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        text, long = 0x81, 0x80 | 127
        writer.write(bytes([text, long]) + (150_000).to_bytes(8, "big") + bytes(4))
        closed = asyncio.create_task(reader.read())
        sent = 0
        async with asyncio.timeout(4):  # before the time for the key is over
            while not closed.done():
                writer.write(b"x" * 4000)
                sent += 4000
                await asyncio.wait({closed}, timeout=0)
        assert sent < 150_000
        assert isinstance(closed.exception(), ConnectionResetError) or closed.result() == b""


async def test_a_wrong_key_later_ends_the_connection_and_one_without_need_does_not() -> None:
    async with serving(api_key="sesame") as served, served.client(KEY) as client:
        await client.say(type="auth", key="sesame")
        await client.say(type="auth", key="wrong")
        assert await client.code() == "unauthorized"
        assert await client.closed() == (1008, "unauthorized")
    async with serving() as served, served.client() as client:
        await client.say(type="auth", key="whatever")
        await client.say(input="a")
        assert (await client.hear())["type"] == "image"


# --- who it is


async def test_a_forged_forwarded_address_makes_nobody_another_caller() -> None:
    forged = {"X-Forwarded-For": "203.0.113.9"}
    async with serving() as served, served.client() as client, served.client(forged) as forger:
        id = await served.hold_one(client)
        await forger.say(type="cancel", id=id)
        assert (await forger.hear())["type"] == "cancelled"  # it is us, whatever it says


async def test_behind_a_trusted_proxy_the_right_most_stranger_counts() -> None:
    async with (
        serving(trusted_proxies=("127.0.0.1",)) as served,
        served.client({"X-Forwarded-For": "203.0.113.1"}) as client,
        served.client({"X-Forwarded-For": "203.0.113.1, 203.0.113.2"}) as forger,
    ):
        id = await served.hold_one(client)
        await forger.say(type="cancel", id=id)
        assert await forger.code() == "forbidden"


# --- plain HTTP


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_key_beyond_ascii_is_the_same_as_over_http(encoding: str) -> None:
    key = {"Authorization": "Bearer schlüssel".encode(encoding).decode("latin-1")}  # as the library writes it
    async with serving(api_key="schlüssel") as served, served.client(key) as client:
        await client.say(input="a")
        await client.hear("image")


async def test_plain_http_is_told_what_this_is() -> None:
    async with serving() as served:
        for method in ("GET", "DELETE"):
            status, head, body = await served.ask(f"{method} /text?input=a HTTP/1.1", "Host: localhost")
            assert status == 426
            assert "Upgrade: websocket" in head
            assert "websocket client" in body
            assert "HTTP port" in body


@pytest.mark.parametrize(
    "head",
    [
        ("POST /text HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Content-Length: 14"),
        ("POST /text HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked"),
        ("\x16\x03\x01",),
        ("GET /text?input=a monkey HTTP/1.1", "Host: localhost"),
        ("GET / HTTP/1.1\nHost: localhost\n",),
    ],
    ids=["body", "chunks", "TLS", "blank", "Unix"],
)
async def test_what_no_websocket_begins_with_is_told_so_as_well(head: tuple[str, ...]) -> None:
    """A client that was meant for the port of HTTP sends a body; and an nginx in front takes silence for a
    replica that is gone, asks the next one, and says that all of them are."""
    async with serving() as served:
        status, answer, body = await served.ask(*head, "", '{"input": "a"}')
        assert status == 426
        assert f"Content-Length: {len(body)}" in answer
        assert "HTTP port" in body


async def test_who_only_looks_whether_somebody_listens_is_told_nothing() -> None:
    """As a balancer does; its half a request is none that cannot be read."""
    async with serving() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET / HT")
        writer.write_eof()
        assert await soon(reader.read()) == b""
        writer.close()


async def test_health_is_answered_without_a_key() -> None:
    async with serving(api_key="sesame") as served:
        for protocol in ("HTTP/1.1", "HTTP/1.0"):
            status, _, body = await served.ask(f"GET /healthz {protocol}", "Host: 127.0.0.1:8765")
            assert (status, json.loads(body)) == (200, {"status": "ok"})
        status, _, body = await served.ask("HEAD /healthz HTTP/1.1", "Host: localhost")
        assert (status, body) == (200, "")
        status, _, _ = await served.ask("GET /healthz HTTP/1.1", "Host: evil.example")
        assert status == 403


async def test_a_broken_handshake_is_a_400() -> None:
    async with serving() as served:
        status, _, body = await served.ask(*UPGRADE[:-1], "Sec-WebSocket-Key: short")
        assert status == 400
        assert "Sec-WebSocket-Key" in body


async def test_no_compression_is_agreed_on() -> None:
    """It would cost 20 ms of every picture."""
    async with serving() as served, served.client(compression="deflate") as client:
        assert client.socket.response is not None
        assert "Sec-WebSocket-Extensions" not in client.socket.response.headers
        assert isinstance(client.socket, websockets.ClientConnection)


@pytest.mark.parametrize("name", ["Connection", "Sec-WebSocket-Protocol"])
async def test_lists_that_take_long_to_read_are_refused(name: str) -> None:
    """Each word of them costs time, before any key is looked at."""
    async with serving() as served:
        status, _, body = await served.ask(*UPGRADE, f"{name}: {'a,' * 4000}")
    assert status == 400
    assert json.loads(body)["code"] == "invalid_request"


@pytest.mark.parametrize("behind", ["", "GET / HTTP/1.1", "x" * 9000], ids=["empty line", "request", "much"])
async def test_who_says_more_than_a_request_is_answered_all_the_same(
    behind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And nothing of it is a fault of ours, whatever it is."""
    async with serving() as served:
        status, _, body = await served.ask("GET /healthz HTTP/1.1", "Host: localhost", "", behind)
        assert (status, json.loads(body)) == (200, {"status": "ok"})
        status, _, _ = await served.ask("GET / HTTP/1.1", "Host: evil.example", "", behind)
        assert status == 403
        async with served.client() as client:
            await client.say(input="a")
            assert (await client.hear())["type"] == "image"
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
