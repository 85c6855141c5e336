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
"""Scripts and commands that are refused where memory is full: when one of them is answered, all is well."""


class Outage:
    """Of one process; each of its calls tells here what became of it, by its name."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused: dict[str, str] = {}
        """Calls that were refused when they were made last, and how that is called."""
        self._told: dict[str, float] = {}
        """What the log heard, and when."""
        self._owes_end = False
        self.is_told_elsewhere = True
        """At the start, say, which waits for the queue and tells so itself."""

    def failed(self, call: str, error: QueueUnavailable) -> None:
        """It was not answered, or refused."""
        if self.is_told_elsewhere:
            return
        self._refused[call] = error.message
        now = self._clock()
        if now - self._told.get(error.message, -REMIND) >= REMIND:
            self._told[error.message] = now
            self._owes_end = True
            log.warning("%s (%s)", error.message, reason(error.__cause__))

    def worked(self, call: str) -> None:
        """It was answered. The pulse of a full memory is answered, too, as it needs no room."""
        if not self._refused:
            return
        if call in NEED_ROOM:
            self._refused.clear()
        elif call == "pulse":
            self._refused = {name: why for name, why in self._refused.items() if why == FULL}
        self._refused.pop(call, None)
        if self._refused:
            return
        # There may be room now for a small picture and not for the next one: that is no news each time.
        self._told = {why: when for why, when in self._told.items() if why == FULL}
        if self._owes_end:
            log.info("the shared queue is back")
            self._owes_end = False


@contextmanager
def unavailable() -> Iterator[None]:
    """What says that Valkey is away, or can do nothing now, as QueueUnavailable."""
    try:
        yield
    except (*AWAY, RedisError) as error:
        if isinstance(error, LOCKED) or str(error).startswith(UNAUTHENTICATED):
            raise QueueUnavailable(NOT_LET_IN) from error
        if isinstance(error, AWAY):
            raise QueueUnavailable(UNREACHED) from error
        if not _is_passing(error):
            raise
        raise QueueUnavailable(FULL if isinstance(error, OutOfMemoryError) else REFUSED) from error


def is_full(error: QueueUnavailable) -> bool:
    """Whether Valkey has no memory left for it."""
    return error.message == FULL


def refuses(error: BaseException | None) -> bool:
    """Whether Valkey says no, and goes on saying it: it has no such database, or this user lacks a right."""
    return isinstance(error, RedisError) and not isinstance(error, AWAY) and not _is_passing(error)


def reason(error: BaseException | None) -> str:
    """What an error says, without the user's name; of a time-out, which says nothing, what it is."""
    return re.sub(r"\bUser \S+ has", "the user has", str(error)) or type(error).__name__


def _is_passing(error: RedisError) -> bool:
    """Whether Valkey says that it cannot do it now: it has no room, is replaced, or is busy with a script."""
    return isinstance(error, PASSING) or str(error).startswith(PASSING_WORDS)
