"""Readings: what a server says of a picture's progress, or the time alone, as a Progress. Pure."""

import math
from typing import Any

from msgspec import Struct

from core.backends.a1111.answer import format_of
from core.events import Progress
from core.request import ImageRequest

UNKNOWN_PACE = 30.0
"""Seconds per cost unit for a curve of a server that was never measured: an honest slow one."""

SENSIBLE = 1e6
"""Seconds: nothing is painted for longer, whatever a server says."""


class Painting(Struct):
    """What is being painted: its name on the server, when it began by the clock, and how long it should take
    (seconds, if known)."""

    task: str
    request: ImageRequest
    began: float
    expected: float | None

    @property
    def usual(self) -> float | None:
        """Seconds that a step should take, if known."""
        return None if self.expected is None else self.expected / self.request.steps


def by_task(
    words: dict[str, Any], steps: int, elapsed: float, preview: bool, preview_id: int
) -> tuple[Progress, int]:
    """What `/internal/progress` says, and the number of the last preview."""
    fraction = _fraction(words.get("progress"))
    picture = _picture(words.get("live_preview")) if preview else None
    number = words.get("id_live_preview")
    step = min(steps, math.floor(fraction * steps + 1e-6))
    known = number if isinstance(number, int) and picture else preview_id
    return Progress(fraction, step, steps, _eta(words.get("eta"), elapsed, fraction), picture), known


def by_state(words: dict[str, Any], steps: int, elapsed: float, preview: bool) -> Progress:
    """What `/sdapi/v1/progress` says."""
    fraction = _fraction(words.get("progress"))
    state = words.get("state")
    step = state.get("sampling_step") if isinstance(state, dict) else None
    return Progress(
        fraction,
        int(min(steps, max(0, step))) if isinstance(step, int) else math.floor(fraction * steps),
        steps,
        _eta(words.get("eta_relative"), elapsed, fraction),
        _picture(words.get("current_image")) if preview else None,
    )


def by_time(painting: Painting, elapsed: float) -> Progress:
    """An estimate that nears the end and never says that it is there."""
    expected = painting.expected
    usual = expected or UNKNOWN_PACE * painting.request.cost
    share = elapsed / usual
    if not expected:
        fraction = 1 - math.exp(-share)
    elif share < 0.9:
        fraction = share
    else:
        fraction = _late(share)
    steps = painting.request.steps
    eta = max(0.0, expected - elapsed) if expected else None
    return Progress(min(fraction, 0.99), math.floor(fraction * steps), steps, eta, estimated=True)


class Stepping:
    """What the steps of one picture tell of its pace; nothing that went before them is in it."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None
        """When the first step was seen, in seconds since the picture began, and how far that was then."""
        self._last = (0.0, 0.0)
        """The same of the last one."""

    def see(self, progress: Progress, elapsed: float) -> None:
        """The picture is so far now."""
        if progress.estimated or not progress.step:
            return
        if self._first is None:
            self._first = self._last = (elapsed, progress.fraction)
        elif progress.fraction > self._last[1]:
            self._last = (elapsed, progress.fraction)

    def seconds_left(self, steps: int, elapsed: float) -> float | None:
        """By the time from the first step to the last one; None before there were two."""
        if self._first is None or self._first == self._last:
            return None
        (began, first), (seen, fraction) = self._first, self._last
        pace = (seen - began) / (fraction - first)
        return max(0.0, pace * (1 - fraction) - min(elapsed - seen, pace / steps))


def seconds_left(
    progress: Progress, expected: float | None, elapsed: float, by_steps: float | None
) -> float | None:
    """Seconds left: at first by the server's pace, then more and more by its steps.

    These count alone from half of the picture on, and where the time by the pace is over. Until two of them
    were seen there is the server's own word: that takes a model's loading for a part of every step.
    """
    share = min(1.0, 2 * progress.fraction)
    if by_steps is None:
        by_steps = progress.eta
        if by_steps is not None and expected is not None:
            by_steps = _between(expected * (1 - progress.fraction), by_steps, share**2)
    if expected is None or expected <= elapsed:
        return by_steps
    known = expected - elapsed
    return known if by_steps is None else _between(known, by_steps, max(share, elapsed / expected) ** 2)


def _between(one: float, other: float, weight: float) -> float:
    return (1 - weight) * one + weight * other


def _late(share: float) -> float:
    return 0.9 + 0.09 * (1 - math.exp(-(share - 0.9) / 0.3))


def _fraction(value: object) -> float:
    return float(min(1, max(0, value))) if isinstance(value, (int, float)) else 0.0


def _eta(value: object, elapsed: float, fraction: float) -> float | None:
    """The server's word where it is a sensible one, else by the time that the part so far took."""
    if isinstance(value, (int, float)) and 0 < value < SENSIBLE:
        return float(value)
    return elapsed / fraction * (1 - fraction) if fraction > 0.02 else None


def _picture(value: object) -> bytes | None:
    """The base64 of a preview, bare or as a data URI; None for anything else, such as an address."""
    text = value.rsplit(",", 1)[-1] if isinstance(value, str) else ""
    try:
        picture = text.encode("ascii")
    except UnicodeEncodeError:
        return None
    return picture if format_of(picture) else None
