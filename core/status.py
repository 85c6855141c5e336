"""Status: what may be told to anybody of the queue and the backends."""

from dataclasses import dataclass

from core.offers import Offer


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """One backend: what it offers, and whether it paints a job of ours now."""

    offer: Offer
    painting: bool


@dataclass(frozen=True, slots=True)
class Status:
    """Counts and backends. Other callers are only a number."""

    waiting: int
    running: int
    callers: int
    """Callers with a job that waits or runs."""
    own_waiting: int
    own_running: int
    backends: tuple[BackendStatus, ...]
