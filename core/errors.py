"""What can go wrong, in words that are the same on every front end.

    SdError
     +-- InvalidRequest     invalid_request     the request itself is wrong; names the field
     +-- Unauthorized       unauthorized        no key, or a wrong one
     +-- Forbidden          forbidden           a page or name that may not come in
     +-- NotFound           not_found           no such job (any more)
     +-- UnknownModel       unknown_model       nobody offers this model; names those that exist
     +-- JobCancelled       cancelled           the job was cancelled
     +-- Expired            expired             the result was kept for its time, and is gone
     +-- TooManyJobs        too_many_jobs       this caller has enough waiting
     +-- RateLimited        rate_limited        this caller sends too fast
     +-- Internal           internal            a fault of our own
     +-- BackendError       backend_error       the painting server failed
     +-- QueueFull          queue_full          everybody together has enough waiting
     +-- QueueUnavailable   queue_unavailable   the shared queue is away
     +-- NoBackend          no_backend          no painting server can be used now
     +-- ShuttingDown       shutting_down       this process is about to stop
     +-- JobTimeout         timeout             one attempt took longer than JOB_TIMEOUT

Each has a stable `code`, a sentence for a person, and `retry_after` (seconds) where trying again makes
sense. A front end maps code to its own status in one table.
"""

from collections.abc import Iterable
from typing import ClassVar

MOST_NAMED = 20
"""Models that one sentence names: a render farm may have hundreds."""


class SdError(Exception):
    """The root: `code` for programs, `message` for people, `retry_after` seconds or None."""

    code: ClassVar[str]
    retry_after: float | None = None

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        if retry_after is not None:
            self.retry_after = retry_after


class InvalidRequest(SdError):
    """The request is wrong, and would be wrong again; `field` is the parameter at fault, if it is one."""

    code = "invalid_request"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Unauthorized(SdError):
    """The API key is missing or wrong."""

    code = "unauthorized"


class Forbidden(SdError):
    """Not from there: a foreign page, a foreign host name, another caller's job."""

    code = "forbidden"


class NotFound(SdError):
    """No job bears this id, or it ended long ago."""

    code = "not_found"


class UnknownModel(SdError):
    """Nobody offers the model that was named; `models` are those that exist."""

    code = "unknown_model"

    def __init__(self, model: str, models: Iterable[str]) -> None:
        self.models = tuple(models)
        known = ", ".join(self.models[:MOST_NAMED]) or "none"
        more = len(self.models) - MOST_NAMED
        rest = f" and {more} more" if more > 0 else ""
        super().__init__(f"no backend has the model {model!r}; models that exist: {known}{rest}")


class JobCancelled(SdError):
    """The job was cancelled, by its caller or because nobody wanted it any more."""

    code = "cancelled"


class Expired(SdError):
    """The job ended and its result is no longer kept."""

    code = "expired"


class TooManyJobs(SdError):
    """This caller already has MAX_JOBS_PER_USER jobs waiting."""

    code = "too_many_jobs"
    retry_after = 5.0


class RateLimited(SdError):
    """This caller sends faster than a front end reads."""

    code = "rate_limited"
    retry_after = 1.0


class Internal(SdError):
    """A fault in our own code; its details are in the log, not here."""

    code = "internal"


class BackendError(SdError):
    """The painting server failed, MAX_ATTEMPTS times."""

    code = "backend_error"
    retry_after = 5.0


class QueueFull(SdError):
    """MAX_QUEUE jobs are waiting."""

    code = "queue_full"
    retry_after = 5.0


class QueueUnavailable(SdError):
    """The shared queue cannot be reached at the moment; it may have heard what it was told all the same."""

    code = "queue_unavailable"
    retry_after = 2.0


class NoBackend(SdError):
    """No painting server can be used at the moment."""

    code = "no_backend"
    retry_after = 5.0


class ShuttingDown(SdError):
    """This process takes no new work: another one, or this one restarted, will."""

    code = "shutting_down"
    retry_after = 2.0


class JobTimeout(SdError):
    """One attempt took longer than JOB_TIMEOUT."""

    code = "timeout"
    retry_after = 5.0


ERRORS: dict[str, type[SdError]] = {error.code: error for error in SdError.__subclasses__()}
"""Every error by its code."""

LOCAL_ENDS = frozenset({ShuttingDown.code, QueueUnavailable.code})
"""Codes that end this process's part alone: on a shared queue the job lives on, and others tell of it."""
