"""Status: what may be told to anybody of the queue and the backends."""

from dataclasses import dataclass
from typing import Literal

from core.offers import Offer


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """One backend: what it offers, and whether it paints a job of ours now."""

    offer: Offer
    painting: bool
    owner: str | None = None
    """The worker process that has it, where the queue is shared."""

    @property
    def state(self) -> Literal["painting", "idle", "down"]:
        """What it does now, in one word."""
        if self.painting:
            return "painting"
        return "idle" if self.offer.usable else "down"


@dataclass(frozen=True, slots=True)
class Status:
    """Counts and backends. Other callers are only a number."""

    waiting: int
    running: int
    callers: int
    """Callers with a job that waits or runs."""
    own_waiting: int
    own_running: int
    waiting_by_caller: tuple[int, ...]
    """How many jobs of each caller wait, the most first."""
    workers: int
    """Worker processes that live; where the queue is in memory, this one."""
    backends: tuple[BackendStatus, ...]
