"""Peer: the other end of one websocket, and what it may cost us.

What websockets bounds by itself: the size and number of unread messages, the time of the handshake, and
pings that are not answered. What it does not: a peer that stops reading (its `drain` waits for ever, and
so does the ping behind it), one that only pings (pongs are written without a bound), one that closes and
then does not read our answer, and how much a stranger sends before its key is looked at.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection

from core import Visitor

STALL_SECONDS = 30.0
"""A peer that reads less than STALL_BYTES in this time is cut off."""
STALL_BYTES = 32_768
UNSENT_BYTES = 131_072
"""What the kernel may hold for a peer that reads slowly: more would only make its progress stale."""
MOST_PONGS = 65_536
"""Bytes that may be written in answer to a peer that does not read."""
STRANGER_BYTES = 8_192
"""What a peer may send before its key was checked."""
PARTING_SECONDS = 0.5
"""How long a peer that closes may take to read our answer: it may have stopped reading for ever."""


class Peer(ServerConnection):
    """A connection with its bounds, and what the handshake found out."""

    visitor: Visitor
    """Who asks."""
    stranger: bool = False
    """The key is still to come."""

    _unsent: int = 0
    _pongs: int = 0
    _heard: int = 0
    _stall: asyncio.TimerHandle | None = None
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        bounded: Any = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            with suppress(OSError):  # macOS: a peer that is gone already
                bounded.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        # The first read was judged before the second one comes: the handler runs in between.
        if self.stranger and self._heard > STRANGER_BYTES:
            self.transport.abort()
            return
        self._heard += len(data) if self.stranger else 0
        before = self.transport.get_write_buffer_size()
        super().data_received(data)
        if self._stall is not None:
            self._pongs += max(0, self.transport.get_write_buffer_size() - before)
            if self._pongs > MOST_PONGS:
                self.transport.abort()
        if self.protocol.close_rcvd is not None:
            self.end_within(PARTING_SECONDS)

    def eof_received(self) -> None:
        """See asyncio.Protocol."""
        super().eof_received()
        self.end_within(PARTING_SECONDS)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        super().pause_writing()
        self._pongs = 0
        self._watch_stall()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        for timer in (self._stall, self._end):
            if timer is not None:
                timer.cancel()
        self._stall = self._end = None

    def end_within(self, seconds: float) -> None:
        """Cut the connection unless the peer has closed it by then; the first call counts."""
        if self._end is None:
            self._end = self.loop.call_later(seconds, self.transport.abort)

    def _watch_stall(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(STALL_SECONDS, self._look_for_progress)

    def _look_for_progress(self) -> None:
        # Not a time limit on a message: a large picture over a slow line takes as long as it takes.
        if self.transport.get_write_buffer_size() > self._unsent - STALL_BYTES:
            self.transport.abort()
        else:
            self._watch_stall()
