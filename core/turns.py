"""Turns: where a new job stands in lines that lag behind V, so that callers take turns there as well. Pure.

V goes with the fastest lines. In one that lags behind it, all that came before would be served first.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from core.line import Key

K = TypeVar("K")

TURN = 1 << 16
"""Between the turns of two callers, who come one after the other, there is room for so many."""
STEP = 64
"""By how much later the turn is of a job that stands right behind another one, if there is room."""

Place = tuple[float, int]
"""Start tag and turn: the beginning of a Key."""


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
    place: Place | None
    """Where it stands in a line that lags behind V, unless its start is sooner."""
    due: float
    """Cost units of later jobs that may still be put before it in such a line: at first its own cost and,
    if the line lagged, what its caller had asked for elsewhere. The last of them may take it below 0."""
    passed: Sequence[int]
    """The arrivals of those before which it was put there at the cost of their `due`."""

    @property
    def key(self) -> Key:
        mine = (self.start, self.turn)
        start, turn = mine if self.place is None else min(mine, self.place)
        return (start, turn, self.arrival)


def turn_among(
    ahead: Sequence[Waiting[K]], caller: str, cost: float, mine: float
) -> tuple[Place | None, Sequence[int]]:
    """Where a new job of this caller stands, so that callers take turns (None: behind all); whom it passes.

    `ahead` are all that start before it, in order. From their end it passes what each other caller has
    waiting beyond `mine` (its cost, and the work that its caller has waiting), and of the rest what is due
    later than it: of these it answers the arrivals, and takes its cost from what they are due.
    """
    last, following = None, None
    dearer: list[Waiting[K]] = []
    theirs: dict[str, float] = {}
    for job in ahead:
        before = theirs.get(job.caller, 0.0)
        theirs[job.caller] = before + job.cost
        if before < mine and (job.caller == caller or before + job.due <= mine):
            last, following, dearer = job, None, []
            continue
        following = following or job
        if before < mine:
            dearer.append(job)
    if following is None:
        return None, ()
    for job in dearer:
        job.due -= cost
    passed = [job.arrival for job in dearer]
    return place_between(None if last is None else last.key, following.key), passed


def place_between(last: Key | None, following: Key) -> Place:
    """Where one stands that comes right behind the last that goes before it (None: there is none)."""
    start, turn, _ = last or following
    if last is None:
        return start, max(0, turn - STEP)
    if start != following[0]:
        return start, turn + STEP
    room = following[1] - turn
    # A part of the room, for others may want to stand in between; without any it stands behind its like.
    return start, turn + (min(STEP, (room + 7) // 8) if room > 1 else 0)
