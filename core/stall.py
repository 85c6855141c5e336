"""Stall: a peer that does not read what it is sent is cut off, on every wire by the same rule.

Not a time limit on an answer: a large picture over a slow line takes as long as it takes. Only who takes
nothing at all for STALL_SECONDS is given up; its connection breaks, which is a hang-up like any other.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Any

STALL_SECONDS = 30.0
"""A peer that takes nothing for so long is cut off."""
UNSENT_BYTES = 32_768
"""What the kernel may hold for a peer beyond what is on its way: more would hide whether it reads, and would
only make its progress stale."""


class Stall:
    """Watches one transport: `begin` where its protocol is told to pause writing, `end` where to resume.

    Call `end` as well when the connection is lost.
    """

    __slots__ = ("_loop", "_timer", "_transport", "_unsent")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None
        bounded: Any = transport.get_extra_info("socket")
        if bounded is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):  # Windows has none
            with suppress(OSError):  # macOS: a peer that is gone already
                bounded.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    @property
    def watching(self) -> bool:
        """Whether the peer has something to take that the transport still holds."""
        return self._timer is not None

    def begin(self) -> None:
        """The peer does not keep up: from now on it has to take something."""
        self.end()
        self._unsent = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(STALL_SECONDS, self._judge)

    def grow(self, size: int) -> None:
        """So many bytes were written meanwhile; they are not to hide what the peer took."""
        self._unsent += size

    def end(self) -> None:
        """The peer has caught up, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _judge(self) -> None:
        self._timer = None
        if self._transport.get_write_buffer_size() < self._unsent:
            self.begin()
        else:
            self._transport.abort()
