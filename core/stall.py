"""Stall: a peer that does not read what it is sent, or is gone, is cut off, on every wire by the same rule.

Not a time limit on an answer: a large picture over a slow line takes as long as it takes. Only who takes
nothing at all for STALL_SECONDS is given up; its connection breaks, which is a hang-up like any other.
"""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

STALL_SECONDS = 120.0
"""A peer that takes nothing for so long is cut off. One that bounds its own rate, as curl does, takes a
megabyte at once and then nothing for a minute."""
UNSENT_BYTES = 32_768
"""What the kernel may hold for a peer beyond what is on its way: more would hide whether it reads, and would
only make its progress stale."""


def notice_vanished(line: socket.socket, seconds: int) -> None:
    """Have the system give up a peer that lost its power or its network; a listener's connections inherit it.

    Who was silent for so many seconds is asked up to three times; by themselves systems begin with that after
    two hours. What is not acknowledged for twice as long is sent no more: else that goes on for a quarter of
    an hour, and nothing is asked meanwhile.
    """
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # macOS has another name for the first, and none for the last, which counts milliseconds.
    options = (
        ("TCP_KEEPIDLE", seconds),
        ("TCP_KEEPALIVE", seconds),
        ("TCP_KEEPINTVL", 10),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 2000 * seconds),
    )
    for option, value in options:
        if hasattr(socket, option):
            with suppress(OSError):  # WSL 1 has the name of the last, and not the option
                line.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def write_together(
    transport: asyncio.WriteTransport, pieces: Sequence[bytes | memoryview], limit: int
) -> None:
    """Write these in one call of the system, and uncopied, where the event loop can do that.

    `limit` are the bytes that the transport may hold before its protocol is told to pause.
    """
    transport.writelines(pieces)
    if transport.get_write_buffer_size() > limit:
        # asyncio of Python 3.12.0 to 3.12.8 and of 3.13.0 does not tell in `writelines` that the client does
        # not keep up (CVE-2024-12254). This looks again, and changes nothing else.
        transport.set_write_buffer_limits(high=limit)


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
