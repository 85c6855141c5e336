"""Estimates: seconds until a picture, from the work ahead and the measured pace of the backends."""

from bisect import bisect_left
from collections.abc import Iterable
from operator import itemgetter


class Outlook:
    """How soon some servers can have done how much, reckoned once for all jobs that wait for them.

    Of each server its pace (seconds per cost unit), and the seconds until it is free.
    """

    def __init__(self, servers: Iterable[tuple[float, float]]) -> None:
        self._servers = sorted(servers, key=itemgetter(1, 0))  # by when they are free, then by their pace
        self._done: list[float] = []
        """The work that is done at the moment when each server becomes free, if none is idle before."""
        self._speeds: list[float] = []
        """Cost units a second from that moment on."""
        done, speed, now = 0.0, 0.0, 0.0
        for pace, busy in self._servers:
            done += speed * (busy - now)
            now = busy
            speed += 1 / pace
            self._done.append(done)
            self._speeds.append(speed)

    def until_picture(self, cost: float, ahead: int, work_ahead: float) -> float | None:
        """Seconds until a waiting job's picture; None where no server's pace is known.

        The servers take the `work_ahead` (cost units of `ahead` jobs) as each becomes free. The job itself
        begins when the last of those before it has begun, not when it is done: at that moment the other
        servers are, on the average, half way through a job.
        """
        if not self._servers:
            return None
        if ahead == 0:
            pace, busy = self._servers[0]
            return busy + cost * pace
        under_way = (len(self._servers) - 1) / 2 * work_ahead / ahead
        wait = self._until_done(max(0.0, work_ahead - under_way))
        return wait + cost * len(self._servers) / self._speeds[-1]

    def _until_done(self, work: float) -> float:
        """When this much work is done, if each server works from the moment it is free and none is idle."""
        last = max(0, bisect_left(self._done, work) - 1)
        _, busy = self._servers[last]
        return busy + (work - self._done[last]) / self._speeds[last]
