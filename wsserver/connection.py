"""Connection: one client's conversation, from the first message to the last.

It reads a message, does what it says, and only then reads the next one; each job that it follows is one
task. Nothing here outlives the connection but the jobs themselves.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from core import (
    Access,
    Event,
    Gateway,
    Internal,
    InvalidRequest,
    Limits,
    NotFound,
    RateLimited,
    SdError,
    TooManyJobs,
    Unauthorized,
    Watch,
)
from wsserver.messages import (
    Attach,
    Auth,
    Cancel,
    Command,
    Generate,
    cancelled_message,
    error_message,
    event_messages,
    names_of,
    parse,
    read,
)
from wsserver.pace import Pace
from wsserver.peer import Peer

AUTH_SECONDS = 5.0
"""How long a stranger may take to send its key."""
POLICY_VIOLATION = 1008
"""The close code for a peer that may not come in (RFC 6455, 7.4.1)."""

log = logging.getLogger(__name__)


class Connection:
    """Serve one peer by `converse`, which returns when the connection is closed.

    `most_jobs` may be followed at once. `stopping` says whether this server is about to end: then a
    connection that closes is not its peer's doing.
    """

    __slots__ = ("_access", "_gateway", "_jobs", "_limits", "_most_jobs", "_peer", "_stopping", "_turn")

    def __init__(
        self,
        peer: Peer,
        gateway: Gateway,
        access: Access,
        *,
        limits: Limits,
        most_jobs: int,
        stopping: Callable[[], bool],
    ) -> None:
        self._peer = peer
        self._gateway = gateway
        self._access = access
        self._limits = limits
        self._most_jobs = most_jobs
        self._stopping = stopping
        self._jobs: set[_Job] = set()
        """Those whose last message was not sent yet."""
        # One message at a time is on its way: what the other jobs have to say waits in their Watches,
        # where it is replaced by what is newer. So a slow peer holds one message, and each job's pictures.
        self._turn = asyncio.Lock()

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """One for each job that has something left to tell."""
        return {job.task for job in self._jobs if job.task is not None}

    @property
    def peer(self) -> Peer:
        """The other end."""
        return self._peer

    async def converse(self) -> None:
        """Answer every message, until the connection is closed."""
        try:
            if self._peer.stranger and not await self._let_in():
                return
            async with asyncio.TaskGroup() as tasks:
                try:
                    await self._read(tasks)
                finally:
                    for task in self.tasks:
                        task.cancel()
        except ConnectionClosed:
            return

    async def _let_in(self) -> bool:
        """Wait for the key as the first message; anything else ends the connection."""
        try:
            async with asyncio.timeout(AUTH_SECONDS):
                command = parse(read(await self._peer.recv()), self._limits)
        except (TimeoutError, SdError):
            command = None
        if isinstance(command, Auth) and self._access.accepts(command.key):
            self._peer.stranger = False
            return True
        await self._send_unauthorized()
        return False

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        pace = Pace(time.monotonic)
        try:
            while True:
                message = await self._peer.recv()
                if pause := pace.take():
                    await self._send(error_message(RateLimited("more messages than anybody can mean")))
                    # Not only refused but also read more slowly: refusals cost, too.
                    await asyncio.sleep(pause)
                    continue
                await self._answer(message, tasks)
        except ConnectionClosed:
            return  # a TaskGroup would wrap it

    async def _answer(self, message: str | bytes, tasks: asyncio.TaskGroup) -> None:
        names: dict[str, str] = {}
        try:
            fields = read(message)
            names = names_of(fields)
            await self._obey(parse(fields, self._limits), tasks)
        except ConnectionClosed:
            raise
        except Exception as error:  # noqa: BLE001 - told and logged there; the connection goes on
            await self._tell_error(error, **names)

    async def _obey(self, command: Command, tasks: asyncio.TaskGroup) -> None:
        match command:
            case Generate(request, label, preview, keep, key):
                caller = self._peer.visitor.caller
                submitted = self._gateway.submit(request, caller, key=key, keep=keep, preview=preview)
                await self._begin(submitted, label, tasks)
            case Attach(id, label, preview):
                await self._begin(self._gateway.attach(id, preview=preview), label, tasks)
            case Cancel():
                await self._cancel(command)
            case Auth(key):
                if self._access.needs_key and not self._access.accepts(key):
                    await self._send_unauthorized()

    async def _begin(
        self, entering: AbstractAsyncContextManager[Watch], label: str | None, tasks: asyncio.TaskGroup
    ) -> None:
        """Follow a job in a task of its own. Raises what entering it raises."""
        if label is not None and any(job.label == label for job in self._jobs):
            raise InvalidRequest(f"label: a job of this connection is called {label!r}", field="label")
        if len(self._jobs) >= self._most_jobs:
            raise TooManyJobs(f"this connection follows {len(self._jobs)} jobs, no more are taken")
        job = _Job(label)
        job.task = tasks.create_task(self._follow(job, entering))
        # The next message may be about this job, so it must not be read before the job is known.
        await job.entered.wait()
        if job.fault is not None:
            raise job.fault

    async def _follow(self, job: "_Job", entering: AbstractAsyncContextManager[Watch]) -> None:
        """One job's task: from entering it to its last message."""
        try:
            async with entering as watch:
                job.id = watch.id
                self._jobs.add(job)
                job.entered.set()
                try:
                    await self._tell_all(job, watch)
                finally:
                    # The one place for hang-ups, however they were noticed. When we stop, or this task is
                    # ended from outside, the job goes on.
                    if self._peer.state is not State.OPEN and not self._stopping():
                        await self._gateway.abandon(watch)
        except ConnectionClosed:
            return  # noticed by `_read` as well
        except Exception as error:
            if job.entered.is_set():
                log.warning("a job could not be left", exc_info=error)
            job.fault = error
        finally:
            self._jobs.discard(job)
            job.entered.set()

    async def _tell_all(self, job: "_Job", watch: Watch) -> None:
        try:
            async for event in watch:
                await self._tell(job, event)
        except ConnectionClosed:
            raise
        except Exception as error:  # noqa: BLE001 - told and logged there; the connection goes on
            await self._tell_error(error, id=job.id, label=job.label)

    async def _tell(self, job: "_Job", event: Event) -> None:
        for message, last in event_messages(event, job.id, job.label):
            async with self._turn:
                if last:
                    # Before it is written, with no wait between: whoever has read it may use the label and
                    # the place again at once.
                    self._jobs.discard(job)
                await self._peer.send(message, text=True)

    async def _cancel(self, command: Cancel) -> None:
        wanted = {job for job in self._jobs if command in (Cancel(id=job.id), Cancel(label=job.label))}
        id = command.id or next((job.id for job in wanted), None)
        if id is None:
            raise NotFound("no job of this connection has this label")
        ended = await self._gateway.cancel(id, self._peer.visitor.caller)
        if wanted:
            return  # its own task tells how it ends, or has ended
        if not ended:
            raise NotFound("this job had ended before")
        await self._send(cancelled_message(id))

    async def _tell_error(self, error: Exception, *, id: str | None = None, label: str | None = None) -> None:
        """The one place where an error becomes a message; a fault of our own becomes a log entry, too."""
        if not isinstance(error, SdError):
            log.error("a message or a job could not be handled", exc_info=error)
            error = Internal("a fault of our own; its details are in the server's log")
        await self._send(error_message(error, id=id, label=label))

    async def _send(self, message: bytes) -> None:
        async with self._turn:
            await self._peer.send(message, text=True)

    async def _send_unauthorized(self) -> None:
        await self._send(
            error_message(
                Unauthorized(
                    "an API key is needed: Authorization: Bearer KEY in the handshake, or as the first "
                    'message {"type": "auth", "key": "KEY"}'
                )
            )
        )
        await self._peer.close(POLICY_VIOLATION, "unauthorized")


class _Job:
    """A job that this connection follows."""

    __slots__ = ("entered", "fault", "id", "label", "task")

    def __init__(self, label: str | None) -> None:
        self.label = label
        self.id = ""
        self.task: asyncio.Task[None] | None = None
        self.entered = asyncio.Event()
        self.fault: Exception | None = None
        """Why it was not entered."""
