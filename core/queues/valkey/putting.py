"""Putting: the way into the queue. A request becomes a job, or attaches to one, or is refused."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from core.caller import Caller
from core.errors import QueueUnavailable, SdError
from core.fair_order import MOST_LATE
from core.offers import kind_of
from core.queues.admission import check_backends, is_repeat
from core.queues.refusals import another_request, queue_full, stopping, too_many_jobs
from core.queues.valkey.backends import Backends
from core.queues.valkey.leaving import Spawn
from core.queues.valkey.outage import is_full
from core.queues.valkey.records import decode_request, encode_request, kind_words
from core.queues.valkey.store import CALL_SECONDS, Store
from core.queues.valkey.watching import Watching
from core.request import ImageRequest
from core.settings import Settings

TOO_SLOW = "the shared queue was too slow"
UNBOUND = 1 << 53
"""No bound: for a job that had been accepted before."""


class Putting:
    """For the front ends of one process."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        backends: Backends,
        watching: Watching,
        spawn: Spawn,
    ) -> None:
        self._store = store
        self._max_queue = settings.max_queue
        self._max_jobs_per_user = settings.max_jobs_per_user
        self._backends = backends
        self._watching = watching
        self._spawn = spawn
        self.is_closed = False
        """Whether this process is about to stop: then only jobs that are known are attached to."""

    async def put(self, id: str, request: ImageRequest, caller: Caller, *, keep: bool) -> None:
        """See Queue.put. Cut off in mid-call, the job that it may have put is forsaken."""
        refusal = self._refusal(request)
        if refusal is not None and not self.is_closed:  # what the last pulse found may have changed since
            await self._backends.ask(self._store)
            refusal = self._refusal(request)
        # Where no new work can be taken the queue counts as full: what is known is attached to all the same.
        bounds = (0 if refusal else self._max_queue, self._max_jobs_per_user)
        putting = asyncio.ensure_future(self._put(id, request, caller, keep, bounds))
        try:
            code, *details = await asyncio.shield(putting)
        except asyncio.CancelledError:
            self._spawn(self._undo(id, putting, keep))
            raise
        except QueueUnavailable as error:
            self._doubt(id, error, keep)
            raise
        match code:
            case b"new" | b"known":
                again = partial(self._put_again, id, request, caller, keep)
                self._watching.accepted(id, again, keep=keep)
            case b"other":
                raise another_request()
            case b"late":
                raise QueueUnavailable(TOO_SLOW)
            case b"full":
                raise refusal or queue_full(details[0])
            case b"many":
                raise too_many_jobs(details[0])

    async def _put_again(self, id: str, request: ImageRequest, caller: Caller, keep: bool) -> None:
        """Put what had been accepted before; whoever has put the id with another request meanwhile has it."""
        code, *_ = await self._put(id, request, caller, keep, (UNBOUND, UNBOUND))
        if code == b"late":
            raise QueueUnavailable(TOO_SLOW)

    def _refusal(self, request: ImageRequest) -> SdError | None:
        """Why a new job could not be taken now; one that is known is attached to all the same."""
        if self.is_closed:
            return stopping()
        try:
            check_backends(request, self._backends.offers)
        except SdError as error:
            return error
        return None

    async def _put(
        self, id: str, request: ImageRequest, caller: Caller, keep: bool, bounds: tuple[int, int]
    ) -> Sequence[Any]:
        def until() -> tuple[int]:
            return (round((self._backends.server_clock + CALL_SECONDS) * 1000),)

        answer: Sequence[Any] = await self._store.call(
            "put",
            id,
            encode_request(request),
            caller.name,
            int(keep),
            kind_words(kind_of(request)),
            repr(request.cost),
            *bounds,
            MOST_LATE,
            last=until,
        )
        if answer[0] == b"other":
            known = decode_request(answer[1])
            if known != request and is_repeat(request, known):
                return await self._put(id, known, caller, keep, bounds)
        return answer

    def _doubt(self, id: str, error: QueueUnavailable, keep: bool) -> None:
        """It may have been put; not where there was no room, and a job with its id had been there before."""
        if not keep and not is_full(error):
            self._watching.leaving.doubt(id)

    async def _undo(self, id: str, putting: "asyncio.Future[Sequence[Any]]", keep: bool) -> None:
        """A put was cut off in mid-call: let it end, and the job with it, unless it is to be kept."""
        try:
            code, *_ = await putting
        except QueueUnavailable as error:
            self._doubt(id, error, keep)
            return
        if not keep and code in (b"new", b"known"):  # else it is another request's, or there is none
            await self._watching.forsake(id)
