"""Pace: seconds that one server takes for a cost unit, by the pictures that it has painted. Pure."""

from collections import deque
from statistics import median

from core.request import USUAL_STEPS, ImageRequest

MEASURED = 5
"""The pace is the median of so many pictures: one that waited behind somebody else's says little in it."""
TELLING = 1 / 4
"""Cost units of a picture, and share of the usual steps, from which on its time tells the pace: of a smaller
one's most may go into what no step does (reading the prompt, decoding the picture, writing the file)."""


class Pace:
    """Of one server; `known` is what another worker measured there."""

    def __init__(self, known: float | None = None) -> None:
        self.seconds = known
        """For one cost unit; None before the first picture."""
        self._measured = deque([] if known is None else [known], maxlen=MEASURED)
        self._is_first = known is None
        """Whether it is none, or a first one by small pictures: as long as there is no better measure."""

    def learn(self, request: ImageRequest, seconds: float) -> None:
        """Each picture of this request took so long."""
        cost = request.cost / request.batch_size
        tells = min(cost, request.steps / USUAL_STEPS) >= TELLING
        if tells and self._is_first:
            self._measured.clear()
            self._is_first = False
        # All that no step does makes small ones slow: where one is quicker than the pace, that is wrong.
        if tells or self._is_first or self.seconds is None or seconds / cost < self.seconds:
            self._measured.append(seconds / cost)
            self.seconds = median(self._measured)
