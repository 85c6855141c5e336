"""Tasks: our own ones on one server. They are interrupted, and never what is somebody else's."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.backends import task_prefix
from core.backends.a1111.client import Broken, Client
from core.backends.a1111.progress import ProgressSource, TaskState
from core.backends.a1111.standstill import LONGEST, Standstill, is_busy
from core.errors import BackendError, SdError

log = logging.getLogger(__name__)

GIVE_UP_SECONDS = 30.0
"""How long `interrupt` tries."""
ASK_AGAIN = 0.2
"""Seconds between two questions whether our task runs: it is interrupted well within a second of that."""
NOT_YET = 1.0
"""A task that the server does not know may be one whose request it still reads, for so many seconds."""


class Sent:
    """A txt2img request of ours that has no answer yet."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self.is_unwanted = False
        """Whether it was to be interrupted: how long it took says nothing."""


class Tasks:
    """Of one deployment, which is in the names of them all: by it we know our own pictures again."""

    def __init__(
        self,
        client: Client,
        progress: ProgressSource,
        *,
        deployment: str,
        clock: Callable[[], float],
        give_up: float,
    ) -> None:
        self._client = client
        self._progress = progress
        self._prefix = task_prefix(deployment)
        self._clock = clock
        self._give_up = give_up
        self._sent: dict[str, Sent] = {}
        self._given_up: dict[str, float] = {}
        """Those that the server may still paint, each with the time since when nothing else held it up."""
        self._stopping: asyncio.Task[None] | None = None
        """The last interrupt that was sent: until it is answered it may hit whatever is begun."""
        self._seen_idle = False
        self._standstill = Standstill(clock)

    @contextmanager
    def under_way(self, task: str) -> Iterator[Sent]:
        """Within, a request to paint is sent; leaving it is its answer, unless the connection is gone."""
        sent = self._sent[task] = Sent()
        try:
            yield sent
            sent.answered.set()
        except (Broken, asyncio.CancelledError):
            # The server may paint on; the next look makes sure that it does not.
            self._given_up.setdefault(task, self._clock())
            raise
        except SdError:  # a refusal is an answer, too
            sent.answered.set()
            raise
        finally:
            del self._sent[task]

    async def interrupt(self, task: str) -> None:
        """See Backend.interrupt."""
        sent = self._sent.get(task)
        if sent is not None:
            sent.is_unwanted = True
        began = self._clock()
        while self._clock() - began < self._give_up:
            state = await self._state(task)
            if sent is not None and sent.answered.is_set():  # what runs by now is somebody else's
                return
            if state == "active":
                await self._stop()
            elif task not in self._sent and (
                state in {"unknown", "finished"} or (state == "gone" and self._clock() - began >= NOT_YET)
            ):
                return
            if await _came(sent.answered if sent else asyncio.Event(), ASK_AGAIN):
                return
        self._given_up.setdefault(task, self._clock())

    async def settle(self) -> None:
        """Wait for the answer to the last interrupt, if it is on its way."""
        if self._stopping is not None and not self._stopping.done():
            await asyncio.wait({self._stopping})

    @property
    def hangs(self) -> bool:
        """Whether it has not ended for minutes what was given up: it may need its owner."""
        return any(self._clock() - since >= LONGEST for since in self._given_up.values())

    async def busy_problem(self) -> str:
        """Why the server is not free; empty if it is. Raises BackendError.

        One that we gave a job up on, or have just met, is used once it is idle. One that does not say that
        such a job has ended may paint it under a name of its own, as SD.Next does.
        """
        await self.settle()
        for task in list(self._given_up):
            state = await self._progress.state(task)
            if state == "active":
                await self._stop()
            if state == "queued" and await self._moves():  # somebody else's picture, behind which ours wait
                self._given_up = dict.fromkeys(self._given_up, self._clock())
            if state in {"active", "queued"}:
                return "still paints a job that was given up"
            del self._given_up[task]
            if state != "finished" and self._seen_idle:
                self._seen_idle, self._standstill = False, Standstill(self._clock)
        if self._seen_idle:
            return ""
        running = await self._progress.running()
        if running is None or not is_busy(running):
            self._seen_idle = True
            return ""
        if self._standstill.lasts(running):
            log.warning("%s: says that it paints, and nothing moves there: taken for idle", self._client.name)
            self._seen_idle = True
            return ""
        if str(running.get("current_task")).startswith(self._prefix):
            await self._stop()
        return "busy with a picture that is none of our jobs under way; waiting until it is idle"

    async def _moves(self) -> bool:
        """Whether what the server paints gets on, as far as it tells that. Raises BackendError."""
        running = await self._progress.running()
        return running is not None and not self._standstill.lasts(running)

    async def _state(self, task: str) -> TaskState:
        """Where our task is on the server; `queued` while the server cannot be asked."""
        try:
            return await self._progress.state(task)
        except BackendError:
            return "queued"

    async def _stop(self) -> None:
        """Interrupt what runs now: only called when that was just seen to be a task of ours.

        Whoever is cut off in this does not call it back: the request is on its way.
        """
        self._stopping = asyncio.create_task(self._ask_to_stop())
        await asyncio.shield(self._stopping)

    async def _ask_to_stop(self) -> None:
        try:
            await self._client.ask("POST", "/sdapi/v1/interrupt")
        except BackendError:
            return  # asked again as long as the task runs


async def _came(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event comes within these seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
