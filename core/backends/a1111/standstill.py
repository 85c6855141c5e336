"""Standstill: whether a server that says that it paints still does.

SD.Next goes on saying so after a picture that failed, until another one is begun.
"""

from collections.abc import Callable
from typing import Any

LONGEST = 300.0
"""Seconds without any change after which nothing is painted: a model that is loaded takes minutes in which
nothing moves, and so may a step on a processor."""


class Standstill:
    """Of one server; sees what it says of the picture that it paints."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: Any = None
        self._since = clock()

    def lasts(self, running: dict[str, Any]) -> bool:
        """Whether nothing has moved for too long: no step, no other picture or task."""
        # Not the seconds left: the server works them out from the clock.
        seen = [running.get(name) for name in ("current_task", "progress", "state")]
        if seen != self._seen:
            self._seen, self._since = seen, self._clock()
        return self._clock() - self._since >= LONGEST


def is_busy(running: dict[str, Any]) -> bool:
    """Whether the server says that it paints."""
    state = running.get("state")
    return bool(running.get("current_task") or (isinstance(state, dict) and state.get("job_count")))
