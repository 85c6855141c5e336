"""Leaving: the queue learns which jobs nobody watches here any more, also of those left while it was away."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from core.errors import QueueUnavailable
from core.queues.valkey.records import CANCELLED
from core.queues.valkey.store import Store


class Leaving:
    """Says it at once where it can, else with a later pulse.

    `is_watched` tells whether somebody here watches a job; `on_overtaking` is called where somebody came back
    while the queue was told of his leaving: which of the two it heard last is not known.
    """

    def __init__(
        self,
        store: Store,
        process: str,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        *,
        is_watched: Callable[[str], bool],
        on_overtaking: Callable[[], None],
    ) -> None:
        self._store = store
        self._process = process
        self._spawn = spawn
        self._is_watched = is_watched
        self._on_overtaking = on_overtaking
        self._unsaid: dict[str, bool] = {}
        """Jobs that were left while the queue was away, and whether to abandon them."""
        self._says_all = False

    def __contains__(self, id: str) -> bool:
        return id in self._unsaid

    def later(self, id: str, *, abandon: bool) -> None:
        """Say it as soon as the queue is there."""
        self._unsaid[id] = abandon

    def say_all(self) -> None:
        """Say what is unsaid, beside the pulse: after a long absence that may be very many."""
        if self._unsaid and not self._says_all:
            self._says_all = True
            self._spawn(self._say_all())

    async def say(self, id: str, *, abandon: bool) -> None:
        """Say that nobody here watches this job."""
        await self.want(id, 0, abandon=abandon)
        if self._is_watched(id):
            self._on_overtaking()

    async def want(self, id: str, flags: int, *, abandon: bool) -> None:
        """Say what is watched of a job here (see Watched.flags). Never raises because the queue is away."""
        try:
            await self._store.call("unwatch", id, self._process, flags, int(abandon), CANCELLED)
        except QueueUnavailable:
            if not flags:
                self.later(id, abandon=abandon)
        except asyncio.CancelledError:
            if not flags:
                self.later(id, abandon=abandon)
            raise

    async def _say_all(self) -> None:
        try:
            for id in list(self._unsaid):
                abandon = self._unsaid.pop(id, None)
                if abandon is None or self._is_watched(id):
                    continue
                await self.say(id, abandon=abandon)
                if id in self._unsaid:  # the queue is away again
                    return
        finally:
            self._says_all = False
