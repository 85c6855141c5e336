"""Resolving: Valkey's name is looked up before a connection is made to it.

uvloop's `create_connection` forgets a look-up of its own when it is cut off while it waits for it. When that
look-up fails, the loop logs an error that nobody has retrieved. Its `getaddrinfo` forgets nothing.

Where no name server answers, a look-up holds a thread for as long as the system waits, which is longer than
any call, and uvloop has two threads for them. So all connections wait for the same one: else nobody could
look up a painting server or a proxy meanwhile.
"""

import asyncio
import socket
from typing import Any

from redis.asyncio import Connection, SSLConnection

_asked: dict[tuple[str, int], "asyncio.Future[Any]"] = {}
"""The last look-up of each name."""


class _LookedUp:
    host: str
    port: int
    socket_connect_timeout: float | None

    async def _connect(self) -> None:
        async with asyncio.timeout(self.socket_connect_timeout):
            await _look_up(self.host, self.port)
        connect: Any = super()
        await connect._connect()


async def _look_up(host: str, port: int) -> None:
    """Wait for the look-up that is under way, or begin one. Raises OSError."""
    loop = asyncio.get_running_loop()
    asked = _asked.get((host, port))
    if asked is None or asked.done() or asked.get_loop() is not loop:
        asked = asyncio.ensure_future(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        asked.add_done_callback(_heard)
        _asked[host, port] = asked
    await asyncio.wait({asked})  # which goes on when this is cut off
    asked.result()


def _heard(asked: "asyncio.Future[Any]") -> None:
    """All who asked may have been cut off: then nobody else hears how it ended."""
    if not asked.cancelled():
        asked.exception()


class _Plain(_LookedUp, Connection): ...


class _OverTls(_LookedUp, SSLConnection): ...


def look_up_first(pool: Any) -> None:
    """Have a pool of redis-py's make such connections; a socket of this machine has no name."""
    kinds = {Connection: _Plain, SSLConnection: _OverTls}
    pool.connection_class = kinds.get(pool.connection_class, pool.connection_class)
