"""The crowd of clients, where it meets no server that does as it should."""

import asyncio

import pytest

from benchmarks.crowd import Client, Heard, crowd
from benchmarks.processes import BenchmarkError
from tests.ports import free_port


@pytest.fixture
async def client() -> Client:
    return Client(0, "/crowd", lambda client, message, length: None)


async def test_a_crowd_that_cannot_connect_says_why() -> None:
    port = free_port()
    with pytest.raises(BenchmarkError, match=rf"port {port}: no connection: .*{port}"):
        async with crowd(3, port, "/idle", Heard()):
            pass


async def test_who_was_hung_up_on_is_not_measured() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        writer.close()

    async def visit(port: int) -> None:
        async with crowd(2, port, "/idle", Heard()) as clients:
            while not all(client.gone for client in clients):  # noqa: ASYNC110 - they tell nobody
                await asyncio.sleep(0)

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(BenchmarkError, match=f"port {port}: the server has hung up on 2 of 2 clients"):
            await visit(port)


async def test_what_is_waited_for_in_vain_is_told_with_what_was_heard_instead(client: Client) -> None:
    heard = Heard()
    heard(client, b'{"type":"queued","position":7}', 30)
    with pytest.raises(BenchmarkError, match=r"in vain; 1 messages, the last one: .*queued"):
        await heard.until(lambda: False, within=0.01)


async def test_an_error_is_no_message_that_was_waited_for(client: Client) -> None:
    """As where the queue is full: whoever was refused would count as one who waits."""
    heard = Heard()
    soon = asyncio.get_running_loop().call_soon
    soon(heard, client, b'{"type":"error","code":"queue_full"}', 36)
    with pytest.raises(BenchmarkError, match=r"a client is told: .*queue_full"):
        await heard.until(lambda: bool(heard.all))
