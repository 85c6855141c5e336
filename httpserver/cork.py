"""Cork: what is written in several calls leaves in one, as by `cork()` of Node's streams."""

import asyncio
from collections.abc import Callable
from typing import Any

from core import write_together


class Corkable:
    """A transport of the event loop that keeps what is written between `cork` and `uncork`.

    Its protocol is told to pause from the first byte on that the client does not take: an answer that has
    ended is watched as well.

    aiohttp writes an answer's head and each piece of its body by itself. Each of that is a call of the
    system, and wakes the client for a part of what it waits for.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=0)
        self._transport = transport
        self._kept: list[bytes | memoryview] = []
        self.is_closing = transport.is_closing  # asked with each write
        self.write: Callable[[bytes | memoryview], None] = transport.write
        self.writelines: Callable[[list[bytes | memoryview]], None] = transport.writelines

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def cork(self) -> list[bytes | memoryview]:
        """Keep what is written from now on, in this list."""
        self.write, self.writelines = self._kept.append, self._kept.extend
        return self._kept

    def uncork(self) -> None:
        """Write what was kept: in one call, and uncopied, where the event loop can do that."""
        self.write, self.writelines = self._transport.write, self._transport.writelines
        kept, self._kept = self._kept, []
        if kept:
            write_together(self._transport, kept, 0)
