"""Watch: one watcher's view of a job, a stream of Events that never grows."""

import asyncio
from collections import deque
from collections.abc import Callable

from msgspec.structs import replace

from core.events import End, Event, Progress, Queued, Started

AtOnce = Callable[[Queued | Started | Progress], bool]


class Watch:
    """Iterate over it with `async for`: the job's last state first, an End last, then it stops.

    An unread Progress is replaced by a newer one, and a Queued replaces all that is unread (what was said
    of an earlier attempt is out of date): so a watcher that reads slowly, or not at all, holds at most one
    event of each sort, and delays nobody. One task at a time may iterate.
    """

    def __init__(self, id: str, *, preview: bool = False, progress: bool = True, place: bool = True) -> None:
        self.id = id
        self.preview = preview
        """Whether this watcher wants previews with its Progress."""
        self.progress = progress
        """Whether it reads Progress at all."""
        self.place = place
        """Whether it reads where the job stands, as all do that read progress; without both it waits for the
        end alone."""
        self.at_once: AtOnce | None = None
        """Takes an event that is no End at once and returns True, so that nobody need be woken; if it returns
        False the event is queued. It must not raise."""
        self._unread: deque[Event] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._over = False

    def begin(self, state: Event) -> None:
        """Tell the job's last state first, its progress also where no more of that is read."""
        if isinstance(state, Progress) and self.place and not self.progress:
            self._unread.append(replace(state, preview=None))
        else:
            self.tell(state)

    def tell(self, event: Event) -> None:
        """Add an event; called by the queue, never waits."""
        if not (self.place or self.progress or isinstance(event, End)):
            return
        if isinstance(event, Queued):
            self._unread.clear()
        elif isinstance(event, Progress):
            if not self.progress:
                return
            if event.preview is not None and not self.preview:
                event = replace(event, preview=None)
            if self._unread and isinstance(self._unread[-1], Progress):
                self._unread.pop()
        if (
            self.at_once is not None
            and not self._unread
            and not isinstance(event, End)
            and self.at_once(event)
        ):
            return
        self._unread.append(event)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> "Watch":
        return self

    async def __anext__(self) -> Event:
        while not self._unread:
            if self._over:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        event = self._unread.popleft()
        self._over = isinstance(event, End)
        return event

    async def end(self) -> End:
        """Wait for how the job ends, whatever happens before."""
        async for event in self:
            if isinstance(event, End):
                return event
        raise RuntimeError("this watch was read to its end before")
