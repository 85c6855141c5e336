"""The websocket server: binds, serves connections, and closes them when everything was told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import cast

from websockets.asyncio.server import ServerConnection, serve

from core import BACKLOG, Access, Gateway, Settings
from wsserver.connection import Connection
from wsserver.handshake import Handshake
from wsserver.peer import PARTING_SECONDS, Peer
from wsserver.pings import Pings

PING_INTERVAL = 10.0
PONG_TIMEOUT = 30.0
"""Together about the time after which a dead peer is noticed; the second is also what a slow one has to read
what the kernel holds for it, as the ping stands behind that."""
OPEN_SECONDS = 5.0
"""How long a handshake may take."""
FLUSH_SECONDS = 5.0
"""How long the ends of jobs may take to be sent when the server stops."""
GOODBYE_SECONDS = 3.0
"""How long peers have then to read what is on its way, and to close."""
LEAST_JOBS = 100
"""Jobs that one connection may follow at once, where MAX_JOBS_PER_USER is not more."""
WRITE_LIMIT = 32_768
"""Bytes under way above which `send` waits for the peer to read, so one message at the most is beyond it."""
UNREAD_MESSAGES = 16


@asynccontextmanager
async def listen(gateway: Gateway, settings: Settings, *, port: int | None = None) -> AsyncIterator[int]:
    """Serve websockets on `settings.ws_host`; yields the port. Raises OSError where it is taken.

    Leaving it closes all connections with 1001; after `gateway.drain` the ends of jobs are sent before.
    """
    with closing(Pings(PING_INTERVAL, PONG_TIMEOUT)) as pings:
        connections = _Connections(gateway, settings, pings)
        server = await serve(
            connections.welcome,
            settings.ws_host,
            settings.ws_port if port is None else port,
            backlog=BACKLOG,
            create_connection=Peer,
            process_request=Handshake(connections.access, connections.is_stopping).judge,
            server_header=None,
            compression=None,  # takes 20 ms for a picture, and saves nothing worth it
            open_timeout=OPEN_SECONDS,
            ping_interval=None,  # `Pings` asks
            close_timeout=PARTING_SECONDS,
            max_size=settings.limits.max_message_bytes,
            max_queue=UNREAD_MESSAGES,
            write_limit=WRITE_LIMIT,
        )
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            await connections.finish()
            server.close()
            await server.wait_closed()


class _Connections:
    """All connections of one server."""

    def __init__(self, gateway: Gateway, settings: Settings, pings: Pings) -> None:
        self.access = Access(settings)
        self._gateway = gateway
        self._limits = settings.limits
        self._most_jobs = max(LEAST_JOBS, settings.max_jobs_per_user)
        self._connections: set[Connection] = set()
        self._closing = False
        self._pings = pings

    async def welcome(self, connected: ServerConnection) -> None:
        """Serve one connection until it is closed."""
        peer = cast(Peer, connected)
        connection = Connection(
            peer,
            self._gateway,
            self.access,
            limits=self._limits,
            most_jobs=self._most_jobs,
            is_stopping=self.is_stopping,
        )
        self._connections.add(connection)
        self._pings.add(peer)
        try:
            await connection.converse()
        finally:
            self._pings.discard(peer)
            self._connections.discard(connection)

    async def finish(self) -> None:
        """Let what was told of jobs be sent, and give every peer a moment to read it."""
        self._closing = True
        tasks = {task for connection in self._connections for task in connection.jobs.tasks}
        if tasks and self._gateway.draining:
            await asyncio.wait(tasks, timeout=FLUSH_SECONDS)
        for connection in self._connections:
            connection.peer.close_timeout = GOODBYE_SECONDS
            connection.peer.end_within(GOODBYE_SECONDS)

    def is_stopping(self) -> bool:
        return self._closing or self._gateway.draining
