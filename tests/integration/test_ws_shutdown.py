"""How the websocket stops: what runs is delivered, new work refused, then everybody is told goodbye."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from tests.doubles.ws_fixture import UPGRADE, Client, running, serving
from wsserver import listen, server


async def test_what_runs_is_delivered_and_then_all_connections_end_with_1001() -> None:
    """Waiting work and new work are told `shutting_down`."""
    async with running() as (served, stop, ended), served.client() as client, served.client() as idle:
        await served.hold_one(client, "/kb-500", label="runs", batch_size=8)
        await client.say(input="waits", label="waits")
        await client.hear("queued", label="waits")
        stop.set()
        assert await client.code(label="waits") == "shutting_down"
        await client.say(input="new", label="new")
        error = await client.hear("error", label="new")
        assert error["code"] == "shutting_down"
        assert error["retry_after"] > 0
        served.double.release()
        assert [(await client.hear(label="runs"))["index"] for _ in range(8)] == list(range(8))
        assert (await client.closed())[0] == 1001
        assert (await idle.closed())[0] == 1001
        await ended
        assert len(served.prompts) == 1


async def test_while_it_stops_nobody_new_is_let_in() -> None:
    """A client is answered; a trusted proxy that names its requests finds the connection broken off."""
    async with running(trusted_proxies=("127.0.0.1",)) as (served, stop, ended), served.client() as client:
        await served.hold_one(client)
        await client.say(input="waits", label="waits")
        await client.hear("queued", label="waits")
        stop.set()
        assert await client.code(label="waits") == "shutting_down"
        status, head, body = await served.ask(*UPGRADE)
        assert status == 503
        assert "application/problem+json" in head
        assert "Retry-After: 2\r\n" in head + "\r\n"
        assert '"code":"shutting_down"' in body
        async with served.raw(*UPGRADE, "X-Request-ID: 1") as (reader, _):
            assert await reader.read() == b""
        assert (await served.ask("GET /healthz HTTP/1.1", "Host: localhost"))[0] == 200
        served.double.release()
        await client.hear("image")
        await ended


async def test_who_runs_longer_than_the_grace_is_told_so_before_the_end() -> None:
    async with running(shutdown_grace=0.05) as (served, stop, ended), served.client() as client:
        id = await served.hold_one(client)
        stop.set()
        assert await client.code(id=id) == "shutting_down"
        assert (await client.closed())[0] == 1001
        await ended


async def test_a_client_that_goes_while_we_stop_takes_nothing_with_it() -> None:
    """Shutdown abandons nothing: another process may be about to answer that client."""
    async with running() as (served, stop, ended):
        async with served.client() as client:
            await served.hold_one(client)
            await client.say(input="waits", label="waits")
            await client.hear("queued", label="waits")
            stop.set()
            await client.code(label="waits")
        served.double.release()
        await ended
        assert served.double.interrupts == []
        assert served.double.paintings[0].state == "finished"


async def test_a_server_that_closes_without_a_drain_leaves_its_jobs_alone() -> None:
    async with serving() as served, AsyncExitStack() as clients:
        async with listen(served.gateway, served.settings) as port:
            client = await clients.enter_async_context(replace(served, port=port).client())
            id = await served.hold_one(client)
        assert await client.closed() == (1001, "")
        async with served.client() as client:
            await client.say(type="attach", id=id)
            served.double.release()
            assert (await client.hear())["type"] == "image"
        assert served.double.interrupts == []


@asynccontextmanager
async def large_picture_sent() -> AsyncIterator[tuple[Client, asyncio.Event, asyncio.Task[None]]]:
    """A client that has not read the picture yet, which another one has heard."""
    async with (
        running() as (served, stop, ended),
        served.client(max_queue=1) as client,
        served.client() as other,
    ):
        for each in (client, other):
            await each.say(input="/kb-9000", idempotency_key="large")
        await other.hear("image")
        yield client, stop, ended


async def test_a_client_that_does_not_read_cannot_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FLUSH_SECONDS", 0.1)
    monkeypatch.setattr(server, "GOODBYE_SECONDS", 0.1)
    async with large_picture_sent() as (_, stop, ended):
        stop.set()
        async with asyncio.timeout(5):
            await ended


async def test_a_picture_that_is_on_its_way_is_waited_for_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the last that is told of its job, whose label is free from then on."""
    monkeypatch.setattr(server, "WRITE_LIMIT", 0)  # what was sent is all with the system then
    monkeypatch.setattr(server, "GOODBYE_SECONDS", 0.0)
    async with large_picture_sent() as (client, stop, ended):
        stop.set()
        assert len((await client.hear("image"))["image-base64"]) > 9_000_000
        await ended
