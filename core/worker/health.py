"""Health: a backend's circuit breaker, for its looks or its pictures.

After each failure in a row it rests twice as long.
"""

FIRST_REST = 0.5
LONGEST_REST = 10.0
"""Seconds without work after the first failure, and at most."""


class Health:
    """Counts failures in a row; the times are those of the clock that its methods are given."""

    def __init__(self) -> None:
        self.failures = 0
        self.rests_until = float("-inf")
        """Until then it is left alone."""

    def succeeded(self) -> None:
        """What it was asked for went well: there is nothing to rest from."""
        self.failures = 0
        self.rests_until = float("-inf")

    def failed(self, now: float, least: float = 0.0) -> None:
        """It did not: let it rest, for `least` seconds at least."""
        self.rests_until = now + max(least, min(LONGEST_REST, FIRST_REST * 2**self.failures))
        self.failures = min(self.failures + 1, 20)
