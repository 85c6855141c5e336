"""Outbox: what one peer is told, one message at a time."""

import asyncio
import logging
from collections.abc import Callable

from core import Internal, SdError
from wsserver.messages import error_message
from wsserver.peer import Peer

log = logging.getLogger(__name__)


class Outbox:
    """`send` returns once the peer has read enough for the next message. Raises ConnectionClosed when it is
    gone, as far as it has to wait for it.

    One message at a time is under way; what all jobs have to say beside it waits in their Watches, where
    it is replaced by what is newer. So a peer that reads slowly holds one message, and for each of its
    jobs a progress and the pictures.
    """

    __slots__ = ("_peer", "_turn", "_under_way")

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._turn = asyncio.Lock()  # wakes its waiters first come, first served
        self._under_way = 0
        """Messages that are sent or wait for their turn: between two turns the lock alone would look free."""

    async def send(self, *message: bytes | memoryview, before: Callable[[], object] | None = None) -> None:
        """Send a message, which may be in parts, when it is its turn; `before` is called right before that.

        Nothing can come between both: what the peer says after reading it is said after `before`.
        """
        if len(message) == 1 and self.is_free:  # whatever comes behind it waits, if need be
            if before is not None:
                before()
            self.send_at_once(message[0])
            return
        self._under_way += 1
        try:
            async with self._turn:
                await self._peer.room()  # what went at once may have filled it
                if before is not None:
                    before()
                await self._peer.send_text(message)
        finally:
            self._under_way -= 1

    @property
    def is_free(self) -> bool:
        """Whether nothing is under way, and the peer has read enough: what is sent now waits for nobody."""
        return not self._under_way and not self._peer.paused

    def send_at_once(self, message: bytes | memoryview) -> None:
        """Send without a turn, while `is_free`. A peer that is gone hears nothing."""
        self._peer.send_at_once(message)

    async def send_error(
        self, error: Exception, *, refused: bool, id: str | None = None, label: str | None = None
    ) -> None:
        """The one place where an error becomes a message; a fault of our own becomes a log entry, too.

        Either a message of the peer is `refused`, or its job ends so.
        """
        if not isinstance(error, SdError):
            log.error("a message or a job could not be handled", exc_info=error)
            error = Internal("a fault of our own; its details are in the server's log")
        await self.send(error_message(error, refused=refused, id=id, label=label))
