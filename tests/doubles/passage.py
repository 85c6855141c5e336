"""A port that leads to another one: to that which is meant at the moment when a connection is opened.

As a name does: what is connected stays where it is when the name begins to mean another server.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def passage(target: Callable[[], int], *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Enter to get the port, on loopback as the one that it leads to; `tls` is spoken up to here."""
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections[task] = writer
        try:
            there, back = await asyncio.open_connection("127.0.0.1", target())
        except OSError:
            writer.close()
            return
        ways = [asyncio.create_task(_copy(reader, back)), asyncio.create_task(_copy(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.close()
            writer.close()

    listening = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for writer in connections.values():
            writer.close()  # not a cancelled task: the streams of Python 3.11 log that as a fault
        await asyncio.gather(*connections)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
