"""Time: how fast a server paints, what that lets one guess, and how often to ask. Pure, in seconds."""

from math import exp

WEIGHT = 0.3
"""Of the newest measurement."""
FASTEST, SLOWEST = 0.1, 2.0
"""Between two polls."""
UNHURRIED = 30.0
"""Seconds a cost unit after which a picture of unknown pace is taken to be half done."""
STRAIGHT = 0.8
"""The fraction up to which time is believed; from there on it only nears the end."""


class Pace:
    """Seconds per cost unit, a moving average; None before the first picture."""

    def __init__(self) -> None:
        self.value: float | None = None

    def learn(self, seconds: float, cost: float) -> None:
        """Take in one painting."""
        measured = seconds / cost
        self.value = measured if self.value is None else self.value + WEIGHT * (measured - self.value)

    def expected(self, cost: float) -> float | None:
        """How long a painting of this cost should take."""
        return None if self.value is None else self.value * cost


def estimate(elapsed: float, expected: float | None, cost: float) -> tuple[float, float | None]:
    """Fraction (always below 1) and seconds left (None where nobody knows), by time alone."""
    if not expected:
        return elapsed / (elapsed + UNHURRIED * cost), None
    done = elapsed / expected
    if done > STRAIGHT:
        room = 1 - STRAIGHT
        # In floats the curve would reach 1 far out
        return min(0.999, 1 - room * exp((STRAIGHT - done) / room)), max(0.0, expected - elapsed) or None
    return done, expected - elapsed


class Rhythm:
    """How long to wait before the next poll: about as long as a step takes."""

    def __init__(self, step_seconds: float | None, now: float) -> None:
        self.delay = _bounded(FASTEST if step_seconds is None else step_seconds)
        self._step = 0.0
        self._since = now

    def saw(self, step: float, now: float) -> None:
        """A poll found this step."""
        waited = now - self._since
        if step > self._step:
            self.delay = _bounded((self.delay + waited / (step - self._step)) / 2)
            self._step, self._since = step, now
        else:
            self.delay = _bounded(max(self.delay, waited / 2))

    def failed(self) -> None:
        """A poll failed: ask less often."""
        self.delay = _bounded(self.delay * 2)


def _bounded(delay: float) -> float:
    return min(max(delay, FASTEST), SLOWEST)
