"""Progress of our own task on a server, never of another one.

Three sources, the best that a server has: `/internal/progress`, which is asked about a task by name;
`/sdapi/v1/progress`, of whatever runs now, while it says that this is our task; time alone. SD.Next has the
first, but gives each task a name of its own, so that ours stays unknown there.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any, Literal

from msgspec.structs import replace

from core.backends import OnProgress, Wishes
from core.backends.a1111.client import Client
from core.backends.a1111.readings import Painting, Stepping, by_state, by_task, by_time, seconds_left
from core.backends.a1111.standstill import is_busy
from core.errors import BackendError
from core.events import Progress

FASTEST_POLL, SLOWEST_POLL = 0.1, 2.0
"""Seconds between two polls: about one a step, within these."""
TENTH, QUARTER = 0.1, 0.25
"""Seconds between the moments at which servers are polled, all of them at the same ones: a poll that wakes an
idle process by itself costs it three times as much as one among others."""
NOT_KNOWN = 3.0
"""Seconds after which a server that knows nothing of our task is taken for one that ignores its name."""
ASK_AGAIN = 60.0
"""Seconds until an endpoint that was not there is asked again: one odd answer must not count for ever."""

INTERNAL, SDAPI = "/internal/progress", "/sdapi/v1/progress"


TaskState = Literal["active", "queued", "finished", "gone", "unknown"]
"""Where a task of ours is on its server. Gone: or not there yet, or there under another name; unknown: the
server does not tell."""


class ProgressSource:
    """Asks one server how far it is, by the endpoints that it turns out to have."""

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._tasks_unknown_until = float("-inf")
        """Until then `/internal/progress` is not asked: it was not there, or not open to us."""
        self._state_unknown_until = float("-inf")
        """Until then `/sdapi/v1/progress` is not asked for steps: it was not there, or named no task."""

    def forget(self) -> None:
        """Which endpoints there are is to be found out anew: another version may be there by now."""
        self._tasks_unknown_until = self._state_unknown_until = float("-inf")

    def until_first_step(self, painting: Painting) -> float:
        """Seconds until the first poll: before the first step is due there is nothing to tell."""
        now = self._clock()
        pause = min(SLOWEST_POLL, max(FASTEST_POLL, painting.began + (painting.usual or 0.0) - now))
        return math.ceil((now + pause) / TENTH) * TENTH - now

    async def follow(self, painting: Painting, on_progress: OnProgress, wishes: Wishes) -> None:
        """Tell of each step while somebody watches; nobody watching means no poll. Ends by cancellation."""
        told, preview_id, due = 0.0, -1, self._clock()
        last: Progress | None = None
        stepping = Stepping()
        before = 0.0  # the first step began: a picture may have waited long
        while True:
            while not wishes.current.watched:
                await wishes.changed()
            await asyncio.sleep(due - self._clock())
            elapsed = self._clock() - painting.began
            try:
                found = await self._ask(painting, elapsed, wishes.current.preview, preview_id)
            except BackendError:  # the painting itself will tell if the server is gone
                due = self._moment_after(SLOWEST_POLL)
                continue
            step = found[0].step if found else 0
            if not step:  # it waits behind another picture, or a model is loaded
                before = elapsed
            due = self._moment_after(_pause(elapsed - before if step else elapsed, step, painting.usual))
            if found is None:
                continue
            progress, preview_id = found
            if progress.fraction < told or progress == last:
                continue
            last, told = progress, progress.fraction
            stepping.see(progress, elapsed)
            by_steps = stepping.seconds_left(progress.steps, elapsed)
            left = seconds_left(progress, painting.expected, elapsed, by_steps)
            await on_progress(replace(progress, eta=left))

    def _moment_after(self, pause: float) -> float:
        """By the clock: when about this many seconds are over."""
        # Not a quarter for less than about two of them: what is rounded that far leaves out steps.
        moment = QUARTER if pause > 1.8 * QUARTER else TENTH
        return round((self._clock() + pause) / moment) * moment

    async def running(self) -> dict[str, Any] | None:
        """`/sdapi/v1/progress` without a picture; None where the server has none."""
        words = await self._client.ask("GET", SDAPI, params={"skip_current_image": "true"})
        return words if isinstance(words, dict) else None

    async def state(self, task: str) -> TaskState:
        """Where our task is now."""
        running = await self.running()
        tells = running is not None and "current_task" in running
        if running is not None and tells and running["current_task"] == task:
            return "active"
        if self._clock() >= self._tasks_unknown_until:
            words = await self._internal(task, preview=False, preview_id=-1)
            if words is not None:
                if not (words.get("active") or words.get("queued")) or await self._is_idle(running):
                    return "finished" if words.get("completed") else "gone"
                # Between two answers another task may have begun: what runs must be ours by both.
                return "active" if words.get("active") and not tells else "queued"
        if running is None or not tells:
            return "unknown"
        return "queued" if is_busy(running) else "gone"

    async def _is_idle(self, running: dict[str, Any] | None) -> bool:
        """Whether nothing runs by two answers, as a task may have begun between the first one and now.

        A1111 goes on calling a task active whose picture failed, and queued one that it could not begin.
        """
        if running is None or is_busy(running):
            return False
        again = await self.running()
        return again is not None and not is_busy(again)

    async def _ask(
        self, painting: Painting, elapsed: float, preview: bool, preview_id: int
    ) -> tuple[Progress, int] | None:
        """How far it is, and the number of the last preview; None while it has not begun."""
        steps = painting.request.steps
        words = None
        if self._clock() >= self._tasks_unknown_until:
            words = await self._internal(painting.task, preview=preview, preview_id=preview_id)
        if words is not None:
            if words.get("active"):
                return by_task(words, steps, elapsed, preview, preview_id)
            if words.get("queued") or elapsed < NOT_KNOWN:
                return None
        if self._clock() >= self._state_unknown_until:
            skip = "false" if preview else "true"
            words = await self._client.ask("GET", SDAPI, params={"skip_current_image": skip})
            if isinstance(words, dict) and "current_task" in words:
                if words["current_task"] != painting.task:
                    return None
                return by_state(words, steps, elapsed, preview), preview_id
            self._state_unknown_until = self._clock() + ASK_AGAIN
        return by_time(painting, elapsed), preview_id

    async def _internal(self, task: str, *, preview: bool, preview_id: int) -> dict[str, Any] | None:
        ask = {"id_task": task, "id_live_preview": preview_id, "live_preview": preview}
        words = await self._client.ask("POST", INTERNAL, json=ask)
        if isinstance(words, dict) and "active" in words:
            return words
        self._tasks_unknown_until = self._clock() + ASK_AGAIN
        return None


class Following:
    """What follows one picture for its watchers: a task from the first poll on, once somebody watches.

    Most pictures over HTTP are never watched, and a quick one is there before it has a step to tell of: a
    task that only waits costs each of them some time.
    """

    def __init__(
        self, source: ProgressSource, painting: Painting, on_progress: OnProgress, wishes: Wishes
    ) -> None:
        self._source = source
        self._painting = painting
        self._on_progress = on_progress
        self._wishes = wishes
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        wishes.once_watched(self._await_first_step)

    async def end(self) -> Exception | None:
        """Tell no more. Returns the fault that it ended by before, if it did."""
        self._wishes.once_watched(None)
        if self._timer is not None:
            self._timer.cancel()
        if self._task is None:
            return None
        self._task.cancel()
        (ended,) = await asyncio.gather(self._task, return_exceptions=True)
        return ended if isinstance(ended, Exception) else None

    def _await_first_step(self) -> None:
        seconds = self._source.until_first_step(self._painting)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._source.follow(self._painting, self._on_progress, self._wishes))


def _pause(elapsed: float, step: int, usual: float | None) -> float:
    """Seconds until the next poll: about a step; before the first one less and less often.

    A step takes as long as is `usual` there, within what those so far allow: `step` of them are done, and the
    one after them is not.
    """
    if not step:
        return FASTEST_POLL if elapsed < 1 else min(SLOWEST_POLL, elapsed / 4)
    longest, shortest = elapsed / step, elapsed / (step + 1)
    pause = longest if usual is None else min(longest, max(shortest, usual))
    return min(SLOWEST_POLL, max(FASTEST_POLL, pause))
