"""Watching: the front half's view. What this process hears of the jobs that its front ends watch."""

import asyncio
import time
from collections.abc import Sequence

from core.errors import QueueUnavailable
from core.events import Failed
from core.queues.refusals import expired, no_such_job
from core.queues.valkey.backends import Backends
from core.queues.valkey.leaving import Leaving, Spawn
from core.queues.valkey.outage import as_far_as_there_is_room
from core.queues.valkey.pictures import Pictures
from core.queues.valkey.records import Message
from core.queues.valkey.results import Results
from core.queues.valkey.shown import Ended, Runs, Shown, Waits, read_message, read_shown
from core.queues.valkey.store import CALL_SECONDS, Store
from core.queues.valkey.watched import LOOKS_FOR_LOST, LOST, Accepted, PutAgain, Watched
from core.watch import Watch

CHUNK = 250
"""Jobs that one call asks for."""
SLICE = 0.002
"""Seconds of work between two turns of the event loop."""


class Watching:
    """Jobs by id, each with its watches."""

    def __init__(
        self,
        store: Store,
        pictures: Pictures,
        process: str,
        backends: Backends,
        listening: asyncio.Event,
        spawn: Spawn,
    ) -> None:
        self._store = store
        self._process = process
        self._backends = backends
        self._listening = listening
        self._spawn = spawn
        self._jobs: dict[str, Watched] = {}
        self._dropped = asyncio.Event()
        self._accepted: dict[str, Accepted] = {}
        """Jobs that were put here and are about to be watched."""
        self._unheard = False
        """Whether the queue may not know any more what is watched here."""
        self._doubts = 0
        """How often it may have gone back to an earlier state."""
        self._results = Results(store, pictures)
        self.leaving = Leaving(store, process, spawn, self._jobs)

    @property
    def waiting(self) -> list[Watched]:
        """Jobs that wait, as far as is known here."""
        return [job for job in self._jobs.values() if job.place is not None]

    @property
    def running(self) -> list[Watched]:
        """Jobs that are painted, as far as is known here."""
        return [job for job in self._jobs.values() if job.place is None]

    async def nothing_watched(self) -> None:
        """Wait until no job is watched here."""
        while self._jobs:
            self._dropped.clear()
            await self._dropped.wait()

    def accepted(self, id: str, put: PutAgain, *, keep: bool) -> None:
        """A job was put here; it is watched next. Should the queue lose it, it is put again."""
        self._accepted[id] = Accepted(put, self._backends.own_clock, keep)

    async def enter(self, watch: Watch) -> None:
        """Begin a watch with the job's last state. Raises NotFound, Expired, QueueUnavailable."""
        own = self._accepted.pop(watch.id, None)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._listening.wait()
        except TimeoutError:
            raise QueueUnavailable("the shared queue cannot be heard now; it comes back by itself") from None
        await self.leaving.until_said(watch.id)
        job = self._jobs.setdefault(watch.id, Watched(watch.id))
        job.entering.add(watch)
        if own and (own.keep or not job.put):  # if somebody wants it kept, it is put again to be kept
            job.put = own.put
        try:
            async with job.saying:
                shown, runs = await self._watch(job, 1 if own else 0)
                if own and watch in job.entering and own.is_no_more(shown, self._backends.own_clock):
                    await own.put()
                    shown, runs = await self._watch(job, 1)
        except BaseException:
            job.entering.discard(watch)
            self._say_flags_later(job, abandon=False)  # what was cut off may run after what is said now
            self._drop_if_done_with(job)
            raise
        self._backends.note_runs(runs)
        await self._begin(job, watch, shown)

    async def leave(self, watch: Watch, *, abandon: bool) -> None:
        """End a watch. With `abandon` the job ends, if nobody else watches it and it is not kept."""
        if (job := self._jobs.get(watch.id)) is None or watch not in job.watches:
            return
        before = job.flags
        del job.watches[watch]
        if job.flags != before:
            await self._say_flags(job, abandon=abandon)

    async def forsake(self, id: str) -> None:
        """A job that was put here and never watched: end it, if nobody watches it and it is not kept."""
        if not self._listening.is_set():
            self.leaving.later(id, abandon=True)
        elif id in self._jobs:
            await self._say_flags(self._jobs[id], abandon=True)
        else:
            await self.leaving.say(id, abandon=True)

    def doubt(self) -> None:
        """Messages may have been lost, and the queue may have gone back to what was on its disk."""
        self._unheard = True
        self._doubts += 1
        for job in self._jobs.values():
            job.doubt()

    def hear(self, message: Message) -> None:
        """A message about a job that is watched here, or was."""
        if job := self._jobs.get(message.id):
            self._apply(job, read_message(message))

    async def check(self) -> bool:
        """See to all jobs: places change, and what was told may have been lost. Raises QueueUnavailable.

        False if some are to be looked at again: one is missing, or its result is on its way, or was cut off.
        """
        ids, doubts = list(self._jobs), self._doubts
        for begin in range(0, len(ids), CHUNK):
            await self._look_at(ids[begin : begin + CHUNK])
        return doubts == self._doubts and all(job.is_seen for job in self._jobs.values())

    async def tell_places(self) -> None:
        """The estimates move with time, also where no place has changed."""
        busy, began = self._backends.busy(), time.monotonic()
        for job in self.waiting:
            if job.place is not None:  # it may have been taken in between
                job.hear(job.version, job.place.as_event(self._backends.takers, busy))
            if time.monotonic() - began >= SLICE:
                await asyncio.sleep(0)
                began = time.monotonic()

    async def enter_again(self) -> None:
        """Say again what is watched here, if the queue may not know it any more. Raises QueueUnavailable."""
        if not self._unheard:
            return
        self._unheard = False  # already now: what is doubted meanwhile is for the next pulse to see to
        try:
            await self._enter_again()
        except BaseException:
            self._unheard = True
            raise

    async def _enter_again(self) -> None:
        ids = list(self._jobs)
        for begin in range(0, len(ids), CHUNK):
            said = {job: job.say_again() for id in ids[begin : begin + CHUNK] if (job := self._jobs.get(id))}
            words = [word for job, flags in said.items() if flags for word in (job.id, flags)]
            await self._store.call("watch_again", self._process, next(self.leaving.numbers), *words)
            for job, flags in said.items():
                if job.flags not in (flags, 0):  # who came or left meanwhile may be heard before this
                    self._unheard = True
                elif job.flags != flags and job.id not in self.leaving:
                    self.leaving.later(job.id, abandon=False)

    def end_all(self, jobs: Sequence[Watched], end: Failed) -> None:
        """Tell all who watch these jobs here that it is over for them; the jobs themselves live on."""
        for job in jobs:
            if self._jobs.pop(job.id, None) is not None:
                job.give_up(end)
                self.leaving.later(job.id, abandon=False)
        self._dropped.set()

    # --- inside

    async def _watch(self, job: Watched, own: int) -> tuple[Shown, Sequence[bytes]]:
        """The job as it is now, and what runs."""
        doubts = None
        while doubts != self._doubts:  # what was answered before that may be of a state that the queue lost
            doubts = self._doubts
            words = (job.id, self._process, job.flags, own, next(self.leaving.numbers))
            shown, runs = await self._store.call("watch", *words)
        return read_shown(shown), runs

    async def _begin(self, job: Watched, watch: Watch, shown: Shown) -> None:
        """The first state of a watch, unless all was given up meanwhile."""
        if watch not in job.entering:
            return
        job.entering.discard(watch)
        if isinstance(shown, str):
            self._drop_if_done_with(job)
            raise no_such_job() if shown == "none" else expired()
        if isinstance(shown, Ended):
            job.fetchers.add(watch)
            try:
                end = await self._results.end(job, shown)
                if watch in job.fetchers:
                    watch.tell(end)
            finally:
                job.fetchers.discard(watch)
                self._drop_if_done_with(job)
            return
        self._apply(job, shown)
        job.watches[watch] = shown.version
        if job.last is not None:
            watch.begin(job.last)

    def _apply(self, job: Watched, shown: Waits | Runs | Ended) -> None:
        """A job as it is now."""
        match shown:
            case Waits(version, place):
                if version >= job.version:
                    job.place = place
                    job.hear(version, place.as_event(self._backends.takers, self._backends.busy()))
            case Runs(version, event):
                job.hear(version, event)
            case Ended(version) if version > job.ending:
                job.ending = version  # told once, whoever brings the news, and nobody waits for its pictures
                self._spawn(self._fetch_end(job, shown))

    async def _look_at(self, ids: Sequence[str]) -> None:
        doubts, answers = self._doubts, await self._store.call("places", *ids)
        began = time.monotonic()
        for id, shown in zip(ids, map(read_shown, answers), strict=True):
            if self._doubts != doubts:  # the rest may be of before the queue went back
                return
            if (job := self._jobs.get(id)) is None or not (job.watches or job.entering):
                continue
            if not isinstance(shown, str):
                job.missing = 0
                self._apply(job, shown)
            elif job.watches and not job.is_ending:
                await self._find(job)
            if time.monotonic() - began >= SLICE:
                await asyncio.sleep(0)
                began = time.monotonic()

    async def _find(self, job: Watched) -> None:
        """The queue has lost a job (Valkey was killed before it had written it down): put it again."""
        job.missing += 1
        job.doubt()
        self._unheard = True
        if job.put is not None:
            with as_far_as_there_is_room():  # else the others would not be looked at
                await job.put()
        elif job.missing > LOOKS_FOR_LOST:
            self.end_all([job], LOST)

    async def _fetch_end(self, job: Watched, ended: Ended) -> None:
        try:
            end = await self._results.end(job, ended)
        except QueueUnavailable:
            job.version = -1  # the next pulse sees what has become of it
            return
        finally:
            if job.ending == ended.version:
                job.ending = -1
        job.end(end, ended.version)
        if job.entering:  # what they are shown first is of before this end, or of the job's next life
            async with job.saying:
                job.end(end, ended.version)
        self._unheard |= job.flags > 0  # those of its next life may want less
        self._drop_if_done_with(job)

    async def _say_flags(self, job: Watched, *, abandon: bool) -> None:
        """The queue learns what the watches here want at the moment of the call."""
        job.sayers += 1
        said = False
        try:
            async with job.saying:
                if self._jobs.get(job.id) is job:  # else it has ended meanwhile
                    said = await self.leaving.tell_flags(job.id, lambda: job.flags, abandon=abandon)
        finally:
            job.sayers -= 1
            if not said:  # it was cut off, perhaps before its turn came
                self._say_flags_later(job, abandon=abandon)
            self._drop_if_done_with(job)

    def _say_flags_later(self, job: Watched, *, abandon: bool) -> None:
        if job.flags:
            self._unheard = True
        elif self._jobs.get(job.id) is job and (abandon or job.id not in self.leaving):
            self.leaving.later(job.id, abandon=abandon)

    def _drop_if_done_with(self, job: Watched) -> None:
        if job.is_done_with and self._jobs.get(job.id) is job:
            if job.said_again:
                self._say_flags_later(job, abandon=False)
            del self._jobs[job.id]
            self._dropped.set()
