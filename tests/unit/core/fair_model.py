"""A model of the fair order that keeps everything and computes every place anew from the definition."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from core.fair_order import FairOrder
from core.turns import TURN, place_between


@dataclass
class Put:
    """A job that was put, and what became of it: waiting, taken or removed."""

    id: str
    caller: str
    cost: float
    kind: str
    arrival: int
    virtual_time: float
    """V when it came."""
    turn: int
    place: tuple[float, int] | None
    """Start and turn of where it stands in lines that lag behind V."""
    due: float
    """Cost units by which newcomers may still go before it there."""
    passed: list["Put"]
    """Those of which it took some of that."""
    state: str = "waiting"
    passed_over: float = 0.0
    """Cost units of the jobs that were preferred to it."""


class Model:
    """Start-time fair queueing by the book: `start = max(V, finish of the caller's job before)`."""

    def __init__(self) -> None:
        self.puts: list[Put] = []
        self.virtual_time = 0.0

    @property
    def waiting(self) -> list[Put]:
        """In the order in which they are to be served."""
        keys = self._keys()
        return sorted((put for put in self.puts if put.state == "waiting"), key=lambda put: keys[put.id])

    def add(
        self,
        id: str,
        caller: str,
        cost: float,
        kind: str,
        competes: Callable[[str, str], bool] = lambda one, other: one == other,
    ) -> None:
        arrival = len(self.puts) + 1
        turn = TURN * arrival
        if self._finish(caller) > self.virtual_time:
            turn = next(put.turn for put in reversed(self.puts) if put.caller == caller)
        key = (max(self.virtual_time, self._finish(caller)), turn, arrival)
        placed = self._stand(caller, cost, key, lambda other: competes(kind, other))
        self.puts.append(Put(id, caller, cost, kind, arrival, self.virtual_time, turn, *placed))

    def take(self, id: str, accepts: Callable[[str], bool] = lambda kind: True) -> None:
        """This job was taken for a backend that accepts these kinds."""
        keys = self._keys()
        taken = next(put for put in self.puts if put.id == id)
        able = [put for put in self.waiting if accepts(put.kind)]
        for other in able:
            if keys[other.id] < keys[id]:
                other.passed_over += taken.cost
        taken.state = "taken"
        self._move_on(keys[able[0].id][0])

    def remove(self, id: str) -> None:
        """As if it had never been put."""
        removed = next(put for put in self.puts if put.id == id)
        removed.state = "removed"
        for put in removed.passed:
            put.due += removed.cost
        self._move_on(self.virtual_time)

    def ahead(self, id: str, competes: Callable[[str], bool] = lambda kind: True) -> tuple[int, float]:
        before: list[float] = []
        for put in self.waiting:
            if put.id == id:
                break
            if competes(put.kind):
                before.append(put.cost)
        return len(before), sum(before)

    def _stand(
        self, caller: str, cost: float, own_key: tuple[float, int, int], competes: Callable[[str], bool]
    ) -> tuple[tuple[float, int] | None, float, list[Put]]:
        """In lines that lag: before what others have beyond as much as is its own there, at the end, and
        before what is due later."""
        keys = self._keys()
        there = [put for put in self.waiting if competes(put.kind)]
        if all(keys[put.id][0] >= self.virtual_time for put in there):
            return None, cost, []
        own = sum(put.cost for put in there if put.caller == caller)
        level = cost + max(own, own_key[0] - self.virtual_time)
        passed = [put for put in there if keys[put.id] < own_key]
        last: Put | None = None
        work: defaultdict[str, float] = defaultdict(float)
        for put in list(passed):
            if work[put.caller] < level and (put.caller == caller or work[put.caller] + put.due <= level):
                last = put
                passed = passed[passed.index(put) + 1 :]
            work[put.caller] += put.cost
        work.clear()
        dearer: list[Put] = []
        for put in there:
            if put in passed and work[put.caller] < level:
                put.due -= cost
                dearer.append(put)
            work[put.caller] += put.cost
        if not passed:
            return None, level - own, dearer
        place = place_between(None if last is None else keys[last.id], keys[passed[0].id])
        return place, level - own, dearer

    def _move_on(self, virtual_time: float) -> None:
        self.virtual_time = max(self.virtual_time, virtual_time)
        if not any(put.state == "waiting" for put in self.puts):
            finishes = [self._finish(caller) for caller in {put.caller for put in self.puts}]
            self.virtual_time = max([self.virtual_time, *finishes])

    def _finish(self, caller: str) -> float:
        finish = 0.0
        for put in self.puts:
            if put.caller == caller and put.state != "removed":
                finish = max(put.virtual_time, finish) + put.cost
        return finish

    def _keys(self) -> dict[str, tuple[float, int, int]]:
        finish: dict[str, float] = {}
        keys = {}
        for put in self.puts:
            if put.state != "removed":
                start = max(put.virtual_time, finish.get(put.caller, 0.0))
                finish[put.caller] = start + put.cost
                turn = put.turn
                if put.place is not None:
                    start, turn = min((start, turn), put.place)
                keys[put.id] = (start, turn, put.arrival)
        return keys


def ahead(
    order: FairOrder[str], id: str, competes: Callable[[str], bool] = lambda kind: True
) -> tuple[int, float]:
    """How many jobs of the kinds that compete with this one stand before it in this order, and their cost."""
    before = [found for kind, found in order.ahead(id).items() if competes(kind)]
    return sum(count for count, _ in before), sum(cost for _, cost in before)
