"""Line: waiting jobs in order, that knows how many and how much work stands before any place.

A list of sorted blocks with their sums, so that no operation moves or adds more than a block and the sums
of the blocks: microseconds with a hundred thousand waiting.
"""

from bisect import bisect_left, insort

Key = tuple[float, int, int]
"""Start tag, the caller's turn, number of arrival: the smallest is next, no two are equal."""

BLOCK = 500
"""A block is split at twice this length."""


class Line:
    """Ordered keys, each with a cost."""

    def __init__(self) -> None:
        self._blocks: list[list[Key]] = []
        self._sums: list[float] = []
        self._costs: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._costs)

    def first(self) -> Key:
        """The smallest key; the line must not be empty."""
        return self._blocks[0][0]

    def add(self, key: Key, cost: float) -> None:
        """Put a key in its place."""
        self._costs[key] = cost
        if not self._blocks:
            self._blocks.append([key])
            self._sums.append(cost)
            return
        number = min(self._block_of(key), len(self._blocks) - 1)
        block = self._blocks[number]
        insort(block, key)
        self._sums[number] += cost
        if len(block) > 2 * BLOCK:
            self._blocks[number : number + 1] = block[:BLOCK], block[BLOCK:]
            self._sums[number : number + 1] = self._sum(block[:BLOCK]), self._sum(block[BLOCK:])

    def remove(self, key: Key) -> None:
        """Take a key out; it must be there."""
        number = self._block_of(key)
        block = self._blocks[number]
        del block[bisect_left(block, key)]
        self._sums[number] -= self._costs.pop(key)
        if not block:
            del self._blocks[number], self._sums[number]

    def ahead(self, key: Key) -> tuple[int, float]:
        """How many keys are smaller than this one (which need not be here), and their cost."""
        number = self._block_of(key)
        count, cost = sum(map(len, self._blocks[:number])), sum(self._sums[:number])
        if number < len(self._blocks):
            before = self._blocks[number][: bisect_left(self._blocks[number], key)]
            count, cost = count + len(before), cost + self._sum(before)
        return count, cost

    def _block_of(self, key: Key) -> int:
        """The first block whose last key is not smaller: the one that holds the key, if any does."""
        return bisect_left(self._blocks, key, key=lambda block: block[-1])

    def _sum(self, keys: list[Key]) -> float:
        costs = self._costs
        return sum(costs[key] for key in keys)
