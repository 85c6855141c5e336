"""Job: one request at a server, followed to its end over however many connections that takes.

The request bears an Idempotency-Key of its own, so it can be sent again after a broken connection: the
server goes on with the same job, or with its kept result. A server that was restarted has forgotten the job;
the same request starts it anew.
"""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from cli.exit_codes import CONNECTION_LOST, UNREACHABLE
from cli.failures import Failure
from cli.messages import Cancelled, Event, Failed, Picture, failure_of, read_state
from cli.server import Server
from core import LOCAL_ENDS

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds before another try: doubled each time, and spread, so that not all clients come back at once."""
FORGOTTEN = {"not_found", "expired"}
MOST_HANG_UPS = 3
"""Connections that break at a server that has never answered, until it is taken for another program."""
NO_ANSWER = {CONNECTION_LOST, UNREACHABLE}
"""Failures that do not tell whether the server has the job; every other one says that it has not."""


class Job:
    """Run `pictures` to its end; where that is cut off, `cancel` what the server has of it.

    `told` hears of every event, `lost` of every broken connection with the seconds until the next try.
    """

    def __init__(
        self,
        server: Server,
        wanted: dict[str, Any],
        *,
        told: Callable[[Event], None],
        lost: Callable[[Failure, float], None],
        patience: float,
    ) -> None:
        self._server = server
        self._wanted = wanted
        self._told = told
        self._lost = lost
        self._patience = patience
        self._key = uuid.uuid4().hex
        self._sent = False
        """Whether the server may know of the job: from then on a lost connection is no end."""
        self.id: str | None = None
        """The server's name for the job, while it is known."""
        self._hang_ups = 0
        self.unsure = False
        """Whether the server may have a job that it has not told the id of."""
        self.submitted = asyncio.Event()
        """Set while the id is known; cleared while the job is being submitted."""
        self._lost_since: float | None = None
        self._pause = FIRST_PAUSE

    async def pictures(self) -> list[Picture]:
        """Submit the job, and come back to it until its pictures are there. Raises Failure."""
        while True:
            try:
                return await self._follow()
            except Failure as failure:
                if failure.code == CONNECTION_LOST and not self._server.has_answered:
                    await self._look_who_hangs_up(failure)
                    self._sent = True
                self.unsure = self.unsure and failure.code in NO_ANSWER
                if not (self._sent and failure.may_pass):
                    raise
                await self._rest(failure)

    async def _look_who_hangs_up(self, failure: Failure) -> None:
        """Ours does so if it is about to stop. Raises Failure where this is another program."""
        if (foreign := await self._server.foreign()) is not None:
            raise foreign from failure
        self._hang_ups += not self._server.has_answered
        if self._hang_ups >= MOST_HANG_UPS:
            raise self._server.hangs_up() from failure

    async def cancel(self) -> str | None:
        """End the job at the server. Returns where its picture is, if it was painted by then.

        Raises Failure where that could not be told.
        """
        if self.id is None:
            if self.unsure:
                raise Failure(CONNECTION_LOST, f"{self._server.name} has not answered yet")
            return None
        try:
            state = read_state(await self._server.ask("DELETE", f"/jobs/{self.id}"))
        except ValueError as error:
            raise self._server.unreadable(error) from None
        except Failure as failure:
            if failure.code not in FORGOTTEN:
                raise
            return None
        return f"{self._server.name}/jobs/{self.id}/images/0" if state == "completed" else None

    async def _follow(self) -> list[Picture]:
        """Follow it on one connection. Raises Failure."""
        if self.id is not None:
            try:
                async with self._server.events("GET", f"/jobs/{self.id}") as events:
                    return await self._pictures(events)
            except Failure as failure:
                if failure.code not in FORGOTTEN:
                    raise
        async with self._submit() as events:
            self._sent = True
            return await self._pictures(events)

    def _submit(self) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        self.id = None
        self.submitted.clear()
        return self._server.events("POST", "/text", json=self._wanted, key=self._key, sent=self._doubt)

    def _doubt(self) -> None:
        self.unsure = True

    async def _pictures(self, events: AsyncIterator[Event]) -> list[Picture]:
        pictures: list[Picture] = []
        async for event in events:
            self._hear(event)
            match event:
                case Failed(_, code, message, retry_after):
                    failure = failure_of(code, message, retry_after)
                    if failure.may_pass and code not in LOCAL_ENDS:
                        self.id = None  # this job is over: another try is a new one
                    raise failure
                case Cancelled():
                    raise Failure("cancelled", "the job was cancelled")
                case Picture():
                    self._check(event, len(pictures))
                    pictures.append(event)
                    if len(pictures) == event.count:
                        return pictures
        raise Failure(CONNECTION_LOST, f"{self._server.name} ended its answer before the job's end")

    def _check(self, picture: Picture, index: int) -> None:
        """Refuse one that was not asked for: it would have no file of its own. Raises Failure."""
        most = self._wanted.get("batch_size", 1)
        if not picture.index == index < picture.count <= most:
            told, awaited = f"image {picture.index} of {picture.count}", f"{index} of at most {most}"
            raise self._server.unreadable(f"{told}, where {awaited} is awaited")

    def _hear(self, event: Event) -> None:
        self.id, self.unsure = event.id, False
        self.submitted.set()
        self._lost_since, self._pause = None, FIRST_PAUSE
        self._told(event)

    async def _rest(self, failure: Failure) -> None:
        """Wait before another try. Raises the failure if that has gone on for too long."""
        now = asyncio.get_running_loop().time()
        if self._lost_since is None:
            self._lost_since = now
        left = self._lost_since + self._patience - now
        if left <= 0:
            raise failure
        pause = max(self._pause * random.uniform(0.5, 1.0), failure.retry_after or 0.0)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._lost(failure, min(pause, left))
        await asyncio.sleep(min(pause, left))
