"""Exit codes: what a script can tell from how a client ended. Pure."""

MEANINGS = {
    0: "done",
    1: "the job failed, not all of its pictures were painted, or one could not be saved",
    2: "the command or the request is wrong: the same again fails again",
    3: "not now: the server is not reached, or takes no work at the moment; try again later",
    4: "not allowed: the API key is missing or wrong, or this address may not come in",
    130: "cancelled by Ctrl-C, SIGTERM or a closed terminal",
}
UNREACHABLE = "unreachable"
"""No connection came about, or what answers is something else."""
CONNECTION_LOST = "connection_lost"
"""A connection was there, and broke: what was sent may have arrived."""
UNREADABLE = "unreadable"
"""A server of ours answers, and its words make no sense here."""
INCOMPLETE = "incomplete"
"""Fewer pictures came than were asked for; these are saved."""
UNWRITABLE = "unwritable"
"""The picture was painted and cannot be written."""
USAGE = "usage"
"""The command line cannot be used."""
INTERRUPTED = "interrupted"
"""A signal of the user has ended it."""

EXIT_CODES = {
    USAGE: 2,
    "invalid_request": 2,
    "unknown_model": 2,
    UNREACHABLE: 3,
    CONNECTION_LOST: 3,
    "too_many_jobs": 3,
    "rate_limited": 3,
    "queue_full": 3,
    "queue_unavailable": 3,
    "no_backend": 3,
    "shutting_down": 3,
    "unauthorized": 4,
    "forbidden": 4,
    INTERRUPTED: 130,
    UNREADABLE: 1,
    INCOMPLETE: 1,
    UNWRITABLE: 1,
    "not_found": 1,
    "cancelled": 1,
    "expired": 1,
    "internal": 1,
    "backend_error": 1,
    "timeout": 1,
}
"""The exit code of each error code, the server's and those that only a client has; of others it is 1."""
