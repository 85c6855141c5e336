"""A Relay stands between client and server, and breaks, freezes or turns connections on demand."""

import asyncio
import ssl

from tests.doubles.a1111 import EVENT_WAIT
from tests.ports import free_port, stop_accepting


class Relay:
    """A way to a port of loopback that can break: `cut` drops all connections, `freeze` lets nothing pass.

    It listens on `host`, and speaks `tls` there alone.
    """

    def __init__(self, port: int = 0, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.target = port
        """Where a connection leads that is opened from now on; those that stand stay where they are."""
        self._host = host
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.port = 0
        self.accepted = 0
        """How many connections came."""
        self._came = asyncio.Condition()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "Relay":
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()

    async def listen(self) -> None:
        """Take connections, on the port from before if there was one."""
        self.port = self.port or free_port()
        self._server = await asyncio.start_server(self._pass, self._host, self.port, ssl=self._tls)

    async def refuse(self) -> None:
        """Break all connections, and take none."""
        assert self._server is not None
        await stop_accepting(*(listening.fileno() for listening in self._server.sockets))
        self._server.close()
        self._open.set()
        self.cut()
        if self._passing:
            await asyncio.wait(self._passing)

    async def until(self, count: int) -> None:
        """Wait until so many connections came."""
        async with asyncio.timeout(EVENT_WAIT), self._came:
            await self._came.wait_for(lambda: self.accepted >= count)

    def cut(self) -> None:
        """Break all connections; new ones pass."""
        for writer in self._connections:
            writer.transport.abort()

    def freeze(self) -> None:
        """Connections stay, and nothing comes through."""
        self._open.clear()

    def thaw(self) -> None:
        """What was held back passes."""
        self._open.set()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = asyncio.current_task()
        assert passing is not None
        self._passing.add(passing)
        try:
            await self._connect(reader, writer)
        except* OSError:
            pass  # one side is gone, so the other has to go
        finally:
            writer.transport.abort()
            self._passing.discard(passing)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        ends = {writer, back}
        self._connections |= ends
        async with self._came:
            self.accepted += 1
            self._came.notify_all()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, back))
                group.create_task(self._copy(there, writer))
        finally:
            back.transport.abort()
            self._connections -= ends

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError
