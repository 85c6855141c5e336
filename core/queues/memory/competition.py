"""Competition: which waiting jobs stand in each other's way, and how much of their work is in one's own."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from core.offers import Kind, Offer, paces_of

MOST_UNEVEN = 3.0
"""By how much a backend can be busier than another one before more of what both could do goes to the other.
Measured: what is shared goes where less waits, so one with much work of its own is not waited for."""


class Group:
    """The backends that can do the same kinds of jobs; a kind that none can do has a group of its own."""

    def __init__(self, able: Sequence[Offer]) -> None:
        self.backends = frozenset(offer.backend for offer in able)
        speeds = _speeds_of(able)
        # One that rests takes nothing meanwhile, so the others do it all.
        ready = [offer.backend for offer in able if offer.usable] or list(speeds)
        self.speeds = {backend: speeds[backend] for backend in ready}
        # Seconds for a cost unit, all together.
        self.pace = 1 / sum(self.speeds.values()) if able else 0.0

    def competes_with(self, other: "Group") -> bool:
        """Whether jobs of the one may stand in the way of jobs of the other."""
        return self is other or not self.backends.isdisjoint(other.backends)


class Competition:
    """By the offers of one moment."""

    def __init__(self, offers: tuple[Offer, ...] = ()) -> None:
        self.offers = offers
        # Asked for with every job, all the time.
        self._groups: dict[Kind, Group] = {}
        self._same: dict[tuple[str, ...], Group] = {}

    def group(self, kind: Kind) -> Group:
        """What jobs of this kind compete for."""
        group = self._groups.get(kind)
        if group is None:
            group = self._groups[kind] = self._group_of([each for each in self.offers if each.accepts(kind)])
        return group

    def _group_of(self, able: list[Offer]) -> Group:
        """The same for all kinds that just these can do; one of its own for each that none can do."""
        names = tuple(offer.backend for offer in able)
        if not names or names not in self._same:
            self._same[names] = Group(able)
        return self._same[names]


class _Ahead(Struct):
    """So many jobs, and their cost units."""

    jobs: int = 0
    work: float = 0.0


class Waiting:
    """What waits before a place in line; a walk along the line adds one job after the other.

    `busy` is how many seconds each backend that paints will go on.
    """

    def __init__(self, competition: Competition, busy: Mapping[str, float]) -> None:
        self._competition = competition
        self._groups: dict[Group, _Ahead] = {}
        self._rivals: dict[Group, list[_Ahead]] = {}
        self._busy = busy
        # Seconds that each backend takes for what waits: of each group's work its part of the speed.
        self._load: dict[str, float] = {}
        # Work that is not in it yet: one group's, of however many kinds, goes there in one step.
        self._more: dict[Group, float] = {}

    def add(self, kind: Kind, jobs: int, work: float) -> None:
        """So much more."""
        group = self._competition.group(kind)
        ahead = self._groups.get(group)
        if ahead is None:
            ahead = self._groups[group] = _Ahead()
            self._rivals.clear()
        ahead.jobs += jobs
        ahead.work += work
        self._more[group] = self._more.get(group, 0.0) + work

    def before(self, kind: Kind) -> tuple[int, float]:
        """How many jobs stand in the way of one of this kind, and the work until its turn comes."""
        group = self._competition.group(kind)
        rivals = self._rivals.get(group)
        if rivals is None:
            rivals = self._rivals[group] = [
                ahead for other, ahead in self._groups.items() if group.competes_with(other)
            ]
        own = self._groups.get(group, _Ahead())
        if len(rivals) == (group in self._groups):
            return own.jobs, own.work  # mostly so: all that waits for its backends waits for just them
        # However uneven these are, they do all of its own.
        return sum([ahead.jobs for ahead in rivals]), max(own.work, self._work_before(group))

    def _work_before(self, group: Group) -> float:
        """What its backends do until then: each until its end, or MOST_UNEVEN times that of the first."""
        load, busy = self._load, self._busy
        for other, more in self._more.items():
            seconds = more * other.pace
            for backend in other.speeds:
                load[backend] = load.get(backend, 0.0) + seconds
        self._more.clear()
        ends = {backend: busy.get(backend, 0.0) + load.get(backend, 0.0) for backend in group.speeds}
        most = MOST_UNEVEN * min(ends.values())
        work = 0.0
        for backend, speed in group.speeds.items():
            seconds = min(ends[backend], most) - busy.get(backend, 0.0)
            if seconds > 0:
                work += seconds * speed
        return work


def _speeds_of(able: Sequence[Offer]) -> dict[str, float]:
    """Cost units a second of each; alike where none has painted yet."""
    paces = paces_of(able) or dict.fromkeys((offer.backend for offer in able), 1.0)
    return {backend: 1 / pace for backend, pace in paces.items()}
