"""MemoryQueue: the queue's home for one process. Everything between two awaits is one step.

No method of it waits between reading and changing its state, so it needs no lock, and a `put` with the
`events` behind it, or a `claim` that is cancelled, cannot be cut in two.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from core.caller import Caller
from core.errors import ShuttingDown
from core.events import Cancelled, End, Failed, Progress
from core.line import FIRST, Key
from core.offers import Catalog, Kind, Offer, kind_of
from core.queues import AVOID_SECONDS, OFFER_TTL, VOID, Again, Claim, Wish
from core.queues.admission import check_backends, is_repeat
from core.queues.memory.idle import Idle
from core.queues.memory.job import Job
from core.queues.memory.jobs import Jobs
from core.queues.memory.offers import Offers
from core.queues.refusals import (
    another_request,
    not_yours,
    queue_full,
    stopping,
    too_many_jobs,
    unwanted,
    workers_vanished,
)
from core.request import ImageRequest
from core.settings import Settings
from core.status import BackendStatus, Status
from core.watch import Watch

log = logging.getLogger(__name__)

PULSE = 1.0
"""Seconds between two of these looks, see `MemoryQueue.pulse`."""
SLICE = 0.002
"""Seconds of a pulse between two turns of the event loop."""


class MemoryQueue:
    """See core.queues.Queue for what each method promises. `run` must run beside it."""

    local = True

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._offers = Offers(OFFER_TTL)
        self._jobs = Jobs(settings, self._offers, clock)
        self._idle = Idle()
        self._closed = False

    # --- the front half

    async def put(self, id: str, request: ImageRequest, caller: Caller, *, keep: bool) -> None:
        """See Queue.put."""
        known = self._jobs.get(id)
        if known is not None:
            if not is_repeat(request, known.request):
                raise another_request()
            request = known.request
            if not isinstance(known.ended, (Failed, Cancelled)):
                if keep:
                    self._jobs.keep(known)
                return
        if self._closed:
            raise stopping()
        check_backends(request, self._offers.all(self._clock()))
        if self._jobs.waiting_count >= self._settings.max_queue:
            raise queue_full(self._jobs.waiting_count)
        if self._jobs.waiting_of(caller) >= self._settings.max_jobs_per_user:
            raise too_many_jobs(self._jobs.waiting_of(caller))
        self._wake(self._jobs.add(id, request, caller, keep=keep))

    async def events(
        self, id: str, *, preview: bool = False, progress: bool = True, place: bool = True
    ) -> Watch:
        """See Queue.events."""
        watch = Watch(id, preview=preview, progress=progress, place=place)
        self._jobs.watch(self._jobs.find(id), watch)
        return watch

    async def leave(self, watch: Watch) -> None:
        """See Queue.leave."""
        job = self._jobs.live(watch.id)
        if job is not None and watch in job.watches:
            self._jobs.unwatch(job, watch)

    async def abandon(self, watch: Watch) -> None:
        """See Queue.abandon."""
        job = self._jobs.live(watch.id)
        if job is None or watch not in job.watches:
            return
        self._jobs.unwatch(job, watch)
        await self.forsake(watch.id)

    async def forsake(self, id: str) -> None:
        """See Queue.forsake."""
        job = self._jobs.live(id)
        if job is not None and not job.watches and not job.keep:
            self._jobs.end(job, Cancelled())

    async def cancel(self, id: str, caller: Caller) -> bool:
        """See Queue.cancel."""
        job = self._jobs.find(id)
        if job.caller != caller:
            raise not_yours()
        if job.ended:
            return False
        self._jobs.end(job, Cancelled())
        return True

    async def offers(self) -> Catalog:
        """See Queue.offers."""
        return Catalog(self._offers.all(self._clock()))

    async def status(self, caller: Caller) -> Status:
        """See Queue.status."""
        painting = self._jobs.busy()
        running = self._jobs.running
        return Status(
            waiting=self._jobs.waiting_count,
            running=len(running),
            callers=self._jobs.callers,
            own_waiting=self._jobs.waiting_of(caller),
            own_running=sum(job.caller == caller for job in running),
            waiting_by_caller=self._jobs.waiting_by_caller(),
            workers=1,
            backends=tuple(
                BackendStatus(offer, offer.backend in painting) for offer in self._offers.all(self._clock())
            ),
        )

    async def drain(self, grace: float) -> None:
        """See Queue.drain. What waits ends at once, so that its watchers can go elsewhere."""
        self._closed = True
        end = Failed.of(ShuttingDown("the server is about to stop; what waits is not painted any more"))
        for job in self._jobs.waiting:
            self._jobs.end(job, end)
        try:
            async with asyncio.timeout(grace):
                await self._jobs.nothing_runs.wait()
        except TimeoutError:
            cut = Failed.of(ShuttingDown("the server has stopped before this was painted"))
            for job in self._jobs.running:
                self._jobs.end(job, cut)

    # --- the worker half

    async def offer(self, offer: Offer) -> None:
        """See Queue.offer."""
        self._offers.put(offer, self._clock())

    async def claim(self, backend: str) -> Claim:
        """See Queue.claim."""
        woken_for: Kind | None = None
        while (claim := self._jobs.take(backend)) is None:
            woken_for = await self._idle.wait(backend)
        if woken_for is not None and woken_for != kind_of(claim.request):
            # It took another job that came meanwhile: what it was woken for may be for somebody else.
            self._idle.wake(woken_for, self._offers.all(self._clock()))
        return claim

    async def renew(self, claim: Claim, wish: Wish) -> Wish:
        """See Queue.renew."""
        held = self._jobs.held(claim)
        if held is None:
            return VOID
        job, lease = held
        if job.wish(self._clock()) == wish:
            lease.deadline = None
            changed = lease.changed = asyncio.Event()
            soon = min(self._settings.lease_ttl, OFFER_TTL) / 3
            alarm = asyncio.get_running_loop().call_later(soon, changed.set)
            try:
                await changed.wait()
            finally:
                alarm.cancel()
                lease.deadline = self._clock() + self._settings.lease_ttl
        lease.deadline = self._clock() + self._settings.lease_ttl
        return job.wish(self._clock()) if job.lease is lease else VOID

    async def publish(self, claim: Claim, progress: Progress) -> None:
        """See Queue.publish."""
        held = self._jobs.held(claim)
        if held is not None:
            held[0].tell(progress)

    async def finish(self, claim: Claim, outcome: End | Again) -> bool:
        """See Queue.finish."""
        held = self._jobs.held(claim)
        if held is None:
            return False
        job, lease = held
        if not isinstance(outcome, Again):
            self._jobs.end(job, outcome)
            return True
        job.failures += outcome.counts
        if job.failures >= self._settings.max_attempts:
            self._jobs.end(job, outcome.error)
            return True
        if outcome.counts:
            job.avoid, job.avoid_until = lease.backend, self._clock() + AVOID_SECONDS
        self._give_back(job)
        return True

    # --- what runs beside both

    async def run(self) -> None:
        """Pulse for ever; ends only by being cancelled."""
        while True:
            await asyncio.sleep(PULSE)
            try:
                await self.pulse()
            except Exception:  # a fault of ours in one pulse must not end all of them
                log.exception("a fault in the queue's pulse")

    async def pulse(self) -> None:
        """Once a second: what has lapsed, jobs that nobody wants, and the places of all who are watched."""
        self._jobs.purge()
        for job in self._jobs.lapsed():
            self._take_back(job)
        for job in self._jobs.unwanted():
            self._jobs.end(job, Failed.of(unwanted()))
        if self._jobs.waiting_count:
            self._idle.wake_all()  # a backend may have what was kept from it for a while
            await self._tell_places()

    async def _tell_places(self) -> None:
        for job in self._jobs.returned:
            if job.reads_place and (place := self._jobs.place(job)) != job.last:
                job.tell(place)
        key: Key | None = FIRST
        while key is not None:
            key = self._tell_places_since(key)
            await asyncio.sleep(0)

    def _tell_places_since(self, key: Key) -> Key | None:
        """Tell them for a slice of time. Returns where to go on, None at the end."""
        ends = float("inf")
        for found, job, place in self._jobs.places_since(key):
            if time.monotonic() >= ends:
                return found
            if ends == float("inf"):  # from the first on: with many kinds the way to it takes its time, too
                ends = time.monotonic() + SLICE
            if place is not None and place != job.last:
                job.tell(place)
        return None

    def _take_back(self, job: Job) -> None:
        """A job whose worker is silent: dead, or out of reach."""
        job.deliveries += 1
        if job.deliveries >= self._settings.max_deliveries:
            self._jobs.end(job, Failed.of(workers_vanished()))
        else:
            self._give_back(job)

    def _give_back(self, job: Job) -> None:
        if self._closed:
            self._jobs.end(job, Failed.of(ShuttingDown("the server is about to stop")))
        else:
            self._jobs.give_back(job)
            self._wake(job)

    def _wake(self, job: Job) -> None:
        """Wake a worker for a job that waits."""
        if self._idle:
            self._idle.wake(job.kind, self._offers.all(self._clock()), job.avoid)
