"""Turns: where a new job stands in lines that lag behind V, so that callers take turns there as well. Pure.

V goes with the fastest lines. In one that lags behind it, all that came before would be served first.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from core.line import Key

K = TypeVar("K")


class Waiting(Struct, Generic[K]):
    """A waiting job in the fair order."""

    id: str
    caller: str
    cost: float
    kind: K
    arrival: int
    turn: int
    floor: float
    """A refund moves the start no further than this: V at arrival, or what held up an earlier job."""
    start: float
    behind: Key | None
    """The key right behind which it stands in a line that lags behind V, unless its start is sooner."""
    due: float
    """Cost units of later jobs that may still be put before it in such a line: at first its own cost and,
    if the line lagged, what its caller had asked for elsewhere. The last of them may take it below 0."""
    passed: Sequence[int]
    """The arrivals of those before which it was put there at the cost of their `due`."""

    @property
    def key(self) -> Key:
        mine = (self.start, self.turn)
        start, turn = mine if self.behind is None else min(mine, self.behind[:2])
        return (start, turn, self.arrival)


def turn_among(
    ahead: Sequence[Waiting[K]], caller: str, cost: float, mine: float
) -> tuple[Key | None, Sequence[int]]:
    """Behind which of these jobs a new one of this caller stands, so that callers take turns; None: all.

    And the arrivals of those that are due later, and have so much less to wait for from now on.

    `ahead` are all that start before it, in order. From the end it passes what others have waiting beyond
    `mine` (its cost, and the work that its caller has waiting), and what is due later than itself.
    """
    last, passes = None, False
    dearer: list[Waiting[K]] = []
    theirs: dict[str, float] = {}
    for job in ahead:
        before = theirs.get(job.caller, 0.0)
        theirs[job.caller] = before + job.cost
        passes = before >= mine or (job.caller != caller and before + job.due > mine)
        if not passes:
            last, dearer = job, []
        elif before < mine:
            dearer.append(job)
    if not passes:
        return None, ()
    for job in dearer:
        job.due -= cost
    passed = [job.arrival for job in dearer]
    if last is not None:
        return last.key, passed
    start, turn, _ = ahead[0].key
    return (start, max(0, turn - 1), 0), passed  # before all of them
