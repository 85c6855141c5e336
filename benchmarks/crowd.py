"""A crowd of websocket clients in one process, that costs as little as it can: raw frames, no library.

Each client connects from an address of its own, so that to the server each is another caller. What is
heard is noted down with its time, and read later.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

from benchmarks.processes import BenchmarkError

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
TEXT, PING, PONG = 1, 9, 10
LONG = 65_536
"""A message of this length or more is a picture: counted, and not kept."""
OPEN_SECONDS = 30.0
"""How long a batch of connections may take."""
AT_ONCE = 100
"""Connections that are opened at the same time: more would only fill the server's backlog."""

Hear = Callable[["Client", bytes, int], None]
"""Called with each message and its length; a picture's text is empty."""


class Client(asyncio.Protocol):
    """One websocket."""

    def __init__(self, number: int, path: str, hear: Hear) -> None:
        self.number = number
        self.open = asyncio.get_running_loop().create_future()
        self.gone = False
        """Whether the connection has ended."""
        self._path = path
        self._hear = hear
        self._buffer = bytearray()
        self._left = 0
        self._length = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is none by its class
        self._transport.write(HANDSHAKE.format(path=self._path).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.gone = True
        if not self.open.done():
            self.open.set_exception(exc or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._left > len(data):
            self._left -= len(data)
            return
        if self._left:
            data, self._left = data[self._left :], 0
            self._hear(self, b"", self._length)
        self._buffer += data
        if not self.open.done():
            self._read_upgrade()
        if self.open.done():
            self._read_frames()

    def say(self, message: bytes) -> None:
        """Send a text."""
        self._send(TEXT, message)

    def close(self) -> None:
        """Hang up without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _read_upgrade(self) -> None:
        head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not end:
            return
        self._buffer[:] = rest
        if head.startswith(b"HTTP/1.1 101"):
            self.open.set_result(None)
        else:
            self.open.set_exception(ConnectionError(head[:100].decode(errors="replace")))

    def _read_frames(self) -> None:
        buffer = self._buffer
        while len(buffer) >= 2:
            length, start = buffer[1] & 127, 2
            if length >= 126:
                start = 4 if length == 126 else 10
                if len(buffer) < start:
                    return
                length = int.from_bytes(buffer[2:start], "big")
            if len(buffer) < start + length:
                if length >= LONG:
                    self._left, self._length = start + length - len(buffer), length
                    buffer.clear()
                return
            kind, payload = buffer[0] & 15, bytes(buffer[start : start + length])
            del buffer[: start + length]
            if kind == PING:
                self._send(PONG, payload)
            elif kind == TEXT:
                self._hear(self, b"" if length >= LONG else payload, length)

    def _send(self, kind: int, payload: bytes) -> None:
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
        if self._transport is not None:  # masked with zeros: legal, and free
            self._transport.write(bytes([0x80 | kind]) + size + bytes(4) + payload)


class Heard:
    """What all clients heard: a list of moments, each with client, message and length."""

    def __init__(self) -> None:
        self.all: list[tuple[float, int, bytes, int]] = []
        self.pictures: list[float] = []
        """When each picture was there."""
        self.refusal = b""
        """The last error of all."""
        self._changed = asyncio.Event()

    def __call__(self, client: Client, message: bytes, length: int) -> None:
        """Note a message down."""
        now = time.monotonic()
        self.all.append((now, client.number, message, length))
        if length >= LONG:
            self.pictures.append(now)
        if message.startswith(b'{"type":"error"'):
            self.refusal = message
        self._changed.set()

    async def until(self, reached: Callable[[], bool], *, within: float = 60.0) -> None:
        """Wait until this holds; it is looked at whenever something was heard.

        Raises BenchmarkError after `within` seconds, and where a client is told of an error: that would
        count as a message that was waited for.
        """
        try:
            async with asyncio.timeout(within):
                while not reached():
                    self._changed.clear()
                    await self._changed.wait()
                    if self.refusal:
                        raise BenchmarkError(f"a client is told: {_shown(self.refusal)}")
        except TimeoutError as error:
            last = _shown(self.all[-1][2]) if self.all else "nothing"
            raise BenchmarkError(
                f"after {within:g} s the clients wait in vain; {len(self.all)} messages, the last one: {last}"
            ) from error


def _shown(message: bytes) -> str:
    return message[:300].decode(errors="replace")


@asynccontextmanager
async def crowd(count: int, port: int, path: str, hear: Hear) -> AsyncIterator[Sequence[Client]]:
    """So many clients, all of them open. Leaving it hangs up.

    Raises BenchmarkError if one cannot connect, or has lost its server at the end: who is gone costs nothing.
    """
    clients: list[Client] = []
    try:
        for first in range(0, count, AT_ONCE):
            clients += await _open(range(first, min(first + AT_ONCE, count)), port, path, hear)
        yield clients
        if gone := sum(client.gone for client in clients):
            raise BenchmarkError(f"port {port}: the server has hung up on {gone} of {count} clients")
    finally:
        for client in clients:
            client.close()


async def _open(numbers: range, port: int, path: str, hear: Hear) -> list[Client]:
    try:
        async with asyncio.timeout(OPEN_SECONDS), asyncio.TaskGroup() as tasks:
            opening = [tasks.create_task(_connect(number, port, path, hear)) for number in numbers]
    except TimeoutError as error:
        raise BenchmarkError(f"port {port}: no connection within {OPEN_SECONDS:g} s") from error
    except ExceptionGroup as group:
        raise BenchmarkError(f"port {port}: no connection: {group.exceptions[0]}") from group
    return [task.result() for task in opening]


async def _connect(number: int, port: int, path: str, hear: Hear) -> Client:
    """From an address of 127/8 that no other client has."""
    address = f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: Client(number, path, hear), "127.0.0.1", port, local_addr=(address, 0)
    )
    await client.open
    return client
