"""Competition: which waiting jobs stand in each other's way, and how much of their work is in one's own."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from core.offers import Kind, Offer, paces_of

Group = frozenset[str] | Kind
"""The backends that can do a kind of jobs; the kind itself where none can."""

MOST_UNEVEN = 3.0
"""By how much a backend can be busier than another one before more of what both could do goes to the other.
Measured: what is shared goes where less waits, so one with much work of its own is not waited for."""


class Ahead(Struct):
    """So many jobs, and their cost units."""

    jobs: int = 0
    work: float = 0.0

    def add(self, jobs: int, work: float) -> None:
        """More of them."""
        self.jobs += jobs
        self.work += work


class Competition:
    """By the offers of one moment."""

    def __init__(self, offers: tuple[Offer, ...] = ()) -> None:
        self.offers = offers
        self._speeds = {backend: 1 / pace if pace else 1.0 for backend, pace in paces_of(offers).items()}
        """Cost units a second; alike where none has painted yet."""
        self._groups: dict[Kind, Group] = {}
        """Asked for with every job, all the time."""
        self._same: dict[frozenset[str], frozenset[str]] = {}
        """Equal sets of them as one, so that they are told apart at a glance."""

    def group(self, kind: Kind) -> Group:
        """What jobs of this kind compete for."""
        group = self._groups.get(kind)
        if group is None:
            able = frozenset(offer.backend for offer in self.offers if offer.accepts(kind))
            group = self._groups[kind] = self._same.setdefault(able, able) or kind
        return group

    def rivals(self, group: Group, waiting: Mapping[Group, Ahead]) -> list[tuple[Group, Ahead]]:
        """Those of the groups that may stand in the way of this one."""
        return [(other, ahead) for other, ahead in waiting.items() if _compete(group, other)]

    def ahead(self, group: Group, rivals: Iterable[tuple[Group, Ahead]]) -> tuple[int, float]:
        """How many jobs of its rivals stand before one of this group, and the work until its turn comes.

        That is all of theirs where all backends can do the same. Else a backend takes as much of each group's
        as is its part of their speed, and the job goes to the one that has done first, or to one soon after.
        """
        jobs, work = 0, 0.0
        load = dict.fromkeys(group, 0.0) if isinstance(group, frozenset) else {}
        """Seconds until each of its backends has done what it takes."""
        alike = True
        for other, ahead in rivals:
            jobs += ahead.jobs
            work += ahead.work
            if other is not group and ahead.jobs and isinstance(other, frozenset):
                alike = False
        if alike or not load:
            return jobs, work
        for other, ahead in rivals:
            if ahead.jobs and isinstance(other, frozenset):
                seconds = ahead.work / sum(self._speeds[backend] for backend in other)
                for backend in load.keys() & other:
                    load[backend] += seconds
        most = MOST_UNEVEN * min(load.values())
        return jobs, sum(min(seconds, most) * self._speeds[backend] for backend, seconds in load.items())


def _compete(group: Group, other: Group) -> bool:
    if isinstance(group, frozenset) and isinstance(other, frozenset):
        return not group.isdisjoint(other)
    return group == other
