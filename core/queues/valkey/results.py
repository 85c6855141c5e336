"""Results: the pictures of ended jobs, fetched once for all who read them in this process."""

import asyncio
from collections.abc import Sequence
from weakref import WeakValueDictionary

from core.errors import QueueUnavailable
from core.events import Completed, End
from core.queues.valkey.pictures import Pictures
from core.queues.valkey.records import GONE, decode_end, picture_keys
from core.queues.valkey.shown import Ended, read_shown
from core.queues.valkey.store import Store
from core.queues.valkey.watched import Watched

LINGER = 20.0
"""Seconds after which the queue hears, each time, that pictures are still on their way: else it drops them
after a minute."""


class Results:
    """Holds no picture by itself: only those that somebody here still reads are found again."""

    def __init__(self, store: Store, pictures: Pictures) -> None:
        self._store = store
        self._pictures = pictures
        self._read: WeakValueDictionary[str, Completed] = WeakValueDictionary()
        """By the key of their first picture."""

    async def end(self, job: Watched, ended: Ended) -> End:
        """The End with its pictures, however long they take.

        Raises QueueUnavailable where the queue has lost them because it went back to before this end.
        """
        keys = picture_keys(job.id, ended.fence, ended.pictures)
        if not keys:
            return decode_end(ended.words, [])
        async with job.fetching:
            end: End | None = self._read.get(keys[0])
            if end is None:
                end = decode_end(ended.words, await self._fetch(job.id, keys))
                if isinstance(end, Completed):
                    self._read[keys[0]] = end
        if end is GONE and not await self._has_ended(job, ended.version):
            raise QueueUnavailable("the shared queue lost this job's end; ask again")
        return end

    async def _fetch(self, id: str, keys: Sequence[str]) -> list[bytes | None]:
        lingering = asyncio.create_task(self._linger(id))
        try:
            return await self._pictures.fetch(keys)
        finally:
            lingering.cancel()
            await asyncio.wait({lingering})

    async def _linger(self, id: str) -> None:
        while True:
            await asyncio.sleep(LINGER)
            await self._store.attempt("linger", id)

    async def _has_ended(self, job: Watched, version: int) -> bool:
        """Whether the queue still says so."""
        shown = read_shown(*await self._store.call("places", job.id))
        return isinstance(shown, Ended) and shown.version == version
