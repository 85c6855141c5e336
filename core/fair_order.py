"""FairOrder: who is next. Start-time fair queueing, with a bounded preference for loaded models.

The rule is of Goyal, Vin and Cheng, "Start-time Fair Queueing" (SIGCOMM 1996), on a server whose unit is a
job: a new job's start tag is max(V, its caller's finish tag), its finish tag start + cost; the smallest
start is served first; virtual time V is the start of the job served last. When nothing waits, V rises to
the largest finish and all callers begin anew. Ties go in the order in which the callers came, so that they
take turns in the same order all the time, and nobody is ever served twice while another one waits.

A job that goes first since its model is loaded moves V no further than the one whose turn it was: else
newcomers would stand behind all that was passed over.

Pure: no clock, no I/O. What a `kind` is, only the caller of `take` knows.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import takewhile
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from core.line import FIRST, Key, Line
from core.turns import TURN, Place, Waiting, turn_among

K = TypeVar("K")

MOST_TO_SETTLE = 1000
"""Cancelled jobs are let go of by the next look at the order. Where their callers have more than this waiting
some go before: each that stays may have to move up, in 5 µs or so."""

MOST_LATE = 1000
"""Where more jobs wait in lines that compete, newcomers stand at their start: it takes long to look."""

MOST_CALLERS = 10_000
"""Who are remembered although none of their jobs waits. Of more those with the smallest finish are forgotten,
who gain least by it: while something waits for ever, V may stand still, and all who came would stay."""


class _Share(Struct):
    """What is known of a caller whose finish is above V."""

    finish: float
    floor: float
    """A refund moves the finish no further than this."""
    turn: int
    """When the caller came: by the arrival of the first job since its finish was not above V."""


class _Pass(NamedTuple):
    """A job that was taken before others since its model was loaded."""

    key: Key
    cost: float
    arrivals: int
    """How many jobs had come until then: later ones were not passed over."""


class FairOrder(Generic[K]):
    """The waiting jobs, in one line for each kind."""

    def __init__(self) -> None:
        self._virtual_time = 0.0
        self._arrivals = 0
        self._shares: dict[str, _Share] = {}
        self._waiting: dict[str, Waiting[K]] = {}
        self._by_arrival: dict[int, Waiting[K]] = {}
        # The first of a plain dict is found slowly once many before it have gone.
        self._by_caller: defaultdict[str, OrderedDict[int, Waiting[K]]] = defaultdict(OrderedDict)
        self._lines: defaultdict[K, Line] = defaultdict(Line)
        self._passes: dict[K, list[_Pass]] = {}
        """For each line those over a job that waits in it."""
        self._leaving: dict[str, set[str]] = {}
        """Each caller's cancelled ones, which stand in all of these until the next look."""
        self._to_settle = 0
        """How many jobs these callers have waiting in all."""
        self._forget_at = 64

    def __len__(self) -> int:
        waiting = len(self._waiting)
        return waiting - sum(map(len, self._leaving.values())) if self._leaving else waiting

    def add(
        self, id: str, caller: str, cost: float, kind: K, competes: Callable[[K], bool] = lambda _: False
    ) -> None:
        """A new job arrives; its id must not wait already, its cost be above 0.

        `competes` says of other kinds whether a backend can do both.
        """
        self._settle()
        now = self._virtual_time
        self._arrivals += 1
        share = self._shares.get(caller)
        if share is None or share.finish <= now:
            share = self._shares[caller] = _Share(now, now, TURN * self._arrivals)
        floor = max(now, share.floor)
        key = (share.finish, share.turn, self._arrivals)
        placed = self._stand(caller, cost, key, lambda other: other == kind or competes(other))
        job = Waiting(id, caller, cost, kind, self._arrivals, share.turn, floor, share.finish, *placed)
        share.finish, share.floor = job.start + cost, 0.0
        self._waiting[id] = self._by_arrival[job.arrival] = job
        self._by_caller[caller][job.arrival] = job
        self._lines[kind].add(job.key, cost)

    def take(self, accepts: Callable[[K], bool], prefers: Callable[[K], bool], slack: float) -> str | None:
        """The next job for a backend that accepts these kinds; it waits no more. None: nothing for it.

        A job of a preferred kind (its model is loaded) goes before earlier ones of other kinds, as long as it
        starts no more than `slack` cost units after the first of another caller, and none has been passed
        over for more than `slack` in all.
        """
        if not self._waiting:
            return None
        self._settle()
        heads = {kind: line.first() for kind, line in self._lines.items() if accepts(kind)}
        if not heads:
            return None
        first = chosen = min(heads, key=heads.__getitem__)
        if not prefers(first):
            liked = min((kind for kind in heads if prefers(kind)), key=heads.__getitem__, default=first)
            if liked != first and self._may_pass(heads, liked, slack):
                chosen = liked
        job = self._by_arrival[heads[chosen][-1]]
        self._drop(job)
        self._hold_up(job)
        self._virtual_time = max(self._virtual_time, heads[first][0])
        self._forget()
        return job.id

    def remove(self, id: str) -> None:
        """A waiting job is cancelled: its caller gets the cost back, and its later jobs move up."""
        caller = self._waiting[id].caller
        if caller not in self._leaving:
            self._to_settle += len(self._by_caller[caller])
            while self._leaving and self._to_settle > MOST_TO_SETTLE:
                self._let_go(next(iter(self._leaving)))
            self._leaving[caller] = set()
        self._leaving[caller].add(id)

    def ahead(self, id: str) -> dict[K, tuple[int, float]]:
        """For each kind that waits: how many jobs stand before this one, and their cost."""
        self._settle()
        return self.before(self._waiting[id].key)

    def since(self, key: Key) -> Iterator[tuple[Key, str, K, float]]:
        """The waiting jobs from this key on: key, id, kind and cost of each. Nothing may change meanwhile."""
        self._settle()
        for found in merge(*(line.since(key) for line in self._lines.values())):
            job = self._by_arrival[found[-1]]
            yield found, job.id, job.kind, job.cost

    def before(self, key: Key) -> dict[K, tuple[int, float]]:
        """For each kind that waits: how many jobs stand before this key, and their cost."""
        self._settle()
        return {kind: line.ahead(key) for kind, line in self._lines.items()}

    def _settle(self) -> None:
        """Let go of those that leave."""
        while self._leaving:
            self._let_go(next(iter(self._leaving)))

    def _let_go(self, caller: str) -> None:
        """All of a caller's that leave go at once, so that no job moves up twice.

        Refunds add up on their way along its jobs: whichever left first, the sum is the same.
        """
        leaving, own = self._leaving.pop(caller), list(self._by_caller[caller].values())
        self._to_settle -= len(own)
        refund, room = 0.0, float("inf")
        for job in own:
            refund = self._move_up(job, refund)
            job.floor, room = max(job.floor, job.start - room), float("inf")
            if job.id in leaving:
                self._drop(job)
                for other in filter(None, map(self._by_arrival.get, job.passed)):
                    other.due += job.cost  # it has gone before nobody
                refund += job.cost
                room = job.start - job.floor
        share = self._shares.get(caller)
        if share is not None:
            share.finish = max(share.floor, share.finish - refund)
            share.floor = max(share.floor, share.finish - room)
        self._forget()

    def _stand(
        self, caller: str, cost: float, own_key: Key, competes: Callable[[K], bool]
    ) -> tuple[Place | None, float, Sequence[int]]:
        """Where a new job stands (None: at its start), and the job's own `due` and `passed`.

        V goes with the fastest lines. In lines that lag behind it all that came before would be served first,
        so there a newcomer takes turns with those who wait, see `turn_among`.
        """
        now = self._virtual_time
        late = [kind for kind, line in self._lines.items() if line.first()[0] < now]
        if not (late and any(competes(kind) for kind in late)):
            return None, cost, ()
        lines = {kind: line for kind, line in self._lines.items() if competes(kind)}
        if sum(map(len, lines.values())) > MOST_LATE:
            return None, cost, ()
        own = sum(job.cost for job in self._by_caller.get(caller, {}).values() if job.kind in lines)
        mine = cost + max(own, own_key[0] - now)
        keys = merge(*(line.since(FIRST) for line in lines.values()))
        ahead = [self._by_arrival[key[-1]] for key in takewhile(lambda key: key < own_key, keys)]
        place, passed = turn_among(ahead, caller, cost, mine)
        return place, mine - own, passed

    def _may_pass(self, heads: dict[K, Key], liked: K, slack: float) -> bool:
        """Whether the liked line's head may go before all smaller heads; if so, it is noted down."""
        preferred = heads[liked]
        job = self._by_arrival[preferred[-1]]
        passed = [kind for kind, head in heads.items() if head < preferred]
        for kind in passed:
            head = heads[kind]
            if preferred[0] - head[0] > slack and self._by_arrival[head[-1]].caller != job.caller:
                return False
        counting: dict[K, list[_Pass]] = {}
        for kind in passed:
            most, counting[kind] = self._passed_over(kind, preferred)
            if most + job.cost > slack:
                return False
        # Not before all are judged: else what is forgotten depended on the order of the kinds.
        for kind, passes in counting.items():
            self._passes[kind] = [*passes, _Pass(preferred, job.cost, self._arrivals)]
        return True

    def _passed_over(self, kind: K, preferred: Key) -> tuple[float, list[_Pass]]:
        """For how many cost units a job of this line before `preferred` was passed over, at most.

        It is exact for a head that has not moved up since. Those behind it count as if they had always been
        there: whatever passed over one of them passed over the second of the line. Also the passes that can
        still count.
        """
        line = self._lines[kind]
        head, second = line.first(), line.second()
        passes = [
            one
            for one in self._passes.get(kind, ())
            if one.key > second or (one.key > head and one.arrivals >= head[-1])
        ]
        most = sum(one.cost for one in passes if one.arrivals >= head[-1])
        if second < preferred:
            most = max(most, sum(one.cost for one in passes if one.key > second))
        return most, passes

    def _move_up(self, job: Waiting[K], refund: float) -> float:
        """Give a job an earlier start; returns by how much it moved."""
        start = max(job.floor, job.start - refund)
        moved = job.start - start
        if moved > 0:
            line = self._lines[job.kind]
            line.remove(job.key)
            job.start = start
            line.add(job.key, job.cost)
        return moved

    def _hold_up(self, job: Waiting[K]) -> None:
        """What kept a job that is taken from moving up holds up its caller's next as if it still stood there.

        Else the cost of a cancelled job could be given back to jobs that it never delayed.
        """
        room = job.start - job.floor
        own = self._by_caller[job.caller].values() if job.caller in self._by_caller else ()
        heir = next((other for other in own if other.arrival > job.arrival), None)
        share = self._shares.get(job.caller)
        if heir is not None:
            heir.floor = max(heir.floor, heir.start - room)
        elif share is not None:
            share.floor = max(share.floor, share.finish - room)

    def _drop(self, job: Waiting[K]) -> None:
        del self._waiting[job.id], self._by_arrival[job.arrival]
        own = self._by_caller[job.caller]
        del own[job.arrival]
        if not own:
            del self._by_caller[job.caller]
        line = self._lines[job.kind]
        line.remove(job.key)
        if not line:
            del self._lines[job.kind]
            self._passes.pop(job.kind, None)

    def _forget(self) -> None:
        """Forget callers whose finish is no later than V: for them it says nothing any more.

        Swept when they have doubled, so that each costs the same however many there are.
        """
        if not self._waiting:
            self._virtual_time = max([self._virtual_time, *(share.finish for share in self._shares.values())])
            self._shares.clear()
        elif len(self._shares) >= self._forget_at:
            now = self._virtual_time
            kept = {caller: share for caller, share in self._shares.items() if share.finish > now}
            idle = [caller for caller in kept if caller not in self._by_caller]
            if len(idle) > MOST_CALLERS:
                for caller in sorted(idle, key=lambda caller: kept[caller].finish)[:-MOST_CALLERS]:
                    del kept[caller]
            self._shares = kept
            self._forget_at = max(64, 2 * len(self._shares))
