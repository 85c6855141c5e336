"""Gateway: what a front end holds. A request goes in, a Watch comes out."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from msgspec.structs import replace

from core.caller import Caller
from core.coordination import Coordination
from core.errors import InvalidRequest, QueueUnavailable, UnknownModel
from core.offers import Catalog
from core.queues import Queue
from core.request import ImageRequest
from core.status import Status
from core.watch import Watch


class _Watching(AbstractAsyncContextManager[Watch]):
    """A watch from its beginning on, which is left at the end."""

    def __init__(self, queue: Queue, begin: Callable[[], Awaitable[Watch]]) -> None:
        self._queue = queue
        self._begin = begin

    async def __aenter__(self) -> Watch:
        self._watch = await self._begin()
        return self._watch

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._queue.leave(self._watch)


class Gateway:
    """Submit, attach, cancel; nothing else of the core is a front end's business.

    `secret` tells what makes ids from the callers' own keys, so that nobody can guess another one's job.
    `coordination` is how front ends of one kind agree, where several of them share the queue.
    """

    def __init__(self, queue: Queue, coordination: Coordination, *, secret: Callable[[], bytes]) -> None:
        self._queue = queue
        self.coordination = coordination
        self._secret = secret
        self._draining = False

    def submit(
        self,
        request: ImageRequest,
        caller: Caller,
        *,
        key: str | None = None,
        keep: bool = False,
        preview: bool = False,
        progress: bool = True,
        place: bool = True,
    ) -> AbstractAsyncContextManager[Watch]:
        """Accept a job and watch it. Leaving the context only detaches: see `abandon`.

        `key` is the caller's own name for this request: the same one again attaches to the same job.
        Without `progress` the server is not asked for it on this watcher's account, and without `place` it is
        not reckoned where the job stands.
        `keep`: the job lives on without watchers, and its result is kept for RESULT_TTL.
        Raises InvalidRequest, UnknownModel, NoBackend, QueueFull, TooManyJobs, ShuttingDown and
        QueueUnavailable.
        """

        async def enter() -> Watch:
            resolved = await self._resolve(request)
            id = self.id_of(caller, key)
            try:
                await self._queue.put(id, resolved, caller, keep=keep)
            except (UnknownModel, InvalidRequest):
                # What servers have may have become known between the two.
                again = await self._resolve(request)
                if again == resolved:
                    raise
                await self._queue.put(id, again, caller, keep=keep)
            try:
                return await self._queue.events(id, preview=preview, progress=progress, place=place)
            except (asyncio.CancelledError, QueueUnavailable):  # its peer, or the queue, went between the two
                if not keep:
                    await self._queue.forsake(id)
                raise

        return _Watching(self._queue, enter)

    def attach(
        self, id: str, *, preview: bool = False, progress: bool = True
    ) -> AbstractAsyncContextManager[Watch]:
        """Watch a job that somebody submitted before. Raises NotFound, Expired, QueueUnavailable."""
        return _Watching(self._queue, lambda: self._queue.events(id, preview=preview, progress=progress))

    async def abandon(self, watch: Watch) -> None:
        """The peer of this watch is gone: ends its job if nobody else watches and it is not kept."""
        await self._queue.abandon(watch)

    async def cancel(self, id: str, caller: Caller) -> bool:
        """End a job at once; False if it had ended before.

        Raises NotFound, Expired, Forbidden, QueueUnavailable.
        """
        return await self._queue.cancel(id, caller)

    async def catalog(self) -> Catalog:
        """The models and samplers that exist at the moment."""
        return await self._queue.offers()

    async def status(self, caller: Caller) -> Status:
        """Counts and backends, and this caller's own share."""
        return await self._queue.status(caller)

    @property
    def draining(self) -> bool:
        """Whether new work is refused because this process is about to stop."""
        return self._draining

    async def drain(self, grace: float) -> None:
        """Refuse new work, give what runs `grace` seconds to end, end the rest as `shutting_down`."""
        self._draining = True
        await self._queue.drain(grace)

    async def _resolve(self, request: ImageRequest) -> ImageRequest:
        """Replace names that a person wrote loosely by the backends' own.

        Those that are not found are for `put` to judge: who asks again by the exact name for a job that is
        there gets that, and where no server can be used that is what is wrong.
        """
        if request.model is None and request.sampler_name is None:
            return request
        catalog = await self._queue.offers()
        model, sampler = request.model, request.sampler_name
        if model is not None:
            model = catalog.model_named(model) or model
        if sampler is not None:
            sampler = catalog.sampler_named(sampler) or sampler
        return replace(request, model=model, sampler_name=sampler)

    def id_of(self, caller: Caller, key: str | None) -> str:
        """The id that `submit` gives a job: 128 bits that nobody guesses.

        By chance, or from the caller's key and our secret: then it can be known, and stored, before.
        """
        if key is None:
            return secrets.token_hex(16)
        words = f"{len(caller.name)}:{caller.name}{key}".encode()
        return hmac.new(self._secret(), words, hashlib.sha256).hexdigest()[:32]
