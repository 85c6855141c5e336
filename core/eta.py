"""Estimates: seconds until a picture, from the work ahead and the measured pace of the backends."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Server:
    """A backend that can paint the job: seconds per cost unit, and seconds until it is free."""

    pace: float
    busy: float


def seconds_until_picture(
    cost: float, ahead: int, work_ahead: float, servers: Sequence[Server]
) -> float | None:
    """Seconds until a waiting job's picture; None where no server's pace is known.

    The servers take the `work_ahead` (cost units of `ahead` jobs) as each becomes free. The job itself
    begins when the last of those before it has begun, not when it is done: at that moment the other servers
    are, on the average, half way through a job.
    """
    if not servers:
        return None
    speed = sum(1 / server.pace for server in servers)
    if ahead == 0:
        first = min(servers, key=lambda server: (server.busy, server.pace))
        return first.busy + cost * first.pace
    under_way = (len(servers) - 1) / 2 * work_ahead / ahead
    wait = _seconds_to_take(max(0.0, work_ahead - under_way), servers)
    return wait + cost * len(servers) / speed


def _seconds_to_take(work: float, servers: Sequence[Server]) -> float:
    """When this much work is done, if each server works from the moment it is free and none is idle."""
    done, speed, now = 0.0, 0.0, 0.0
    for server in sorted(servers, key=lambda server: server.busy):
        if speed and done + speed * (server.busy - now) >= work:
            break
        done += speed * (server.busy - now)
        now = server.busy
        speed += 1 / server.pace
    return now + (work - done) / speed
