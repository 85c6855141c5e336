"""Connection: one client's conversation. A message is read, done, and only then the next one is read."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from core import Access, Cancelled, Gateway, Limits, NotFound, RateLimited, SdError, Unauthorized
from core.wire import Words, idempotency_key
from wsserver.jobs import Jobs
from wsserver.messages import (
    Attach,
    Auth,
    Cancel,
    Command,
    Generate,
    event_message,
    names_in,
    names_of,
    parse,
    read,
)
from wsserver.outbox import Outbox
from wsserver.pace import MESSAGES_PER_SECOND, Pace
from wsserver.peer import Peer

AUTH_SECONDS = 5.0
"""How long a stranger may take to send its key."""
POLICY_VIOLATION = 1008
"""The close code for a peer that may not come in (RFC 6455, 7.4.1)."""
KEY_WANTED = (
    "the API key is missing or wrong: Authorization: Bearer KEY is wanted in the handshake, "
    'or as the first message {"type": "auth", "key": "KEY"}'
)


class Connection:
    """Serve one peer by `converse`. Nothing of it outlives the connection but the jobs themselves.

    `most_jobs` may be followed at once. `is_stopping` says whether this server is about to end: then a
    connection that closes is not its peer's doing.
    """

    __slots__ = ("_access", "_gateway", "_is_stopping", "_limits", "_outbox", "jobs", "peer")

    def __init__(
        self,
        peer: Peer,
        gateway: Gateway,
        access: Access,
        *,
        limits: Limits,
        most_jobs: int,
        is_stopping: Callable[[], bool],
    ) -> None:
        self.peer = peer
        self._gateway = gateway
        self._access = access
        self._limits = limits
        self._is_stopping = is_stopping
        self._outbox = Outbox(peer)
        self.jobs = Jobs(gateway, self._outbox, most=most_jobs, is_abandoned=self._has_hung_up)

    async def converse(self) -> None:
        """Answer every message; returns when the connection is closed."""
        try:
            if self.peer.stranger and not await self._let_in():
                return
            async with asyncio.TaskGroup() as tasks:
                try:
                    await self._read(tasks)
                finally:
                    # The oldest first: the shared queue hears of the last one first that leaves.
                    for task in self.jobs.tasks:
                        task.cancel()
        except ConnectionClosed:
            return

    async def _let_in(self) -> bool:
        """Wait for the key as the first message; anything else ends the connection."""
        try:
            async with asyncio.timeout(AUTH_SECONDS):
                command = parse(read(await self.peer.recv()), self._limits)
        except (TimeoutError, SdError):
            command = None
        if isinstance(command, Auth) and self._access.accepts(command.key):
            self.peer.stranger = False
            return True
        await self._turn_away()
        return False

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        pace = Pace(time.monotonic)
        try:
            while True:
                message = await self.peer.recv()
                pause = pace.take()
                with suppress(ConnectionClosed):  # it hears no answer, but what else it said before counts
                    await self._answer(message, tasks, too_fast=pause > 0)
                # Refusals cost as well: so what comes next is also read later.
                await asyncio.sleep(pause)
        except ConnectionClosed:
            return  # a TaskGroup would wrap it

    async def _answer(self, message: str | bytes, tasks: asyncio.TaskGroup, *, too_fast: bool) -> None:
        fields: Words | None = None
        try:
            fields = read(message)
            if too_fast:
                raise RateLimited(f"{MESSAGES_PER_SECOND:g} messages a second are read, not more")
            await self._obey(parse(fields, self._limits), tasks)
        except ConnectionClosed:
            raise
        except Exception as fault:  # noqa: BLE001 - send_error logs it, and the connection goes on
            names = names_in(message) if fields is None else names_of(fields)
            await self._outbox.send_error(fault, refused=True, **names)

    async def _obey(self, command: Command, tasks: asyncio.TaskGroup) -> None:
        match command:
            case Generate(request, label, preview, keep, key):
                caller = self.peer.visitor.caller
                named = None if key is None else idempotency_key(key)
                submitted = self._gateway.submit(request, caller, key=named, keep=keep, preview=preview)
                await self.jobs.begin(submitted, label, tasks)
            case Attach(id, label, preview):
                await self.jobs.begin(self._gateway.attach(id, preview=preview), label, tasks)
            case Cancel(id, label):
                await self._cancel(id, label)
            case Auth(key):  # from a client that always sends one, with or without need
                if self._access.needs_key and not self._access.accepts(key):
                    await self._turn_away()

    async def _cancel(self, id: str | None, label: str | None) -> None:
        followed = self.jobs.find(id=id, label=label)
        id = followed.id if followed else id
        if id is None:
            raise NotFound("no job of this connection has this label")
        ended = await self._gateway.cancel(id, self.peer.visitor.caller)
        if followed:
            return  # its own task tells how it ends
        if not ended:
            raise NotFound("this job had ended before")
        await self._outbox.send(event_message(Cancelled(), id))

    async def _turn_away(self) -> None:
        await self._outbox.send_error(Unauthorized(KEY_WANTED), refused=True)
        await self.peer.close(POLICY_VIOLATION, "unauthorized")

    def _has_hung_up(self) -> bool:
        return self.peer.state is not State.OPEN and not self._is_stopping()
