"""Refusals: what both homes of the queue say where they say no, in the same words."""

from core.errors import (
    BackendError,
    Expired,
    Forbidden,
    InvalidRequest,
    NoBackend,
    NotFound,
    QueueFull,
    ShuttingDown,
    TooManyJobs,
)


def queue_full(waiting: int) -> QueueFull:
    """So many jobs wait: MAX_QUEUE."""
    return QueueFull(f"waiting jobs: {waiting}; no more are taken")


def too_many_jobs(own: int) -> TooManyJobs:
    """So many of the caller's jobs wait: MAX_JOBS_PER_USER."""
    return TooManyJobs(f"your waiting jobs: {own}; no more are taken")


def another_request() -> InvalidRequest:
    """The id of a job came again with another request."""
    return InvalidRequest("this idempotency key came with another request before")


def stopping() -> ShuttingDown:
    """This process takes no new work any more."""
    return ShuttingDown("about to stop: no new work is taken")


def no_such_job() -> NotFound:
    """The id was never given, or that is long ago."""
    return NotFound("no job has this id")


def expired() -> Expired:
    """The job completed, and RESULT_TTL is over."""
    return Expired("this result was kept for its time, and is gone")


def not_yours() -> Forbidden:
    """Somebody else's job was to be cancelled."""
    return Forbidden("only the caller who submitted a job may cancel it")


def unwanted() -> NoBackend:
    """Nobody can paint the job, and nobody waits for it."""
    return NoBackend("nobody watched this job, and nobody could paint it")


def workers_vanished() -> BackendError:
    """MAX_DELIVERIES."""
    return BackendError("too many workers vanished while they had this job")
