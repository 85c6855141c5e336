"""Places: the jobs that wait in memory, and their positions.

First the few that came back from a backend, in the order in which they came back, then the fair order.
"""

from collections.abc import Callable, Iterator

from core.fair_order import FairOrder
from core.line import Key
from core.offers import Kind, Offer
from core.queues.memory.competition import Ahead, Competition, Group
from core.queues.memory.job import Job


class Places:
    """Who waits where."""

    def __init__(self, slack: float) -> None:
        self._slack = slack
        self._order: FairOrder[Kind] = FairOrder()
        self._returned: dict[str, Job] = {}
        self._competition = Competition()
        self._jobs: dict[str, Job] = {}

    def __len__(self) -> int:
        return len(self._order) + len(self._returned)

    def waiting_of(self, caller: str) -> int:
        """How many jobs of this caller wait, those that came back included."""
        waiting = self._order.waiting_of(caller)
        if self._returned:
            waiting += sum(job.caller.name == caller for job in self._returned.values())
        return waiting

    def jobs(self) -> list[Job]:
        """All that wait."""
        return [*self._returned.values(), *self._jobs.values()]

    def returned(self) -> list[Job]:
        """Those that came back."""
        return list(self._returned.values())

    def add(self, job: Job) -> None:
        """A new job."""
        self._order.add(job.id, job.caller.name, job.request.cost, job.kind)
        self._jobs[job.id] = job

    def give_back(self, job: Job) -> None:
        """A job that was begun: it goes first in line, above all bounds, and costs its caller nothing."""
        self._returned[job.id] = job

    def remove(self, job: Job) -> None:
        """A job that is waited for no more; its caller gets the cost back."""
        if self._returned.pop(job.id, None) is None:
            self._order.remove(job.id)
            del self._jobs[job.id]

    def take(self, offer: Offer, may_have: Callable[[Job], bool]) -> Job | None:
        """The next job for this backend; `may_have` says whether it may get one that came back."""
        for job in self._returned.values():
            if offer.accepts(job.kind) and may_have(job):
                return self._returned.pop(job.id)
        id = self._order.take(offer.accepts, offer.has_loaded, self._slack)
        return None if id is None else self._jobs.pop(id)

    def ahead(self, job: Job, offers: tuple[Offer, ...]) -> tuple[int, float]:
        """Jobs ahead that compete for the same backends, and the work until its turn comes."""
        self._note_offers(offers)
        waiting = self._returned_before(job)
        if job.id not in self._returned:
            self._add_to(waiting, self._order.ahead(job.id))
        return self._place(job.kind, waiting)

    def since(self, key: Key, offers: tuple[Offer, ...]) -> Iterator[tuple[Key, Job, int, float]]:
        """The jobs from this key on in the fair order, each as `ahead` says, but all in one go.

        Nothing may change meanwhile.
        """
        self._note_offers(offers)
        competition, waiting = self._competition, self._returned_before(None)
        self._add_to(waiting, self._order.before(key))
        rivals: dict[Group, list[tuple[Group, Ahead]]] = {}
        for found, id, kind, cost in self._order.since(key):
            group = competition.group(kind)
            if group not in rivals:
                rivals[group] = competition.rivals(group, waiting)
            yield found, self._jobs[id], *competition.ahead(group, rivals[group])
            waiting[group].add(1, cost)

    def _note_offers(self, offers: tuple[Offer, ...]) -> None:
        if offers is not self._competition.offers:
            self._competition = Competition(offers)

    def _place(self, kind: Kind, waiting: dict[Group, Ahead]) -> tuple[int, float]:
        group = self._competition.group(kind)
        return self._competition.ahead(group, self._competition.rivals(group, waiting))

    def _returned_before(self, job: Job | None) -> dict[Group, Ahead]:
        """The jobs that came back before this one; all of them for one that did not."""
        waiting: dict[Group, Ahead] = {}
        for other in self._returned.values():
            if other is job:
                break
            self._add_to(waiting, {other.kind: (1, other.request.cost)})
        return waiting

    def _add_to(self, waiting: dict[Group, Ahead], more: dict[Kind, tuple[int, float]]) -> None:
        for kind, (jobs, work) in more.items():
            waiting.setdefault(self._competition.group(kind), Ahead()).add(jobs, work)
