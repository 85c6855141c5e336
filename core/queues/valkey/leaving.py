"""Leaving: tells the queue which jobs nobody in this process watches any more, also after an outage."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from itertools import count
from typing import Any

from core.errors import QueueUnavailable
from core.queues.valkey.records import CANCELLED
from core.queues.valkey.store import NO_TURN, Store
from core.queues.valkey.watched import Watched

MOST_DOUBTED = 10_000
"""How many jobs are remembered that may have been put while the queue was away. It is told of no more: nearly
all were never put, and one that was ends by itself, or is painted for nobody."""
ABANDONED_AT_ONCE = 4
"""Jobs that one process has ended at once, when a client breaks off."""

Spawn = Callable[[Coroutine[Any, Any, None]], None]
"""Runs a task that nobody waits for; what it raises is logged."""


class NewestFirst:
    """`async with` it: so many at once, and of those who wait whoever came last goes first.

    A job that ends moves up what its caller put after it: where the last one ends first, none is moved.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it has come
                self._pass_on()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.pop()
            if not turn.cancelled():
                turn.set_result(None)
                return
        self._free += 1


class Leaving:
    """Says at once that a job was left; where the queue is away, with a later pulse.

    `jobs` are those that are watched here.
    """

    def __init__(
        self,
        store: Store,
        process: str,
        spawn: Spawn,
        jobs: Mapping[str, Watched],
    ) -> None:
        self._store = store
        self._process = process
        self._spawn = spawn
        self._jobs = jobs
        self._unsaid: dict[str, bool] = {}
        """Jobs that were left, of which the queue may not have heard, and whether to abandon them."""
        self.numbers = count(1)
        """Of the words on what is watched here: the queue drops one that was cut off and comes late."""
        self._says_all = False
        self._turn = NewestFirst(ABANDONED_AT_ONCE)
        self._under_way: dict[str, asyncio.Event] = {}
        """Jobs of which it is being said, and what tells that it was."""

    def __contains__(self, id: str) -> bool:
        return id in self._unsaid

    def later(self, id: str, *, abandon: bool) -> None:
        """Say it as soon as the queue is there."""
        self._unsaid[id] = abandon

    def doubt(self, id: str) -> None:
        """Say it of a job that may have been put: only the answer may have been lost."""
        if len(self._unsaid) < MOST_DOUBTED:
            self.later(id, abandon=True)

    def say_all(self) -> None:
        """Say what is unsaid, beside the pulse: after a long absence that may be very many."""
        if self._unsaid and not self._says_all:
            self._says_all = True
            self._spawn(self._say_all())

    async def say(self, id: str, *, abandon: bool) -> None:
        """Say that nobody here watches this job."""
        heard = self._under_way[id] = asyncio.Event()
        said = False
        try:
            said = await self.tell_flags(id, lambda: 0, abandon=abandon)
        finally:
            if not said:
                self.later(id, abandon=abandon)
            heard.set()
            if self._under_way.get(id) is heard:
                del self._under_way[id]

    async def until_said(self, id: str) -> None:
        """Wait until no such word is on its way: it could overtake one who comes back just then, and end the
        job."""
        while id in self._under_way:
            await self._under_way[id].wait()

    async def tell_flags(self, id: str, flags: Callable[[], int], *, abandon: bool) -> bool:
        """Say what is watched of a job here (see Watched.flags) in its turn; False if the queue is away."""
        try:
            words, turn = (id, self._process, int(abandon), CANCELLED), self._turn if abandon else NO_TURN
            await self._store.call("unwatch", *words, last=lambda: (flags(), next(self.numbers)), turn=turn)
        except QueueUnavailable:
            return False
        return True

    async def _say_all(self) -> None:
        try:
            for id in reversed(self._unsaid.copy()):
                job = self._jobs.get(id)
                if job is not None and job.sayers and not job.flags:
                    continue  # what was wanted before is still on its way, and could overtake this
                abandon = self._unsaid.pop(id, None)
                if abandon is None:
                    continue
                if job is not None and job.flags:
                    job.said_again = True  # it is watched once more: the word is said when that is over
                    continue
                await self.say(id, abandon=abandon)
                if id in self._unsaid:  # the queue is away again
                    return
        finally:
            self._says_all = False
