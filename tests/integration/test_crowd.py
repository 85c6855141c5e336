"""Many clients at once over both front ends: everybody gets their own picture, and nobody else's progress."""

import asyncio
import base64
import json
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import websockets

import httpserver.server
import wsserver.server
from core import BackendAddress, Settings, connect
from tests.doubles.a1111 import A1111Double
from tests.doubles.pictures import prompt_of, seed_of

CLIENTS = 200
MOST_WAITING = Path("/proc/sys/net/core/somaxconn")
"""The system's own bound for those who wait until they are let in."""


@pytest.mark.skipif(
    not MOST_WAITING.exists() or int(MOST_WAITING.read_text()) < CLIENTS,
    reason="the system itself lets fewer wait, or does not tell",
)
@pytest.mark.parametrize("listen", [httpserver.server.listen, wsserver.server.listen])
async def test_200_clients_come_in_the_same_moment_and_nobody_has_to_try_again(
    listen: Callable[..., AbstractAsyncContextManager[int]],
) -> None:
    async with A1111Double() as double, AsyncExitStack() as stack:
        settings = Settings(sd_backends=(BackendAddress(double.url),), prompt_file="")
        gateway = await stack.enter_async_context(connect(settings))
        port = await stack.enter_async_context(listen(gateway, settings, port=0))
        for _ in range(CLIENTS):  # while the event loop has no turn
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=0.5))


@pytest.mark.slow
async def test_200_websocket_and_200_http_clients_each_get_their_own_picture() -> None:
    async with AsyncExitStack() as stack:
        doubles = [await stack.enter_async_context(A1111Double()) for _ in range(3)]
        settings = Settings(
            sd_backends=tuple(BackendAddress(double.url) for double in doubles),
            max_jobs_per_user=1000,
            prompt_file="",
        )
        gateway = await stack.enter_async_context(connect(settings))
        http = await stack.enter_async_context(httpserver.server.listen(gateway, settings, port=0))
        ws = await stack.enter_async_context(wsserver.server.listen(gateway, settings, port=0))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(_over_http(session, http, number))
                group.create_task(_over_websocket(ws, CLIENTS + number))
        paintings = [painting.prompt for double in doubles for painting in double.paintings]
        assert len(paintings) == len(set(paintings)) == 2 * CLIENTS
        assert all(double.paintings for double in doubles)
        assert not any(double.overlaps for double in doubles)


async def _over_http(session: aiohttp.ClientSession, port: int, number: int) -> None:
    query = {"input": f"a picture for number {number}", "seed": str(number), "steps": "4"}
    async with session.get(f"http://127.0.0.1:{port}/text", params=query) as response:
        answer = await response.json()
    assert response.status == 200, answer
    _check(answer, number)


async def _over_websocket(port: int, number: int) -> None:
    async with websockets.connect(f"ws://127.0.0.1:{port}", max_size=None, open_timeout=50) as socket:
        wish = {"input": f"a picture for number {number}", "seed": number, "steps": 4, "label": f"n{number}"}
        await socket.send(json.dumps(wish))
        ids = set()
        async for text in socket:
            message: dict[str, Any] = json.loads(text)
            ids.add(message["id"])
            assert message["label"] == f"n{number}"
            if message["type"] == "image":
                break
            assert message["type"] in {"queued", "started", "progress"}, message
        assert len(ids) == 1
    _check(message, number)


def _check(answer: dict[str, Any], number: int) -> None:
    picture = answer["image-base64"].encode()
    assert base64.b64decode(picture, validate=True).startswith(b"\x89PNG")
    assert (prompt_of(picture), seed_of(picture)) == (f"a picture for number {number}", number)
    assert answer["seed"] == number
