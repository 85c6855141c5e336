"""Bare `websockets` that sends what our websocket front end sends, with no core behind it.

The path of a connection says what it gets. `/idle`: nothing. `/crowd`: the first PAINTING connections get a
progress twice a second, the others a moved position once a second. `/share`: when anybody there sends `go`,
the picture goes to all of them.

    python -m benchmarks.contenders.bare_websockets PORT PAINTING PICTURE.json
"""

import asyncio
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import msgspec
import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

ID = "0123456789abcdef0123456789abcdef"


class Crowd:
    """All connections, and what they are told."""

    def __init__(self, painting: int, picture: bytes) -> None:
        self._painting = painting
        self._picture = b'{"type":"image","id":"' + ID.encode() + b'","image-base64":"' + picture + b'"}'
        self._crowd: list[ServerConnection] = []
        self._go = asyncio.Event()

    async def welcome(self, connection: ServerConnection) -> None:
        """Serve one connection until it is closed."""
        path = connection.request.path if connection.request else ""
        with suppress(ConnectionClosed):
            if path == "/share":
                await self._share(connection)
            if path == "/crowd":
                self._crowd.append(connection)
            try:
                await connection.wait_closed()
            finally:
                if path == "/crowd":
                    self._crowd.remove(connection)

    async def tell_positions(self) -> None:
        """Once a second, each waiting connection another place."""
        for turn in count():
            await asyncio.sleep(1)
            for place, connection in enumerate(self._crowd[self._painting :]):
                eta = place * 0.625 + turn * 0.01
                await _send(connection, {"type": "queued", "id": ID, "position": place, "eta": eta})

    async def tell_progress(self) -> None:
        """Twice a second; `eta` is the time of sending, so that a client can tell the delay."""
        for turn in count():
            await asyncio.sleep(0.5)
            for connection in self._crowd[: self._painting]:
                words = {"type": "progress", "id": ID, "progress": turn % 20 / 20, "step": turn % 20}
                await _send(connection, {**words, "steps": 20, "eta": round(time.monotonic(), 5)})

    async def _share(self, connection: ServerConnection) -> None:
        while True:
            waiting = asyncio.create_task(self._go.wait())
            hearing = asyncio.create_task(connection.recv())
            await asyncio.wait({waiting, hearing}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if hearing.done():
                hearing.result()
                self._go.set()
                self._go = asyncio.Event()
            else:
                hearing.cancel()
            await connection.send(self._picture, text=True)


async def _send(connection: ServerConnection, words: dict[str, object]) -> None:
    with suppress(ConnectionClosed):
        await connection.send(msgspec.json.encode(words), text=True)


async def main(port: int, crowd: Crowd) -> None:
    """Serve until the process is ended, as our own front end does; that one pings by itself, as often."""
    async with (
        serve(
            crowd.welcome,
            "127.0.0.1",
            port,
            server_header=None,
            compression=None,
            ping_interval=10,
            ping_timeout=30,
            write_limit=32_768,
        ),
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(crowd.tell_positions())
        tasks.create_task(crowd.tell_progress())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        picture = msgspec.json.decode(Path(sys.argv[3]).read_bytes())["images"][0].encode()
        loop.run(main(int(sys.argv[1]), Crowd(int(sys.argv[2]), picture)))
