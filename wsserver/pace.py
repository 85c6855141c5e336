"""Pace: how fast one connection may talk; a bucket of tokens that fills again."""

from collections.abc import Callable

MESSAGES_PER_SECOND = 200.0
BURST = 400
"""Far beyond what a client that waits for pictures sends, and a few percent of one core."""


class Pace:
    """One token a message. `clock` tells seconds that never go back."""

    __slots__ = ("_clock", "_seen", "_tokens")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tokens = float(BURST)
        self._seen = clock()

    def take(self) -> float:
        """Use a token and answer 0, or the seconds until there is one again."""
        now = self._clock()
        self._tokens = min(float(BURST), self._tokens + (now - self._seen) * MESSAGES_PER_SECOND)
        self._seen = now
        if self._tokens < 1:
            return (1 - self._tokens) / MESSAGES_PER_SECOND
        self._tokens -= 1
        return 0.0
