"""Jobs: those that one connection follows, each in a task of its own, from entering to the last message."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from websockets.exceptions import ConnectionClosed

from core import Event, Gateway, InvalidRequest, Progress, Queued, Started, TooManyJobs, Watch
from wsserver.messages import event_message, event_messages
from wsserver.outbox import Outbox

log = logging.getLogger(__name__)


class Job:
    """One that this connection follows."""

    __slots__ = ("entered", "fault", "id", "label")

    def __init__(self, label: str | None) -> None:
        self.label = label
        self.id = ""
        self.entered = asyncio.Event()
        self.fault: Exception | None = None
        """Why it was not entered."""


class Jobs:
    """`most` at once. `is_abandoned` says whether a watch that ends now ends because its peer went."""

    __slots__ = ("_gateway", "_is_abandoned", "_jobs", "_most", "_outbox", "tasks")

    def __init__(
        self, gateway: Gateway, outbox: Outbox, *, most: int, is_abandoned: Callable[[], bool]
    ) -> None:
        self._gateway = gateway
        self._outbox = outbox
        self._most = most
        self._is_abandoned = is_abandoned
        self._jobs: set[Job] = set()
        """Those whose last message is still to be sent."""
        self.tasks: dict[asyncio.Task[None], None] = {}
        """One for each job, until the peer has read enough of its last message, too; the oldest first."""

    def find(self, *, id: str | None = None, label: str | None = None) -> Job | None:
        """A job that is followed, by its id or by its label."""
        for job in self._jobs:
            if job.id == id or (label is not None and job.label == label):
                return job
        return None

    async def begin(
        self, entering: AbstractAsyncContextManager[Watch], label: str | None, tasks: asyncio.TaskGroup
    ) -> None:
        """Follow a job in a task of its own, once it is entered. Raises what entering it raises."""
        if label is not None and self.find(label=label):
            raise InvalidRequest(f"label: a job of this connection is called {label!r}", field="label")
        if len(self._jobs) >= self._most:
            raise TooManyJobs(f"this connection follows {len(self._jobs)} jobs, no more are taken")
        job = Job(label)
        task = tasks.create_task(self._follow(job, entering))
        self.tasks[task] = None
        task.add_done_callback(self.tasks.pop)
        # The next message may be about this job, so it must not be read before the job is known.
        await job.entered.wait()
        if job.fault is not None:
            raise job.fault

    async def _follow(self, job: Job, entering: AbstractAsyncContextManager[Watch]) -> None:
        """One job's task. It raises nothing: in a TaskGroup that would end the other jobs."""
        try:
            async with entering as watch:
                job.id = watch.id
                watch.at_once = partial(self._tell_at_once, job)
                self._jobs.add(job)
                job.entered.set()
                try:
                    await self._tell_all(job, watch)
                finally:
                    # The one place for hang-ups, however they were noticed. When the server stops, or this
                    # task is ended from outside, the job goes on.
                    if self._is_abandoned():
                        await self._gateway.abandon(watch)
        except ConnectionClosed:
            return  # whoever reads notices it as well
        except Exception as fault:
            if job.entered.is_set():
                log.warning("a job could not be left", exc_info=True)
            job.fault = fault
        finally:
            self._jobs.discard(job)
            job.entered.set()

    async def _tell_all(self, job: Job, watch: Watch) -> None:
        try:
            async for event in watch:
                await self._tell(job, event)
        except ConnectionClosed:
            raise
        except Exception as fault:  # noqa: BLE001 - send_error logs it, and the other jobs go on
            await self._outbox.send_error(fault, refused=False, id=job.id, label=job.label)

    def _tell_at_once(self, job: Job, event: Queued | Started | Progress) -> bool:
        """What is no end to a peer that keeps up: waking this job's task would cost more."""
        if not self._outbox.is_free:
            return False
        self._outbox.send_at_once(event_message(event, job.id, job.label))
        return True

    async def _tell(self, job: Job, event: Event) -> None:
        for message, last in event_messages(event, job.id, job.label):
            # Who has read a job's last message may use its label and its place again at once.
            before = (lambda: self._jobs.discard(job)) if last else None
            await self._outbox.send(*message, before=before)
