"""Watched: a job as the watchers in this process see it. No I/O: it only tells its watches.

A job that has ended may be put again under the same id: that is its next life. Versions tell what is news
from what comes late, of this life or of the one before. They only rise, unless Valkey has lost what it had
not written down: then all is in doubt, and whatever is told next is news.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from msgspec.structs import replace

from core.events import End, Event, Failed, Progress, Queued, Started
from core.queues.place import Place
from core.queues.valkey.records import CANCELLED
from core.queues.valkey.shown import Ended, Shown
from core.watch import Watch

PutAgain = Callable[[], Awaitable[Any]]
"""Puts a job that had been accepted, and that the queue has lost."""
JUST_PUT = 60.0
"""Seconds after which a job that was put here and is not there any more has had its life."""
LOOKS_FOR_LOST = 3
"""Looks at a job that the queue has lost, while another front end may put it again."""
LOST = Failed("queue_unavailable", "the shared queue lost this job when it was away; ask again", 2.0)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that was put here: how to do so again, when it was (on our clock), whether to keep it."""

    put: PutAgain
    at: float
    keep: bool

    def is_no_more(self, shown: Shown, now: float) -> bool:
        """Whether it is lost, or has ended with the one who had put it before.

        One that is to be kept ends so only if somebody cancels it.
        """
        if now >= self.at + JUST_PUT:
            return False
        cancelled = isinstance(shown, Ended) and shown.words == CANCELLED
        return shown == "none" or (cancelled and not self.keep)


@dataclass(slots=True, eq=False)
class Watched:
    """One job; `version` is that of the last state that was heard of it."""

    id: str
    watches: dict[Watch, int] = field(default_factory=dict)
    """Each with the version since which it watches: what ended before was another life of the job."""
    entering: set[Watch] = field(default_factory=set)
    """Those whose first state is on its way."""
    fetchers: set[Watch] = field(default_factory=set)
    """Those whose first state is an end, who wait for its pictures: they watch nothing that comes after."""
    version: int = -1
    place: Place | None = None
    """Where it waits, if it does."""
    last: Event | None = None
    saying: asyncio.Lock = field(default_factory=asyncio.Lock)
    """What its watches want is said by one call at a time: two on their way could overtake each other."""
    sayers: int = 0
    """How many say that, or wait for their turn to."""
    said_again: bool = False
    """Whether it was said once more that it is watched here: its next life may have begun before that."""
    put: PutAgain | None = None
    """How it was put, if that was done here."""
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Its result is fetched by one at a time: the others find it."""
    ending: int = -1
    """The version of the end whose result is being fetched; -1 for none."""
    missing: int = 0
    """How often in a row the queue did not know it."""

    @property
    def flags(self) -> int:
        """What they want, as the scripts write it: 1, 2 for progress, 4 for previews; 0 for nobody."""
        flags = 0
        for watch in self.watches.keys() | self.entering:
            flags |= 1 | (2 if watch.progress else 0) | (4 if watch.preview else 0)
        return flags

    @property
    def is_done_with(self) -> bool:
        """Whether nobody here watches it, and the queue was told so."""
        return not (self.watches or self.entering or self.fetchers or self.sayers)

    @property
    def is_ending(self) -> bool:
        """Whether its result is being fetched."""
        return self.ending >= 0

    @property
    def is_seen(self) -> bool:
        """Whether it is as its watches know it: nothing put that in doubt, and no result is on its way."""
        # What is quickest to see comes first: the pulse asks this of all jobs in one go.
        return (self.version >= 0 and not self.is_ending) or not self.flags

    def say_again(self) -> int:
        """What they want, for a call that says it again; noted now: cut off, it may be heard all the same."""
        self.said_again = True
        return self.flags

    def doubt(self) -> None:
        """The queue may have gone back: it gives versions a second time then."""
        self.version = -1
        self.watches = dict.fromkeys(self.watches, -1)

    def hear(self, version: int, event: Event) -> None:
        """Tell all watches, unless it is no news: messages may come late, or twice."""
        last = self.last
        if version < self.version:
            return
        if event == last or (isinstance(last, Progress) and event == replace(last, preview=None)):
            self.version = version  # perhaps of its next life: then what comes late of this one is no news
            return
        if version == self.version:
            if isinstance(event, Started):
                return
            if isinstance(event, Progress) and isinstance(last, Progress) and event.fraction < last.fraction:
                return
        self.version = version
        self.last = event
        if not isinstance(event, Queued):
            self.place = None
        for watch in self.watches:
            watch.tell(event)

    def end(self, end: End, version: float = inf) -> None:
        """The last that is told: to all watches, or to those of the life that ended with this version."""
        if version >= self.version:
            self.place = None
        for watch in [watch for watch, since in self.watches.items() if since <= version]:
            watch.tell(end)
            del self.watches[watch]

    def give_up(self, end: End) -> None:
        """The same, to those as well who have not been told anything yet."""
        self.watches |= dict.fromkeys(self.entering | self.fetchers, -1)
        self.entering.clear()
        self.fetchers.clear()
        self.end(end)
