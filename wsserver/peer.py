"""Peer: the other end of one websocket, and what it may cost us.

What websockets bounds by itself: the size and number of unread messages, and the time of the handshake.
What it does not: a peer that stops reading (its `drain` waits for ever), one that is silent (see `Pings`),
one that only pings (that takes time, and pongs are written without a bound), one that closes, or sends what
is no frame, and then does not read our answer, how much somebody sends before he is known, and how
many frames come in one read: all of them were parsed before anybody else had his turn.
"""

import asyncio
import struct
from contextlib import suppress
from typing import cast

from websockets.asyncio.server import ServerConnection
from websockets.frames import CTRL_OPCODES, CloseCode, Frame
from websockets.protocol import SEND_EOF, Event, State

from core import Stall, Visitor, write_together
from core.wire import Parts
from wsserver.guide import UNREADABLE

MOST_PONGS = 65_536
"""Bytes that may be written in answer to a peer that does not read."""
MOST_CONTROLS = 10_000
"""Pings and pongs that a peer may send between two pings of ours: three milliseconds' work a second."""
LONGEST_HEAD = 32_768
"""What it may send before its handshake was read: the library would take 128 headers of 8 KiB."""
STRANGER_BYTES = 8_192
"""What a peer may send before its key was checked."""
SLICE = 4_096
"""Bytes that are parsed before the rest of a read, and before others have their turn: two milliseconds' work
where all of it is empty frames."""
LARGE = 65_536
"""Bytes from which on a message is not joined with the head of its frame."""
PING = b"\x89\x00"
"""An empty one, whole and unmasked (RFC 6455, 5.5.2)."""
PARTING_SECONDS = 0.5
"""How long a peer that closes may take to read our answer: it may have stopped reading for ever."""


def frame_head(size: int) -> bytes:
    """What stands before the payload (bytes) of a whole text, unmasked and uncompressed (RFC 6455, 5.2).

    websockets copies a picture into its frame, for each peer that it goes to, and takes twenty calls of
    functions for a short message.
    """
    if size < 126:
        return struct.pack("!BB", 0x81, size)
    return struct.pack("!BBH", 0x81, 126, size) if size < 65_536 else struct.pack("!BBQ", 0x81, 127, size)


class Peer(ServerConnection):
    """A connection with its bounds, and what the handshake found out."""

    visitor: Visitor
    """Who asks."""
    stranger: bool = False
    """The key is still to come."""

    _stall: Stall
    _pongs: int = 0
    _controls: int = 0
    """Its pings and pongs since our last one."""
    _heard: int = 0
    """Bytes of its handshake, and then of a stranger."""
    _rest: bytes = b""
    """What was read and not parsed. Until it is, nothing more is read."""
    _last: bytes = b""
    """Three bytes at the end of its request so far: the empty line behind it may come in two reads."""
    _held: bool = False
    """It has said something before its request was answered."""
    _unanswered_since: float | None = None
    """When it was first asked whether it is there since it was heard, by the event loop's clock."""
    _end: asyncio.TimerHandle | None = None

    async def room(self) -> None:
        """Wait until it has read so much of what it was sent that more may be written, or is gone."""
        with suppress(OSError):
            await self.drain()

    def send_at_once(self, message: bytes | memoryview) -> None:
        """Send a message without waiting until the peer reads it. A peer that is gone hears nothing."""
        if self.state is State.OPEN and not self.transport.is_closing():
            self.transport.write(frame_head(len(message)) + message)

    async def send_text(self, parts: Parts) -> None:
        """Send one message in parts that follow one another. Raises ConnectionClosed, as `send` does."""
        size = sum(map(len, parts))
        if size < LARGE or self.transport.is_closing():
            await self.send(b"".join(parts), text=True)
            return
        async with self.send_context():
            write_together(self.transport, (frame_head(size), *parts), self.write_limit_high)

    def ask(self, now: float, timeout: float) -> None:
        """Ask it by a ping whether it is there, and cut it off if it has not answered for so many seconds.

        Not while we hold something for it, whose end its answer would have to wait for (that is for the stall
        to judge), nor while we do not read what it says. What the kernels hold it must read within that time.
        """
        self._controls = 0
        if self.state is State.CLOSING:  # after a frame that is none it may wait for ever
            self.end_within(PARTING_SECONDS)
        if self.state is not State.OPEN or self.transport.is_closing():
            return
        if self.paused or not self.transport.is_reading():
            self._unanswered_since = None
            return
        if self._unanswered_since is None:
            self._unanswered_since = now
        elif now - self._unanswered_since >= timeout:
            self._fail(CloseCode.INTERNAL_ERROR, "no answer to a ping")
            return
        self.transport.write(PING)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._stall = Stall(cast(asyncio.Transport, transport), self.loop)
        super().connection_made(transport)
        self.recv_messages.resume = self._resume_reading

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._awaits_answer():  # it may be no websocket, and what it says no frames
            self._held = True
            self._rest += data
            self.transport.pause_reading()
            return
        most = SLICE
        if self.stranger or self.request is None:
            # What it may say was judged before there is more: the handler runs in between.
            most = min(SLICE, (STRANGER_BYTES if self.stranger else LONGEST_HEAD) - self._heard)
            if not most:
                self.transport.abort()
                return
            self._heard += min(most, len(data))
        if self.request is None:
            most = self._end_of_request(data[:most])
        if len(data) > most:
            data, self._rest = data[:most], data[most:]
        self._unanswered_since = None
        before = self.transport.get_write_buffer_size()
        super().data_received(data)
        if self.paused:
            grown = max(0, self.transport.get_write_buffer_size() - before)
            self._stall.grow(grown)
            self._pongs += grown
            if self._pongs > MOST_PONGS:
                self.transport.abort()
        if self._controls > MOST_CONTROLS and self.state is State.OPEN:
            self._fail(CloseCode.POLICY_VIOLATION, "too many pings")
        if self.state is State.CLOSING:
            self.end_within(PARTING_SECONDS)
        if self._rest and not self.recv_messages.paused:  # else messages have to be taken before
            self.transport.pause_reading()
            self.loop.call_soon(self._read_on)

    def _awaits_answer(self) -> bool:
        return self.request is not None and self.state is State.CONNECTING and not self.protocol.eof_sent

    def _end_of_request(self, data: bytes) -> int:
        """Bytes of this that are its request."""
        so_far = self._last + data
        end = so_far.find(b"\r\n\r\n")
        size = len(data) if end < 0 else end + 4 - len(self._last)
        self._last = so_far[-3:]
        return size

    def send_data(self) -> None:
        """See ServerConnection. The library would close without a word where it cannot read a request."""
        if self._speaks_something_else():
            self.transport.write(UNREADABLE)
        super().send_data()
        if self._held and not self._awaits_answer():
            self._held = False
            self._resume_reading()

    def _speaks_something_else(self) -> bool:
        unread = self.request is None and self.protocol.handshake_exc is not None
        has_gone = self.protocol.reader.eof  # before its request was whole
        return unread and not has_gone and self.protocol.writes == [SEND_EOF]

    def _read_on(self) -> None:
        data, self._rest = self._rest, b""
        if self.transport.is_closing():
            return
        self.data_received(data)
        if not self._rest and not self.recv_messages.paused:
            # Behind the turn of whoever takes the last message: uvloop would tell before it that the peer has
            # closed its side, and nothing can be answered then.
            self.loop.call_soon(self._resume_reading)

    def _resume_reading(self) -> None:
        """In place of the transport's own, which the library calls once enough messages were taken."""
        if self._rest:
            self.loop.call_soon(self._read_on)
        else:
            self.transport.resume_reading()

    def process_event(self, event: Event) -> None:
        """See ServerConnection."""
        if isinstance(event, Frame) and event.opcode in CTRL_OPCODES:
            self._controls += 1
        elif self.request is None:
            self._heard = 0
        super().process_event(event)

    def eof_received(self) -> None:
        """See asyncio.Protocol."""
        super().eof_received()
        self.end_within(PARTING_SECONDS)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        super().pause_writing()
        self._pongs = 0
        self._stall.begin()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        super().resume_writing()
        self._unanswered_since = None  # it has read, so it is there
        self._stall.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self._stall.end()
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def _fail(self, code: CloseCode, reason: str) -> None:
        self.protocol.fail(code, reason)
        self.send_data()
        self.end_within(PARTING_SECONDS)

    def end_within(self, seconds: float) -> None:
        """Cut the connection unless the peer has closed it by then; the first call counts."""
        if self._end is None:
            self._end = self.loop.call_later(seconds, self.transport.abort)
