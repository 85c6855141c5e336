"""Pings: whether silent peers are still there. One timer sees to it that all of them are asked.

The library's keepalive has a task for each connection, and a timer and a future for each ping: two kilobytes
of an idle connection, and twice the time.
"""

import asyncio
from collections import OrderedDict

from wsserver.peer import Peer

AT_ONCE = 100
"""Peers that are asked before others have their turn: about a millisecond's work."""


class Pings:
    """Each peer is asked every `interval` seconds, or a tenth of that later; see `Peer.ask` for `timeout`.

    `close` it at the end.
    """

    def __init__(self, interval: float, timeout: float) -> None:
        self._interval = interval
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._due: OrderedDict[Peer, float] = OrderedDict()
        """When each is asked next, the first first."""
        self._timer = self._loop.call_later(interval, self._ask)

    def add(self, peer: Peer) -> None:
        """Ask this one as well, from an interval on."""
        self._due[peer] = self._loop.time() + self._interval

    def discard(self, peer: Peer) -> None:
        """Ask it no more."""
        self._due.pop(peer, None)

    def close(self) -> None:
        """Ask nobody any more."""
        self._timer.cancel()

    def _ask(self) -> None:
        now = self._loop.time()
        pause = self._interval / 10  # who is due meanwhile is asked together
        try:
            for asked in range(len(self._due)):
                peer, due = next(iter(self._due.items()))
                if due > now:
                    break
                if asked == AT_ONCE:
                    pause = 0.0
                    break
                self._due[peer] = now + self._interval
                self._due.move_to_end(peer)
                peer.ask(now, self._timeout)
        finally:  # a fault with one peer must not leave all others unasked
            self._timer = self._loop.call_later(pause, self._ask)
