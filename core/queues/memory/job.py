"""Job: one request's life in the queue in memory."""

import asyncio

from msgspec import Struct, field

from core.caller import Caller
from core.events import End, Event
from core.offers import Kind
from core.queues import Wish
from core.request import ImageRequest
from core.watch import Watch

LOOK = 2.0
"""Seconds for which a look at a running job counts as watching it: who asks again and again watches, too."""


class Lease(Struct):
    """A worker's hold on a job. While the worker waits in `renew` it cannot lapse."""

    attempt: int
    backend: str
    started: float
    deadline: float | None
    changed: asyncio.Event | None = None
    """Set when the watchers' wish may be another one; made once the worker waits for that."""
    looked: float = float("-inf")
    """When the last watch that wants progress began."""
    looked_for_preview: bool = False
    """Whether that one wants previews."""


class Job(Struct, eq=False):
    """A request with an id, a caller and a state: waiting (no lease, no end), running (lease), ended."""

    id: str
    request: ImageRequest
    caller: Caller
    keep: bool
    kind: Kind
    """What it demands of a backend."""
    cost: float
    """The request's, reckoned once."""
    watches: set[Watch] = field(default_factory=set)
    last: Event | None = None
    """What was told last: a late watcher begins with it. None: it waits, and nobody watched it yet."""
    lease: Lease | None = None
    attempts: int = 0
    """Claims so far."""
    failures: int = 0
    """Attempts that failed while a backend painted."""
    deliveries: int = 0
    """Workers that vanished with it."""
    avoid: str | None = None
    """The backend that failed it last."""
    avoid_until: float = 0.0
    """Until then `avoid` does not get it again, if another backend can do it."""

    @property
    def ended(self) -> End | None:
        """How it ended, if it did."""
        return self.last if isinstance(self.last, End) else None

    @property
    def reads_place(self) -> bool:
        """Whether anybody wants to know where it stands."""
        return any(watch.place for watch in self.watches)

    def wish(self, now: float) -> Wish:
        """What its watchers want of the worker that holds it, those that have just left included."""
        watched = self.lease is not None and now - self.lease.looked < LOOK
        preview = self.lease is not None and watched and self.lease.looked_for_preview
        for watch in self.watches:
            watched = watched or watch.progress
            preview = preview or watch.preview
        return Wish(held=True, watched=watched, preview=preview)

    def tell(self, event: Event) -> None:
        """Tell all watchers."""
        self.last = event
        for watch in self.watches:
            watch.tell(event)

    def wish_changed(self) -> None:
        """Wake the worker that waits for another wish."""
        if self.lease is not None and self.lease.changed is not None:
            self.lease.changed.set()
