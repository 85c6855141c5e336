"""Jobs: all jobs of the queue in memory, and the steps of their lives.

    add --> waits --> take --> runs --> end
              ^-- give_back --'

Each method is one step: none of them waits. From either state a job may end.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import count

from core.caller import Caller
from core.eta import Outlook
from core.events import End, Queued, Started
from core.line import Key
from core.offers import Kind, Offer, kind_of
from core.queues import Claim
from core.queues.memory.job import Job, Lease
from core.queues.memory.kept import Kept
from core.queues.memory.offers import Offers
from core.queues.memory.places import Places
from core.queues.place import busy_seconds, outlook, paces_for, queued_event
from core.request import ImageRequest
from core.settings import Settings
from core.watch import Watch

MOMENT = 0.01
"""Seconds for which an outlook holds: an eta is told in hundredths."""


class Jobs:
    """Those that wait, those that run, and of those that have ended the ones that are kept."""

    def __init__(self, settings: Settings, offers: Offers, clock: Callable[[], float]) -> None:
        self._offers = offers
        self._clock = clock
        self._lease_ttl = settings.lease_ttl
        self._unwatched_ttl = settings.result_ttl
        self._live: dict[str, Job] = {}
        """All that wait or run."""
        self._running: dict[str, Job] = {}
        self._places = Places(self._live, settings.model_slack)
        self._kept = Kept(settings.result_ttl, settings.result_max_bytes)
        self._attempts = count(1)
        """Fences claims: grows over all jobs, so that it also goes on counting for an id painted anew."""
        self._unwatched: dict[str, float] = {}
        """Waiting jobs that nobody watches and nobody keeps, with the time since when; oldest first."""
        self._outlooks: dict[Kind, Outlook] = {}
        self._outlooks_of: tuple[Offer, ...] = ()
        self._paces: dict[Kind, dict[str, float]] = {}
        """Of those that can do jobs of a kind, by the same offers."""
        self._outlooks_until = float("-inf")
        self._outlook_busy: dict[str, float] = {}
        self.nothing_runs = asyncio.Event()
        self.nothing_runs.set()

    # --- what there is

    def get(self, id: str) -> Job | None:
        """The job that waits or runs under this id, or whose result is kept."""
        return self._live.get(id) or self._kept.get(id, self._clock())

    def find(self, id: str) -> Job:
        """The same. Raises NotFound or Expired where there is none."""
        job = self.get(id)
        if job is None:
            raise self._kept.missing(id)
        return job

    def live(self, id: str) -> Job | None:
        """The job that waits or runs under this id."""
        return self._live.get(id)

    def held(self, claim: Claim) -> tuple[Job, Lease] | None:
        """The job of a claim and its lease, if the claim is not void."""
        job = self._running.get(claim.id)
        if job is None or job.lease is None or job.lease.attempt != claim.attempt:
            return None
        return job, job.lease

    @property
    def waiting(self) -> list[Job]:
        """All that wait, in the order in which they came."""
        return [job for job in self._live.values() if job.lease is None]

    @property
    def waiting_count(self) -> int:
        """How many wait."""
        return len(self._places)

    def waiting_of(self, caller: Caller) -> int:
        """How many of this caller wait."""
        return self._places.of_callers.get(caller.name, 0)

    def waiting_by_caller(self) -> tuple[int, ...]:
        """How many of each caller wait, the most first."""
        return tuple(sorted(self._places.of_callers.values(), reverse=True))

    @property
    def running(self) -> list[Job]:
        """All that a worker holds."""
        return list(self._running.values())

    @property
    def callers(self) -> int:
        """How many callers have a job that waits or runs."""
        return len(self._places.of_callers.keys() | {job.caller.name for job in self._running.values()})

    def place(self, job: Job) -> Queued:
        """Where a waiting job stands now."""
        offers = self._look()
        ahead, work = self._places.ahead(job, offers, self._outlook_busy)
        return self._queued_event(job, ahead, work)

    def places_since(self, key: Key) -> Iterator[tuple[Key, Job, Queued | None]]:
        """Where the jobs stand from this key on in the fair order; None for one whose place nobody reads.

        Cheaper than one by one. Nothing may change meanwhile.
        """
        offers = self._look()
        for found, job, waiting in self._places.since(key, offers, self._outlook_busy):
            read = job.reads_place
            yield found, job, self._queued_event(job, *waiting.before(job.kind)) if read else None

    @property
    def returned(self) -> list[Job]:
        """Those that wait because they came back from a backend: they stand before the fair order."""
        return self._places.returned()

    def busy(self) -> dict[str, float]:
        """How many seconds each backend that paints will go on."""
        now = self._clock()
        runs = [
            (job.lease.backend, job.lease.started, job.cost)
            for job in self._running.values()
            if job.lease is not None
        ]
        return busy_seconds(runs, self._offers.paces(now), now)

    # --- who looks

    def watch(self, job: Job, watch: Watch) -> None:
        """Begin a watch with the job's last state; it goes on as long as the job does."""
        is_over = job.ended is not None
        if watch.place and job.lease is None and not is_over and (place := self.place(job)) != job.last:
            job.tell(place)  # the others, too: the pulse tells of what has changed since
        if job.last is not None:
            watch.begin(job.last)
        if not is_over:
            job.watches.add(watch)
            self._unwatched.pop(job.id, None)
            if job.lease is not None and watch.progress:
                job.lease.looked, job.lease.looked_for_preview = self._clock(), watch.preview
            job.wish_changed()

    def unwatch(self, job: Job, watch: Watch) -> None:
        """End a watch; the job goes on."""
        job.watches.remove(watch)
        job.wish_changed()
        if job.lease is None:
            self._note_unwatched(job)

    def keep(self, job: Job) -> None:
        """From now on it lives on without watchers, and so does its result."""
        job.keep = True
        self._unwatched.pop(job.id, None)

    # --- the steps

    def add(self, id: str, request: ImageRequest, caller: Caller, *, keep: bool) -> Job:
        """A new job; the result that was kept under its id goes."""
        self._kept.forget(id)
        job = self._live[id] = Job(id, request, caller, keep, kind_of(request), request.cost)
        self._places.add(job, self._offers.takers(self._clock()))
        self._note_unwatched(job)
        return job

    def take(self, backend: str) -> Claim | None:
        """Start the next job for this backend, if there is one."""
        now = self._clock()
        offer = self._offers.get(backend, now)
        job = offer and self._places.take(offer, lambda job: self._may_have(job, backend, now))
        if not job:
            return None
        job.attempts += 1
        job.lease = Lease(next(self._attempts), backend, now, now + self._lease_ttl)
        self._running[job.id] = job
        self._outlooks_until = float("-inf")
        self.nothing_runs.clear()
        self._unwatched.pop(job.id, None)
        job.tell(Started(backend, job.attempts))
        return Claim(job.id, job.lease.attempt, job.failures, job.request, job.wish(now))

    def give_back(self, job: Job) -> None:
        """A running job waits again, first in line."""
        self._release(job)
        self._places.give_back(job)
        self._note_unwatched(job)
        job.tell(self.place(job))

    def end(self, job: Job, end: End) -> None:
        """The one place where a job that waits or runs ends."""
        if job.lease is not None:
            self._release(job)
        else:
            self._places.remove(job)
            self._unwatched.pop(job.id, None)
        del self._live[job.id]
        job.tell(end)
        job.watches.clear()
        if job.keep:
            self._kept.add(job, self._clock())

    # --- what time brings

    def lapsed(self) -> list[Job]:
        """Running jobs whose worker has not renewed its lease in time."""
        now = self._clock()
        return [
            job
            for job in self._running.values()
            if job.lease is not None and job.lease.deadline is not None and job.lease.deadline <= now
        ]

    def unwanted(self) -> Iterator[Job]:
        """Waiting jobs that nobody has watched or kept for RESULT_TTL; each is to end before the next."""
        while self._unwatched:
            id, since = next(iter(self._unwatched.items()))
            if since + self._unwatched_ttl > self._clock():
                return
            yield self._live[id]

    def purge(self) -> None:
        """Let go the results that were kept for their time."""
        self._kept.purge(self._clock())

    def _look(self) -> tuple[Offer, ...]:
        """Who takes jobs; outlooks are reckoned anew each MOMENT and when an offer or a claim changes."""
        now = self._clock()
        offers = self._offers.takers(now)
        if offers is not self._outlooks_of:
            self._outlooks_of, self._outlooks_until, self._paces = offers, float("-inf"), {}
        if now >= self._outlooks_until:
            self._outlooks, self._outlooks_until = {}, now + MOMENT
            self._outlook_busy = self.busy()
        return offers

    def _queued_event(self, job: Job, ahead: int, work: float) -> Queued:
        """The event that tells of a place."""
        return queued_event(self._outlook(job.kind), ahead, work, job.cost, job.attempts + 1)

    def _outlook(self, kind: Kind) -> Outlook:
        """What jobs of a kind may expect, as of the last look."""
        found = self._outlooks.get(kind)
        if found is None:
            found = self._outlooks[kind] = outlook(self._paces_for(kind), self._outlook_busy)
        return found

    def _paces_for(self, kind: Kind) -> dict[str, float]:
        found = self._paces.get(kind)
        if found is None:
            found = self._paces[kind] = paces_for(kind, self._outlooks_of)
        return found

    def _may_have(self, job: Job, backend: str, now: float) -> bool:
        """Whether this backend may get a job that came back: not where it failed, if another one can."""
        return (
            job.avoid != backend
            or now >= job.avoid_until
            or not _others_can(job, backend, self._offers.takers(now))
        )

    def _release(self, job: Job) -> None:
        """Void the claim of a running job, and let its worker know at once."""
        job.wish_changed()
        job.lease = None
        del self._running[job.id]
        self._outlooks_until = float("-inf")
        if not self._running:
            self.nothing_runs.set()

    def _note_unwatched(self, job: Job) -> None:
        if not job.watches and not job.keep:
            self._unwatched[job.id] = self._clock()


def _others_can(job: Job, backend: str, offers: Iterable[Offer]) -> bool:
    return any(offer.backend != backend and offer.accepts(job.kind) for offer in offers)
