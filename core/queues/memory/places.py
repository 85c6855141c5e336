"""Places: the jobs that wait in memory, and their positions.

First the few that came back from a backend, in the order in which they came back, then the fair order.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from core.fair_order import FairOrder
from core.line import Key
from core.offers import Kind, Offer
from core.queues.memory.competition import Competition, Waiting
from core.queues.memory.job import Job


class Places:
    """Who waits where; `live` are all jobs that wait or run, by id."""

    def __init__(self, live: Mapping[str, Job], slack: float) -> None:
        self._live = live
        self._slack = slack
        self._order: FairOrder[Kind] = FairOrder()
        self._returned: dict[str, Job] = {}
        self._competition = Competition()
        self.of_callers: defaultdict[str, int] = defaultdict(int)
        """How many jobs of each caller wait, those that came back included."""

    def __len__(self) -> int:
        return len(self._order) + len(self._returned)

    def returned(self) -> list[Job]:
        """Those that came back."""
        return list(self._returned.values())

    def add(self, job: Job, offers: tuple[Offer, ...]) -> None:
        """A new job."""
        self._count(job, 1)
        group_of = self._by(offers).group
        group = group_of(job.kind)
        self._order.add(
            job.id,
            job.caller.name,
            job.cost,
            job.kind,
            lambda kind: group.competes_with(group_of(kind)),
        )

    def give_back(self, job: Job) -> None:
        """A job that was begun: it goes first in line, above all bounds, and costs its caller nothing."""
        self._count(job, 1)
        self._returned[job.id] = job

    def remove(self, job: Job) -> None:
        """A job that is waited for no more; its caller gets the cost back."""
        self._count(job, -1)
        if self._returned.pop(job.id, None) is None:
            self._order.remove(job.id)

    def take(self, offer: Offer, may_have: Callable[[Job], bool]) -> Job | None:
        """The next job for this backend; `may_have` says whether it may get one that came back."""
        job = self._take_returned(offer, may_have) if self._returned else None
        if job is None and (id := self._order.take(offer.accepts, offer.has_loaded, self._slack)) is not None:
            job = self._live[id]
        if job is not None:
            self._count(job, -1)
        return job

    def _take_returned(self, offer: Offer, may_have: Callable[[Job], bool]) -> Job | None:
        for job in self._returned.values():
            if offer.accepts(job.kind) and may_have(job):
                return self._returned.pop(job.id)
        return None

    def ahead(self, job: Job, offers: tuple[Offer, ...], busy: Mapping[str, float]) -> tuple[int, float]:
        """Jobs ahead that compete for the same backends, and the work until its turn comes."""
        waiting = self._returned_before(job, offers, busy)
        if job.id not in self._returned:
            for kind, (jobs, work) in self._order.ahead(job.id).items():
                waiting.add(kind, jobs, work)
        return waiting.before(job.kind)

    def since(
        self, key: Key, offers: tuple[Offer, ...], busy: Mapping[str, float]
    ) -> Iterator[tuple[Key, Job, Waiting]]:
        """The jobs from this key on in the fair order, each with what waits before it, all in one go.

        Nothing may change meanwhile; what waits is to be asked before the next job.
        """
        waiting = self._returned_before(None, offers, busy)
        for kind, (jobs, work) in self._order.before(key).items():
            waiting.add(kind, jobs, work)
        for found, id, kind, cost in self._order.since(key):
            yield found, self._live[id], waiting
            waiting.add(kind, 1, cost)

    def _count(self, job: Job, by: int) -> None:
        """So many more of its caller's jobs wait."""
        caller = job.caller.name
        self.of_callers[caller] += by
        if not self.of_callers[caller]:
            del self.of_callers[caller]

    def _by(self, offers: tuple[Offer, ...]) -> Competition:
        if offers is not self._competition.offers:
            self._competition = Competition(offers)
        return self._competition

    def _returned_before(
        self, job: Job | None, offers: tuple[Offer, ...], busy: Mapping[str, float]
    ) -> Waiting:
        """The jobs that came back before this one; all of them for one that did not."""
        waiting = Waiting(self._by(offers), busy)
        for other in self._returned.values():
            if other is job:
                break
            waiting.add(other.kind, 1, other.cost)
        return waiting
