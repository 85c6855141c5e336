"""The studio: paints one order at a time, first come, first served, and can say how far it is.

All that works the processor runs in threads, so that the event loop stays free for its other servers.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from engine.painter import Painting, Stop
from engine.picture_file import FORMATS, encode, infotext
from engine.task import MODEL, Task
from engine.wire import Order

T = TypeVar("T")
REMEMBERED = 16
# base64 is made in pieces of this many bytes (a multiple of 3): each holds the interpreter for under 1 ms.
_PIECE = 3 * 64 * 1024


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture on its way: its number (they count up), its media type and base64."""

    number: int
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What txt2img answers with: base64 of the files, and how each was made."""

    images: list[bytes]
    tasks: list[Task]
    infotexts: list[str]
    timestamp: str


@dataclass(eq=False, slots=True)
class Job:
    """One order on its way. Only the event loop writes here."""

    id: str
    order: Order
    started: float = 0.0
    timestamp: str = "0"
    iteration: int = 0
    step: int = 0
    interrupted: bool = False
    skipped: bool = False
    paintings: list[Painting] = field(default_factory=list)
    preview: Preview | None = None
    preview_step: tuple[int, int] = (0, 0)
    previewing: asyncio.Lock = field(default_factory=asyncio.Lock)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def progress(self) -> float:
        """0..1 over all iterations."""
        rounds = self.order.n_iter
        return min(1.0, (self.iteration + self.step / self.order.task.steps) / rounds)

    @property
    def leaving(self) -> bool:
        """Interrupted or skipped: the iteration ends with what there is."""
        return self.interrupted or self.skipped


class Studio:
    """What is painted, one order after the other; `close` ends it quickly."""

    def __init__(self, step_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.options: dict[str, Any] = {
            "sd_model_checkpoint": MODEL,
            "samples_format": "png",
            "live_previews_enable": True,
        }
        self.job: Job | None = None
        self._step_seconds = step_seconds
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting: set[str] = set()
        self._finished: deque[str] = deque(maxlen=REMEMBERED)
        self._running: set[asyncio.Task[Result]] = set()
        self._previews = 0
        self._made = 0
        self._closed = False
        # One thread paints; the other makes previews meanwhile.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="painter")

    async def close(self, grace: float = 0.0) -> None:
        """End everything; what was ordered has `grace` seconds to be finished before.

        A thread that paints notices at its next layer; nothing waits for it.
        """
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        self._closed = True
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def paint(self, order: Order) -> Result:
        """Paint an order when its turn comes. Who stops waiting ends nothing: as on A1111, it is painted."""
        self._made += 1
        job = Job(order.task_id or f"task(txt2img-{self._made})", order)
        running = asyncio.ensure_future(self._run(job))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.shield(running)

    def active(self, task_id: str) -> bool:
        """Is it painted now?"""
        return self.job is not None and self.job.id == task_id

    def queued(self, task_id: str) -> bool:
        """Does it wait for its turn?"""
        return task_id in self._waiting

    def completed(self, task_id: str) -> bool:
        """Is it among the last that were finished?"""
        return task_id in self._finished

    def interrupt(self) -> None:
        """End what is painted now; its answer has what there is."""
        if self.job:
            self.job.interrupted = True
            self.job.wake.set()

    def skip(self) -> None:
        """End the iteration that is painted now; the order's others follow."""
        if self.job:
            self.job.skipped = True
            self.job.wake.set()

    def eta(self, job: Job) -> float | None:
        """Seconds left at the pace so far; None before the first step."""
        if not job.progress:
            return None
        elapsed = self._clock() - job.started
        return max(0.0, elapsed / job.progress - elapsed)

    async def preview(self, job: Job) -> Preview | None:
        """The picture as it is now, made only when asked for and once a step; None before the first."""
        async with job.previewing:
            now = (job.iteration, job.step)
            if not job.step or not job.paintings or not self.options["live_previews_enable"]:
                return job.preview
            if job.preview is None or job.preview_step != now:
                file_format = str(self.options["samples_format"])
                fraction = job.step / job.order.task.steps
                data = await self._work(_preview, job.paintings[0], fraction, file_format)
                self._previews += 1
                job.preview, job.preview_step = Preview(self._previews, FORMATS[file_format], data), now
            return job.preview

    async def _run(self, job: Job) -> Result:
        self._waiting.add(job.id)
        try:
            async with self._turn:
                self._waiting.discard(job.id)
                self.job, job.started = job, self._clock()
                job.timestamp = time.strftime("%Y%m%d%H%M%S")
                try:
                    return await self._paint(job)
                finally:
                    self.job = None
                    self._finished.append(job.id)
        finally:
            self._waiting.discard(job.id)

    async def _paint(self, job: Job) -> Result:
        images: list[bytes] = []
        tasks: list[Task] = []
        file_format = str(self.options["samples_format"])
        for iteration in range(job.order.n_iter):
            job.iteration, job.step, job.skipped = iteration, 0, False
            job.wake.clear()
            job.paintings = [Painting(task) for task in job.order.tasks(iteration)]
            await self._iterate(job)
            fraction = job.step / job.order.task.steps
            for painting in job.paintings:
                images.append(await self._work(_finished, painting, fraction, file_format, self._stopped))
                tasks.append(painting.task)
            if job.interrupted:
                break
        return Result(images, tasks, [infotext(task) for task in tasks], job.timestamp)

    async def _iterate(self, job: Job) -> None:
        """All steps of one iteration, or up to where it is interrupted."""
        due = self._clock()
        for painting in job.paintings:
            if job.leaving:
                return
            await self._work(painting.compose, self._stopped)
        for step in range(1, job.order.task.steps + 1):
            due = max(due + self._step_seconds, self._clock())
            await self._think(job, due)
            if job.leaving:
                return
            job.step = step

    async def _think(self, job: Job, until: float) -> None:
        """Wait as if a model were at work; an interrupt ends it at once."""
        seconds = until - self._clock()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await job.wake.wait()
        except TimeoutError:
            pass

    async def _work(self, work: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args))

    def _stopped(self) -> bool:
        return self._closed


def _preview(painting: Painting, fraction: float, file_format: str) -> bytes:
    return to_base64(encode(painting.preview(fraction), "", file_format))


def _finished(painting: Painting, fraction: float, file_format: str, stopped: Callable[[], bool]) -> bytes:
    picture = painting.finish(fraction, stopped)
    if stopped():
        raise Stop
    return to_base64(encode(picture, infotext(painting.task), file_format))


def to_base64(data: bytes) -> bytes:
    """base64 in pieces: one long call would hold the interpreter's lock, and with it the event loop."""
    view = memoryview(data)
    return b"".join(base64.b64encode(view[at : at + _PIECE]) for at in range(0, len(view), _PIECE))
