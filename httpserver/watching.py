"""Watching a job for a client, as long as the client is there: the one place where hang-ups are noticed."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from types import TracebackType

from aiohttp import web

from core import LOCAL_ENDS, Completed, End, Event, Expired, Failed, JobCancelled, NotFound, Watch
from core.wire import encode, idempotency_key
from httpserver.keys import CLOSING, GATEWAY, JOB, VISITOR
from httpserver.messages import Wanted, is_key, read_idempotency_key

_ID = re.compile("[0-9a-f]{32}")


def submitted(
    request: web.Request,
    wanted: Wanted,
    *,
    keep: bool,
    preview: bool = False,
    progress: bool = True,
    place: bool = True,
) -> AbstractAsyncContextManager[Watch]:
    """Submit what a client wants, and watch it. The two kinds of key are names of their own kind each."""
    visitor = request[VISITOR]
    key = None
    if "Idempotency-Key" in request.headers:
        key = idempotency_key(read_idempotency_key(request.headers["Idempotency-Key"]))
        keep = True
    elif visitor.request_id is not None and is_key(visitor.request_id):
        # With the request itself: a proxy may hand on its clients' own, the same for all that one does.
        key = f"x-request-id {visitor.request_id} {encode(wanted.image.chosen).decode()}"
    return _WhileThere(
        request,
        request.app[GATEWAY].submit(
            wanted.image,
            visitor.caller,
            key=key,
            keep=keep or wanted.keep,
            preview=preview,
            progress=progress,
            place=place,
        ),
    )


def attached(
    request: web.Request, id: str = "", *, preview: bool = False, progress: bool = True
) -> AbstractAsyncContextManager[Watch]:
    """Watch the job of this id, or the one that the URL names."""
    id = id or request.match_info["id"]
    return _WhileThere(request, request.app[GATEWAY].attach(id, preview=preview, progress=progress))


@asynccontextmanager
async def resumed(request: web.Request, wanted: Wanted, *, keep: bool) -> AsyncIterator[Watch]:
    """The job that a browser's EventSource followed until its connection broke; else as `submitted`.

    It asks the same again by itself, and can send no Idempotency-Key: it would have a second picture painted.
    """
    async with AsyncExitStack() as stack:
        watch = None
        id = request.headers.get("Last-Event-ID", "")
        if _ID.fullmatch(id):
            with suppress(NotFound, Expired):
                watch = await stack.enter_async_context(attached(request, id, preview=wanted.preview))
        if watch is None:
            job = submitted(request, wanted, keep=keep, preview=wanted.preview)
            watch = await stack.enter_async_context(job)
        yield watch


async def last_event(watch: Watch, seconds: float) -> Event:
    """How the job ended, if it does so within these seconds, else what was told last.

    Raises what ends only this process's part (LOCAL_ENDS): on a shared queue the job may go on.
    """
    event = await anext(watch)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not isinstance(event, End):
                event = await anext(watch)
    if isinstance(event, Failed) and event.code in LOCAL_ENDS:
        raise event.as_error()
    return event


def completed(end: End) -> Completed:
    """The pictures, or the error that this end is for a client who waits for them."""
    if isinstance(end, Completed):
        return end
    raise end.as_error() if isinstance(end, Failed) else JobCancelled("the job was cancelled")


class _WhileThere(AbstractAsyncContextManager[Watch]):
    """Enter a watch, and abandon its job if the client hangs up meanwhile.

    A hang-up cancels the handler, or shows as a ConnectionError of a write. When the server closes, handlers
    are cancelled as well: their clients did not go, so their jobs are only left.
    """

    def __init__(self, request: web.Request, job: AbstractAsyncContextManager[Watch]) -> None:
        self._request = request
        self._job = job

    async def __aenter__(self) -> Watch:
        self._watch = await self._job.__aenter__()
        self._request[JOB] = self._watch.id
        return self._watch

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, (asyncio.CancelledError, ConnectionError)):
                gateway = self._request.app[GATEWAY]
                if not gateway.draining and not self._request.app[CLOSING].is_set():
                    await gateway.abandon(self._watch)
        finally:
            await self._job.__aexit__(kind, error, trace)
