"""Worker: the loop of one slot. Look, claim, paint, tell.

While it paints for longer than a moment, a second task, the keeper, renews the claim: it hears what the
watchers wish, that the job was cancelled, and when it has taken too long; then it interrupts the server, if
that paints this job and nobody else's. Where the queue is another process, a picture that is painted goes
there while the server has the next one already: a GPU waits for a line only while two are on their way.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from core.backends import Backend, Limited, Unreachable, Wishes, task_prefix
from core.errors import BackendError, Internal, InvalidRequest, JobTimeout, ShuttingDown
from core.events import Completed, End, Failed, Progress
from core.queues import VOID, Again, Claim, Queue
from core.worker.standing import Standing

log = logging.getLogger(__name__)

STOPPING = Again(counts=False, error=Failed.of(ShuttingDown("its worker was about to stop")))
TOO_LATE = Again(counts=False, error=Failed.of(ShuttingDown("its worker stood still")))
OUR_FAULT = Failed.of(Internal("a fault of our own; it is in the server's log"))

KEEP_AFTER = 0.05
"""Seconds until the keeper begins: what is painted sooner costs no second task."""
FREEING = 5.0
"""Seconds that a server gets at the end to let go of what was given back."""
LETTING_GO = 1.0
"""Seconds in which an interrupted server's answer comes in, before it is hung up on."""
AFTER_FAULT = 1.0
"""Seconds of rest after a fault of our own, so that one that stays does not fill the log."""


class Worker:
    """One slot of one backend, which paints one picture at a time."""

    def __init__(
        self,
        queue: Queue,
        backend: Backend,
        *,
        deployment: str,
        job_timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._backend = backend
        self._deployment = deployment
        self._job_timeout = job_timeout
        self._clock = clock
        self._standing = Standing(queue, backend, clock, self._stop_waiting)
        self.first_look = self._standing.first_look
        self._free = asyncio.Event()
        self._free.set()
        self._retired = False
        self._claims: list[Claim] = []
        """What it has in hand: jobs whose pictures are on their way to the queue, and the one it paints."""
        self._deliveries: set[asyncio.Task[None]] = set()
        self._limit = asyncio.timeout(None)
        """Of the turns: cuts short what is waited for, or painted."""
        self._waits = False
        """Whether a claim is waited for."""

    async def run(self) -> None:
        """Serve until it is retired or cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while not self._retired:
                    try:
                        await self._turns(group)
                    except Exception:  # a fault of ours must not take a GPU out of service
                        log.exception("%s: a fault in the worker", self._backend.name)
                        await asyncio.sleep(AFTER_FAULT)
        finally:
            self._standing.close()

    async def look(self) -> None:
        """See what the backend offers now, and say so."""
        await self._standing.look()

    def _stop_waiting(self) -> None:
        if self._waits and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())

    @property
    def has_work(self) -> bool:
        """Whether it has a job at the moment."""
        return not self._free.is_set()

    async def retire(self, grace: float | None) -> None:
        """Take no more jobs, and wait until what is in hand has ended; None: however long that takes.

        After `grace` seconds that is given back, as if it had never been begun, and the server is freed.
        Where the queue is away it is not waited for: the leases lapse.
        """
        self._retired = True
        self._stop_waiting()
        try:
            async with asyncio.timeout(grace):
                await self._free.wait()
        except TimeoutError:
            with suppress(TimeoutError):
                async with asyncio.timeout(FREEING):
                    for claim in list(self._claims):
                        # The keeper hears of it, and interrupts.
                        await self._queue.finish(claim, STOPPING)
                    await self._free.wait()

    async def _turns(self, tasks: asyncio.TaskGroup) -> None:
        """Turn after turn, until it is retired or one of them is cut short.

        One limit for all of them, which nearly none of them sets: a timer for each would take its time.
        """
        try:
            async with asyncio.timeout(None) as self._limit:
                while not (self._retired or self._limit.expired()):
                    await self._turn(tasks)
        except TimeoutError:
            if not self._limit.expired():
                raise
            if not self._waits:  # the server did not let go of a job that was given up, and was hung up on
                await self._standing.say_unusable("still paints a job that was given up", resting=True)
        finally:
            self._waits = False

    async def _turn(self, tasks: asyncio.TaskGroup) -> None:
        """One picture, or one look, or a rest."""
        standing = self._standing
        await standing.rest_over()
        if not standing.offer.usable or standing.look_due:
            await standing.look()
        # A queue that was away may take the offer so late that the next look is due: its alarm has rung.
        if not standing.offer.usable or standing.look_due or self._retired:
            return
        self._waits = True
        while len(self._deliveries) > 1:  # the line is slower than the server
            await asyncio.wait(self._deliveries, return_when=asyncio.FIRST_COMPLETED)
        claim = await self._queue.claim(self._backend.name)
        self._waits = False
        if self._limit.when() is not None:  # it was about to stop waiting
            self._limit.reschedule(None)
        await self._hold(claim, tasks)

    async def _hold(self, claim: Claim, tasks: asyncio.TaskGroup) -> None:
        """Have a job in hand until it is painted, or can't be."""
        self._claims.append(claim)
        self._free.clear()
        try:
            # Where this process stood still since it asked, somebody else may have the job, and the server.
            left = claim.until - self._clock()
            if left > 0:
                await self._serve(claim, min(KEEP_AFTER, left / 3, self._job_timeout), tasks)
            else:
                await self._queue.finish(claim, TOO_LATE)
        finally:
            self._let_go(claim)

    async def _serve(self, claim: Claim, keep_after: float, tasks: asyncio.TaskGroup) -> None:
        """Paint one job, to whatever end. What takes no longer than `keep_after` seconds needs no keeper."""
        task = task_name(self._deployment, claim)
        wishes = Wishes(claim.wish)
        keepers: list[asyncio.Task[None]] = []

        def keep() -> None:
            keepers.append(tasks.create_task(self._guard(claim, task, wishes)))

        soon = asyncio.get_running_loop().call_later(keep_after, keep)
        try:
            outcome = await self._paint(claim, task, wishes)
        finally:
            soon.cancel()
            for keeper in keepers:
                keeper.cancel()  # it is not waited for: the server gets its next job at once
                if not self._limit.expired():
                    self._limit.reschedule(None)
        if not wishes.current.held:  # what a server answers to an interrupted job says nothing of its health
            self._standing.look_due = True
        elif isinstance(outcome, Completed):
            self._standing.learn()
            if self._queue.local:
                await self._deliver(claim, outcome)
            else:
                self._send(claim, outcome, tasks)
            if self._standing.loads_another:  # it counts for the very next claim
                await self._standing.tell()
        else:
            await self._finish(claim, outcome)

    def _send(self, claim: Claim, picture: Completed, tasks: asyncio.TaskGroup) -> None:
        """Let a picture go to the queue on its own."""
        delivery = tasks.create_task(self._deliver(claim, picture))
        self._claims.append(claim)
        self._deliveries.add(delivery)
        # Not in the task itself: one that is cancelled before its first step never runs.
        delivery.add_done_callback(lambda ended: self._delivered(ended, claim))

    def _delivered(self, delivery: "asyncio.Task[None]", claim: Claim) -> None:
        self._deliveries.discard(delivery)
        self._let_go(claim)

    def _let_go(self, claim: Claim) -> None:
        self._claims.remove(claim)
        if not self._claims:
            self._free.set()

    async def _paint(self, claim: Claim, task: str, wishes: Wishes) -> End | Again:
        """What became of it. Never raises: our own faults end the job as `internal`."""

        async def on_progress(progress: Progress) -> None:
            await self._queue.publish(claim, progress)

        try:
            return await self._backend.paint(task, claim.request, on_progress, wishes)
        except Unreachable as error:
            return Again(counts=False, error=Failed.of(error))
        except Limited as error:
            return Again(counts=False, error=Failed.of(error), rest=error.retry_after or 0.0)
        except BackendError as error:
            return Again(counts=True, error=Failed.of(error))
        except InvalidRequest as error:
            return Failed.of(error)
        except Exception:
            log.exception("job %s: a fault of our own", task)
            return OUR_FAULT

    async def _guard(self, claim: Claim, task: str, wishes: Wishes) -> None:
        """The keeper; a fault of our own in it ends the job as `internal` and hangs up."""
        try:
            await self._keep(claim, task, wishes)
        except Exception:
            log.exception("job %s: a fault of our own", task)
            wishes.update(VOID)
            await self._finish_as_fault(claim)
            self._hang_up(0.0)

    async def _keep(self, claim: Claim, task: str, wishes: Wishes) -> None:
        """Hold the claim until it is void or its time is over; then free the server."""
        try:
            async with asyncio.timeout(self._job_timeout):
                while wishes.current.held:
                    wishes.update(await self._queue.renew(claim, wishes.current))
                    if self._standing.repeat_due:
                        await self._standing.tell()
        except TimeoutError:
            await self._give_up(claim)
            wishes.update(VOID)  # only now: a picture that comes meanwhile finds the job ended
        async with asyncio.TaskGroup() as group:
            repeating = group.create_task(self._standing.hold_off(LETTING_GO))
            await self._backend.interrupt(task)
            repeating.cancel()
        self._hang_up(LETTING_GO)

    def _hang_up(self, seconds: float) -> None:
        """Cut the painting short, as its keeper; one that was cancelled would cut the next job's."""
        keeper = asyncio.current_task()
        if keeper is not None and not keeper.cancelling():
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    async def _give_up(self, claim: Claim) -> None:
        """One attempt took too long: tell that first, the server is freed later."""
        error = JobTimeout(f"{self._backend.name}: no picture within {self._job_timeout:g} seconds")
        log.warning("%s", error.message)
        await self._standing.say_unusable("still paints a job that took too long", resting=True)
        await self._queue.finish(claim, Failed.of(error))

    async def _finish(self, claim: Claim, outcome: End | Again) -> None:
        """Tell how it ended. The offer turns first, so that what goes back goes to somebody else."""
        if isinstance(outcome, Again):
            await self._standing.failed(outcome.error.message, counts=outcome.counts, rest=outcome.rest)
        elif isinstance(outcome, Failed) and outcome.code == InvalidRequest.code:
            await self._standing.refused(outcome.message)
        await self._queue.finish(claim, outcome)

    async def _deliver(self, claim: Claim, picture: Completed) -> None:
        """Bring a picture to the queue, and what is known since of the server's pace."""
        try:
            await self._queue.finish(claim, picture)
            await self._standing.tell_news()
        except Exception:  # as in `run`; painted again it would come to the same
            log.exception("%s: a fault in the worker", self._backend.name)
            await self._finish_as_fault(claim)

    async def _finish_as_fault(self, claim: Claim) -> None:
        try:
            await self._queue.finish(claim, OUR_FAULT)
        except Exception:  # raised from here it would end the slot; the claim's lease lapses
            log.exception("%s: a fault could not be told to the queue", self._backend.name)


def task_name(deployment: str, claim: Claim) -> str:
    """Our name for one attempt on a server, where others may read it: so it does not hold the job's id."""
    digest = hashlib.sha256(claim.id.encode()).hexdigest()[:16]
    return f"{task_prefix(deployment)}{digest}-{claim.attempt}"
