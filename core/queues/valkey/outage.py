"""Outage: what says that Valkey is away, or can do nothing now.

Clients hear of it in our words, the log in Valkey's as well: as it begins, each minute, and when it is over.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as AwayError
from redis.exceptions import TimeoutError as SlowError

from core.errors import QueueUnavailable

log = logging.getLogger(__name__)

AWAY = (AwayError, SlowError, OSError)
"""redis-py's own TimeoutError, of a connection that was not made in time, is no OSError; Python's is one."""
LOCKED = (AuthenticationError, AuthorizationError)
"""Of these redis-py says as well that they are no connection."""
PASSING = (OutOfMemoryError, ReadOnlyError, MasterDownError, ClusterDownError, TryAgainError)
"""Answers that pass by themselves, and of which redis-py drops the first word."""
UNAUTHENTICATED = "Protocol error: unauthenticated"
"""Stands for NOAUTH where more than a few words were sent."""
PASSING_WORDS = ("LOADING", "BUSY", "NOREPLICAS", "OOM", "MISCONF", "max number of clients", UNAUTHENTICATED)
"""How others begin."""

UNREACHED = "the shared queue cannot be reached now; it comes back by itself"
NOT_LET_IN = "the shared queue does not let this service in now"
FULL = "the shared queue has no room left now; ask again"
REFUSED = "the shared queue can take nothing now; ask again"

REMIND = 60.0
"""Seconds until the log hears again of an outage that lasts."""
NEED_ROOM = {"put", "claim", "set"}
"""Of the scripts and commands that are refused where memory is full, those that are called all the time: one
that was answered speaks for the others."""
PICTURES = {"set", "get"}
"""Commands that may fail while all else is well, by what limits a connection."""
SETTLED = 15.0
"""Seconds without a refusal until that is over for these, and for a memory that was full: more than the
ROOM_SECONDS for which a result that waits leaves its room to others."""


class Outage:
    """Of one process; each of its calls tells here what became of it, by its name."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused: dict[str, tuple[str, float]] = {}
        """Calls that were refused when they were made last: the problem in our words, and when it was."""
        self._told: dict[str, float] = {}
        """Problems of which the log has heard since the outage began, and when it did last."""
        self.is_muted = True
        """At the start, say, which waits for the queue and tells so itself."""

    def failed(self, call: str, error: QueueUnavailable, why: Exception) -> None:
        """It was not answered, or refused: why, in Valkey's own words."""
        if self.is_muted:
            return
        now = self._clock()
        self._refused[call] = error.message, now
        if now - self._told.get(error.message, -REMIND) >= REMIND:
            self._told[error.message] = now
            log.warning("%s (%s)", error.message, reason(why))

    def worked(self, call: str) -> None:
        """It was answered."""
        if self._refused and self._is_over(call):
            log.info("the shared queue is back")
            self._told.clear()

    def _is_over(self, call: str) -> bool:
        """Whether nothing is refused any more, now that this call was answered.

        The pulse and those that need room speak for others, which may not be made again for long. But the
        pulse says nothing of a memory that is full, as it needs no room; and that much room, or a connection
        that bears pictures, is there for good only when nothing was refused for a while.
        """
        now, pulse_was_refused = self._clock(), "pulse" in self._refused
        for name, (problem, when) in list(self._refused.items()):
            is_settled = now - when >= SETTLED
            speaks_for_it = call == name or call in NEED_ROOM or (call == "pulse" and problem != FULL)
            if problem == NOT_LET_IN and not (call == "pulse" and pulse_was_refused):
                # It may be a right that other calls do not need.
                speaks_for_it = call == name or (speaks_for_it and is_settled)
            if speaks_for_it and (is_settled or (problem != FULL and name not in PICTURES)):
                del self._refused[name]
        return not self._refused


def as_unavailable(error: Exception) -> QueueUnavailable | None:
    """What says that Valkey is away, or can do nothing now, in our words; None for any other error."""
    if shuts_out(error) or _lacks_a_right(error):
        return QueueUnavailable(NOT_LET_IN)
    if isinstance(error, AWAY):
        return QueueUnavailable(UNREACHED)
    if isinstance(error, RedisError) and _is_passing(error):
        return QueueUnavailable(FULL if isinstance(error, OutOfMemoryError) else REFUSED)
    return None


def is_full(error: QueueUnavailable) -> bool:
    """Whether Valkey has no memory left for it."""
    return error.message == FULL


@contextmanager
def as_far_as_there_is_room() -> Iterator[None]:
    """Where memory is full, what is done within is left undone: for what is tried again by itself."""
    try:
        yield
    except QueueUnavailable as error:
        if not is_full(error):
            raise


def shuts_out(error: BaseException | None) -> bool:
    """Whether Valkey is there, and wants another name or password."""
    return isinstance(error, LOCKED) or str(error).startswith(UNAUTHENTICATED)


def refuses(error: BaseException | None) -> bool:
    """Whether Valkey says no, and goes on saying it: it has no such database, or this user lacks a right."""
    return isinstance(error, RedisError) and not isinstance(error, AWAY) and not _is_passing(error)


def reason(error: BaseException | None) -> str:
    """What an error says, without the user's name; of a time-out, which says nothing, what it is."""
    return re.sub(r"\bUser \S+ has", "the user has", str(error)) or type(error).__name__


def _lacks_a_right(error: Exception) -> bool:
    """Whether this user may not do that: its owner may be about to mend it."""
    return isinstance(error, NoPermissionError) or "ACL failure in script" in str(error)


def _is_passing(error: RedisError) -> bool:
    """Whether Valkey says that it cannot do it now: it has no room, is replaced, or is busy with a script."""
    return isinstance(error, PASSING) or str(error).startswith(PASSING_WORDS)
