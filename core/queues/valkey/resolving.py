"""Resolving: Valkey's name is looked up before a connection is made to it.

uvloop's `create_connection` forgets a look-up of its own when it is cut off while it waits for it. When that
look-up fails, the loop logs an error that nobody has retrieved. Its `getaddrinfo` forgets nothing.
"""

import asyncio
import socket
from typing import Any

from redis.asyncio import Connection, SSLConnection


class _LookedUp:
    host: str
    port: int
    socket_connect_timeout: float | None

    async def _connect(self) -> None:
        async with asyncio.timeout(self.socket_connect_timeout):
            await asyncio.get_running_loop().getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        connect: Any = super()
        await connect._connect()


class _Plain(_LookedUp, Connection): ...


class _OverTls(_LookedUp, SSLConnection): ...


def look_up_first(pool: Any) -> None:
    """Have a pool of redis-py's make such connections; a socket of this machine has no name."""
    kinds = {Connection: _Plain, SSLConnection: _OverTls}
    pool.connection_class = kinds.get(pool.connection_class, pool.connection_class)
