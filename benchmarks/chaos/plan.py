"""Plan: how large a storm is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """How large the storm is. Seconds are those of the clock, a picture is painted in four steps."""

    jobs: int = 2000
    callers: int = 50
    front_ends: int = 3
    workers: int = 4
    servers: int = 8
    picture_seconds: float = 0.8
    kill_every: float = 2.0
    valkey_kills: int = 2
    valkey_away: float = 1.0
