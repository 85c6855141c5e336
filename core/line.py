"""Line: waiting jobs in order, that knows how many and how much work stands before any place.

A list of sorted blocks, the costs of each block beside it, and the sums of both: so no operation moves or
adds more than a block and the sums of the blocks, which C does. Microseconds with a hundred thousand waiting.
"""

from bisect import bisect_left
from collections.abc import Iterator

Key = tuple[float, int, int]
"""Start tag, the caller's turn, number of arrival: the smallest is next, no two are equal."""

FIRST: Key = (float("-inf"), 0, 0)
"""Before all of them."""
LAST: Key = (float("inf"), 0, 0)
"""Behind all of them."""
BLOCK = 500
"""A block is split at twice this length."""


class Line:
    """Ordered keys, each with a cost."""

    def __init__(self) -> None:
        self._blocks: list[list[Key]] = []
        self._lasts: list[Key] = []
        self._costs: list[list[float]] = []
        self._counts: list[int] = []
        self._sums: list[float] = []

    def __len__(self) -> int:
        return sum(self._counts)

    def first(self) -> Key:
        """The smallest key; the line must not be empty."""
        return self._blocks[0][0]

    def second(self) -> Key:
        """The smallest but one; LAST where there is none."""
        two = [key for block in self._blocks[:2] for key in block[:2]]
        return two[1] if len(two) > 1 else LAST

    def add(self, key: Key, cost: float) -> None:
        """Put a key in its place."""
        if not self._blocks:
            self._put(0, 0, [key], [cost])
            return
        number = min(bisect_left(self._lasts, key), len(self._blocks) - 1)
        block, costs = self._blocks[number], self._costs[number]
        place = bisect_left(block, key)
        block.insert(place, key)
        costs.insert(place, cost)
        if len(block) > 2 * BLOCK:
            self._put(number, number + 1, block[:BLOCK], costs[:BLOCK])
            self._put(number + 1, number + 1, block[BLOCK:], costs[BLOCK:])
        else:
            self._lasts[number] = block[-1]
            self._counts[number] += 1
            self._sums[number] += cost

    def remove(self, key: Key) -> None:
        """Take a key out; it must be there."""
        number = bisect_left(self._lasts, key)
        block = self._blocks[number]
        place = bisect_left(block, key)
        del block[place]
        cost = self._costs[number].pop(place)
        if block:
            self._lasts[number] = block[-1]
            self._counts[number] -= 1
            self._sums[number] -= cost
        else:
            for column in (self._blocks, self._lasts, self._costs, self._counts, self._sums):
                del column[number]

    def ahead(self, key: Key) -> tuple[int, float]:
        """How many keys are smaller than this one (which need not be here), and their cost."""
        number = bisect_left(self._lasts, key)
        count, cost = sum(self._counts[:number]), sum(self._sums[:number])
        if number < len(self._blocks):
            place = bisect_left(self._blocks[number], key)
            count, cost = count + place, cost + sum(self._costs[number][:place])
        return count, cost

    def since(self, key: Key) -> Iterator[Key]:
        """The keys from this one on, in order; nothing may change meanwhile."""
        number = bisect_left(self._lasts, key)
        if number < len(self._blocks):
            block = self._blocks[number]
            yield from block[bisect_left(block, key) :]
            for block in self._blocks[number + 1 :]:
                yield from block

    def _put(self, start: int, stop: int, block: list[Key], costs: list[float]) -> None:
        """Make this block the one that stands in place of those from `start` to `stop`."""
        self._blocks[start:stop] = [block]
        self._lasts[start:stop] = [block[-1]]
        self._costs[start:stop] = [costs]
        self._counts[start:stop] = [len(block)]
        self._sums[start:stop] = [sum(costs)]
