"""Kept: results that may be asked for later, for a time and within a number of bytes."""

from collections import OrderedDict
from typing import NamedTuple

from core.errors import Expired, NotFound
from core.events import Completed
from core.queues.memory.job import Job
from core.queues.refusals import expired, no_such_job

RECORD_BYTES = 2048
"""What a job weighs beside pictures and texts: so that the bound in bytes bounds their number as well."""
REMEMBERED = 10_000
"""Ids of results that are gone, which are answered with `expired`."""


class _Result(NamedTuple):
    job: Job
    size: int
    until: float


class Kept:
    """Ended jobs by id, the oldest first out."""

    def __init__(self, ttl: float, max_bytes: int) -> None:
        self._ttl = ttl
        self._max_bytes = max_bytes
        self._bytes = 0
        self._results: OrderedDict[str, _Result] = OrderedDict()
        self._gone: OrderedDict[str, float] = OrderedDict()

    def add(self, job: Job, now: float) -> None:
        """Keep an ended job's result; older ones make room for it."""
        size = _weight(job)
        self._results[job.id] = _Result(job, size, now + self._ttl)
        self._bytes += size
        if size > self._max_bytes:  # it would go as well, after all the others
            self._expire(job.id, now)
        while self._bytes > self._max_bytes:
            self._expire(next(iter(self._results)), now)

    def get(self, id: str, now: float) -> Job | None:
        """The ended job with this id, if its result is still kept."""
        self.purge(now)
        result = self._results.get(id)
        return result.job if result else None

    def forget(self, id: str) -> None:
        """Drop what is known of a result that is about to be painted anew."""
        self._gone.pop(id, None)
        result = self._results.pop(id, None)
        if result:
            self._bytes -= result.size

    def missing(self, id: str) -> Expired | NotFound:
        """The error for an id that is no job (any more)."""
        if id in self._gone:
            return expired()
        return no_such_job()

    def purge(self, now: float) -> None:
        """Let go what was kept for its time. Both tables are in order of time."""
        while self._results and next(iter(self._results.values())).until <= now:
            self._expire(next(iter(self._results)), now)
        while self._gone and (next(iter(self._gone.values())) <= now or len(self._gone) > REMEMBERED):
            self._gone.popitem(last=False)

    def _expire(self, id: str, now: float) -> None:
        self.forget(id)
        self._gone[id] = now + self._ttl


def _weight(job: Job) -> int:
    """Bytes."""
    texts = [job.request.prompt, job.request.negative_prompt]
    pictures = 0
    if isinstance(job.ended, Completed):
        texts += [image.infotext for image in job.ended.images]
        pictures = job.ended.size
    return RECORD_BYTES + pictures + sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
