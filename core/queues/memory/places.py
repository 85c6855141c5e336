"""Places: the jobs that wait in memory, and their positions.

First the few that came back from a backend, in the order in which they came back, then the fair order.
"""

from collections.abc import Callable, Iterator

from core.fair_order import FairOrder
from core.line import Key
from core.offers import Kind, Offer
from core.queues.memory.job import Job


class Places:
    """Who waits where."""

    def __init__(self, slack: float) -> None:
        self._slack = slack
        self._order: FairOrder[Kind] = FairOrder()
        self._returned: dict[str, Job] = {}
        self._able_of: tuple[Offer, ...] = ()
        self._groups: dict[Kind, Kind | frozenset[str]] = {}
        """What each kind's jobs compete for, by these offers: asked for every pair of kinds, all the time."""
        self._same: dict[frozenset[str], frozenset[str]] = {}
        """Equal sets of them as one, so that they are told apart at a glance."""
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

    def _note_offers(self, offers: tuple[Offer, ...]) -> None:
        if offers is not self._able_of:
            self._able_of, self._groups, self._same = offers, {}, {}

    def ahead(self, job: Job, offers: tuple[Offer, ...]) -> tuple[int, float]:
        """Jobs ahead that compete for the same backends, and their cost."""
        self._note_offers(offers)
        count, cost = self._returned_before(job)
        if job.id in self._returned:
            return count, cost
        behind, work = self._order.ahead(job.id, self._competing_with(job.kind))
        return count + behind, cost + work

    def since(self, key: Key, offers: tuple[Offer, ...]) -> Iterator[tuple[Key, Job, int, float]]:
        """The jobs from this key on in the fair order, each as `ahead` says, but all in one go.

        Nothing may change meanwhile.
        """
        self._note_offers(offers)
        sums: dict[Kind | frozenset[str], list[float]] = {}
        for kind, (count, cost) in self._order.before(key).items():
            own = sums.setdefault(self._group(kind), [0.0, 0.0])
            own[0] += count
            own[1] += cost
        rivals: dict[Kind | frozenset[str], list[list[float]]] = {}
        for found, id, kind, own_cost in self._order.since(key):
            job, group = self._jobs[id], self._group(kind)
            own = sums[group]
            if group not in rivals:
                returned = list(self._returned_before(job))
                rivals[group] = [returned, *(sums[other] for other in sums if _compete(group, other))]
            ahead, work = 0.0, 0.0
            for more, its_work in rivals[group]:
                ahead, work = ahead + more, work + its_work
            yield found, job, int(ahead), work
            own[0] += 1
            own[1] += own_cost

    def _group(self, kind: Kind) -> Kind | frozenset[str]:
        """What jobs of this kind compete for: the backends that can do it, or itself where none can."""
        group = self._groups.get(kind)
        if group is None:
            able = frozenset(offer.backend for offer in self._able_of if offer.accepts(kind))
            group = self._groups[kind] = self._same.setdefault(able, able) or kind
        return group

    def _competing_with(self, kind: Kind) -> Callable[[Kind], bool]:
        """Whether jobs of another kind may stand in the way of jobs of this one."""
        group = self._group(kind)
        return lambda other: _compete(group, self._group(other))

    def _returned_before(self, job: Job) -> tuple[int, float]:
        """Of the jobs that came back those before this one that compete with it, and their cost."""
        competes = self._competing_with(job.kind)
        count, cost = 0, 0.0
        for other in self._returned.values():
            if other is job:
                break
            if competes(other.kind):
                count, cost = count + 1, cost + other.request.cost
        return count, cost


def _compete(group: Kind | frozenset[str], other: Kind | frozenset[str]) -> bool:
    if isinstance(group, frozenset) and isinstance(other, frozenset):
        return not group.isdisjoint(other)
    return group == other
