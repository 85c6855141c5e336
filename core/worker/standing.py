"""Standing: what is known of one backend, by looks and by its pictures, and what the queue was told of it."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from core.backends import Backend
from core.offers import Offer
from core.queues import Queue
from core.worker.health import Health

log = logging.getLogger(__name__)

LOOK_SOON = 0.3
"""Seconds between two looks at a backend that is about to be free: ours is interrupted within a second."""
REFUSALS = 5
"""Requests that a backend may refuse in a row before that counts as its own failure."""
LOOK_EVERY = 5.0
"""Seconds between two looks at a backend that is well; an offer is repeated as often."""
LONG_LIMITED = 300.0
"""Seconds for which a backend may limit its pictures before new work is refused and not let in to wait: one
that counts over a minute is back by then, and one that counts over a day is not."""


class Standing:
    """Of one backend. `on_due` is called when the next look is due, whoever is to see to that."""

    def __init__(
        self, queue: Queue, backend: Backend, clock: Callable[[], float], on_due: Callable[[], None]
    ) -> None:
        self._queue = queue
        self._backend = backend
        self._clock = clock
        self._on_due = on_due
        self._looks = Health()
        self._paintings = Health()
        self._refusals = 0
        """Requests that it refused since its last picture."""
        self._limited_since = self._limited_until = float("-inf")
        """When a row of limits began (it painted nothing since), and when the last of them is over."""
        self._told = Offer(backend.name, usable=False, problem="not looked at yet")
        """The offer as the queue knows it."""
        self._told_at = float("-inf")
        self._telling = asyncio.Lock()
        """One at a time: of two that wait for a queue that is away the older word might get there last."""
        self._alarm: asyncio.TimerHandle | None = None
        self.offer = self._told
        self.look_due = True
        self.first_look = asyncio.Event()
        """Set once the queue knows what a look has found."""

    def close(self) -> None:
        """No more look comes due."""
        if self._alarm is not None:
            self._alarm.cancel()

    @property
    def rest(self) -> float:
        """Seconds until the backend may be looked at, or given a job."""
        rest = max(self._looks.rests_until, self._paintings.rests_until) - self._clock()
        if rest > 0:
            return rest
        return LOOK_SOON if self.offer.resting else 0.0

    async def rest_over(self) -> None:
        """Leave the backend alone for as long as it rests; in a long rest its offer would lapse."""
        while (rest := self.rest) > LOOK_EVERY:
            await asyncio.sleep(LOOK_EVERY)
            await self.tell()
        if rest > 0:
            await asyncio.sleep(rest)

    async def look(self) -> None:
        """See what the backend offers now, and say so."""
        self._turn_to(await self._backend.look())
        self.looked()
        if self.offer.takes_work:
            self._looks.succeeded()
        else:
            self._looks.failed(self._clock())
        await self.tell()
        self.first_look.set()

    def looked(self) -> None:
        """From now on the next look is due after a while."""
        self.close()
        self.look_due = False
        self._alarm = asyncio.get_running_loop().call_later(LOOK_EVERY, self._ring)

    def _ring(self) -> None:
        self.look_due = True
        self._on_due()

    def learn(self) -> None:
        """What a picture shows of its server."""
        self._paintings.succeeded()
        self._refusals = 0
        self._limited_until = float("-inf")
        self._turn_to(self._backend.offer)

    def _turn_to(self, offer: Offer) -> None:
        """From now on this is the offer; that it leaves service, or is back, is told in the log once."""
        before, self.offer = self.offer, offer
        if offer.usable == before.usable and offer.problem == before.problem:
            return
        if offer.usable:
            log.info("%s: ready", offer.backend)
        else:
            log.warning("%s: %s", offer.backend, offer.problem)

    @property
    def loads_another(self) -> bool:
        """Whether it has another model in its memory than the queue knows of."""
        return self.offer.loaded != self._told.loaded

    @property
    def repeat_due(self) -> bool:
        """Whether the offer is to be said again, though nobody looks: its backend paints."""
        return self._clock() - self._told_at >= LOOK_EVERY

    async def tell(self) -> None:
        """Say the offer, or repeat it: it lapses."""
        async with self._telling:
            self._told, self._told_at = self.offer, self._clock()
            await self._queue.offer(self.offer)

    async def tell_news(self) -> None:
        """Say the offer if the queue knows another one."""
        if self.offer is not self._told and self.offer != self._told:
            await self.tell()

    async def failed(self, problem: str, *, counts: bool, rest: float = 0.0) -> None:
        """It did not paint. With `counts`, or with a `rest` (seconds) that it asked for, it did answer.

        Then it is only resting, for as long as it asked or for a moment, and new work may wait for it; but
        not for one that has limited its pictures for minutes.
        """
        answered = counts or rest > 0
        (self._paintings if answered else self._looks).failed(self._clock(), rest)
        await self.say_unusable(problem, resting=answered and not self._is_limited_for_long(rest))

    def _is_limited_for_long(self, rest: float) -> bool:
        """Note that it asked for a rest, if it did.

        A row of these is over where nobody has asked it for a picture for as long.
        """
        if not rest:
            return False
        now = self._clock()
        if now - self._limited_until >= LONG_LIMITED:
            self._limited_since = now
        self._limited_until = now + rest
        return now - self._limited_since >= LONG_LIMITED

    async def refused(self, problem: str) -> None:
        """It found a request wrong. One that finds all of them so draws the jobs of those that are well."""
        self._refusals += 1
        if self._refusals >= REFUSALS:
            await self.failed(problem, counts=True)

    async def say_unusable(self, problem: str, *, resting: bool) -> None:
        """Say that it gets no job, and why."""
        problem = problem.removeprefix(f"{self.offer.backend}: ")
        self._turn_to(replace(self.offer, usable=False, resting=resting, problem=problem))
        await self.tell()

    async def hold_off(self, moment: float) -> None:
        """Repeat the offer for as long as the server is not free. Ends by cancellation.

        After a moment (seconds) it is no offer any more: the server may be busy with what it had for long.
        """
        await asyncio.sleep(moment)
        if self.offer.usable:
            await self.say_unusable("still has a job that was cancelled", resting=True)
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.tell()
