"""Backends: servers that paint. One interface, whatever API a server speaks."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from core.errors import BackendError
from core.events import Completed, Progress
from core.offers import Offer
from core.queues import Wish
from core.request import ImageRequest

OnProgress = Callable[[Progress], Awaitable[None]]
"""Called with each Progress of the picture that is being painted."""


def task_prefix(deployment: str) -> str:
    """How the names begin of all tasks of a deployment: by it we know our own pictures on a server again."""
    return f"sd-b64-{deployment}-"


class Unreachable(BackendError):
    """The server was not reached or let us not in: nothing was painted, so no attempt is used up."""


class Limited(BackendError):
    """The server answers only so often: no fault of the job, so no attempt is used up.

    For `retry_after` seconds it is to be left alone.
    """


class Wishes:
    """The latest Wish of a claim, shared by the worker that hears it and the backend that heeds it."""

    def __init__(self, wish: Wish) -> None:
        self.current = wish
        self._changed: asyncio.Event | None = None
        """Made once somebody waits: most pictures are painted before their wish changes."""
        self._begin: Callable[[], None] | None = None

    def update(self, wish: Wish) -> None:
        """Replace the wish and wake whoever waits for a change."""
        if wish != self.current:
            self.current = wish
            if self._changed is not None:
                self._changed.set()
                self._changed = None
            self._begin_if_watched()

    def once_watched(self, begin: Callable[[], None] | None) -> None:
        """Call `begin` once: now if somebody watches, else as soon as somebody does. None calls that off."""
        self._begin = begin
        self._begin_if_watched()

    def _begin_if_watched(self) -> None:
        if self.current.watched and self._begin is not None:
            begin, self._begin = self._begin, None
            begin()

    async def changed(self) -> None:
        """Wait until the wish is another one."""
        if self._changed is None:
            self._changed = asyncio.Event()
        await self._changed.wait()


class Backend(Protocol):
    """One server that paints one picture at a time."""

    @property
    def name(self) -> str:
        """`host:port`; holds no credentials."""

    @property
    def offer(self) -> Offer:
        """What the last look found, and what was learned since (model, another pace); asks nobody."""

    async def look(self) -> Offer:
        """Ask the server what it offers. Never raises for a server's faults: then `usable` is False.

        Not usable, too, while it still paints a job that was given up (which `look` tries to stop again),
        and, before it was seen idle once, while it paints anything at all that moves.
        """

    async def paint(
        self, task: str, request: ImageRequest, on_progress: OnProgress, wishes: Wishes
    ) -> Completed:
        """Paint; `task` is our own name for it on that server.

        Progress is polled only while `wishes` says that somebody watches. Raises Unreachable (nothing was
        painted), Limited (the server takes no more for a while), InvalidRequest (the server refused the
        parameters), BackendError (anything else).
        Cancelled, it hangs up; the server may go on painting: that is what `interrupt` is for.
        """

    async def interrupt(self, task: str) -> None:
        """Stop this task, and only this one: returns once the server no longer paints or holds it.

        Waits while the task queues behind somebody else's picture on that server. Gives up after a while
        (the task then counts as given up until `look` sees the server without it). Never raises for a
        server's faults.
        """
