"""Pictures: their way to Valkey and back, which takes as long as the line needs; no other call waits behind.

A result is stored with all of its pictures or with none. In a full memory parts of many results would keep
each other out, and none could end: one that finds no room for the rest lets go of what is there.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

from core.errors import QueueUnavailable
from core.queues.valkey.outage import is_full
from core.queues.valkey.store import AGAIN_SECONDS, AT_ONCE, CALL_SECONDS, CONNECTIONS, Arg, Store

log = logging.getLogger(__name__)

PREVIEWS_AT_ONCE = 2
"""Previews under way."""
RESULTS_AT_ONCE = CONNECTIONS - AT_ONCE - PREVIEWS_AT_ONCE
"""Results under way, beside these and other calls."""
PREVIEW_SECONDS = 10.0
"""Seconds for a preview on its way: later it would be of long ago."""
LONGEST_PICTURE = 900.0
"""Seconds for one try to move a picture, at the most. It gets three times what the last one took, and after a
try that took too long twice as many."""
PICTURE_SECONDS = 120
"""When a stored picture lapses that is no result yet; the pulse puts that off while the claim is held."""
LONGEST_PAUSE = 2.0
"""Seconds between two looks for room: a picture that is refused was sent for nothing."""
ROOM_SECONDS = 10.0
"""Seconds for which a result that finds no room for the rest of its pictures waits, and keeps those that are
stored. If storing them took longer, it waits for as long as that: over a slow line they are worth it."""

Wanted = Callable[[], Awaitable[bool]]
"""Whether a result is still waited for."""


class Pictures:
    """Those that this process moves."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turns = asyncio.Semaphore(RESULTS_AT_ONCE)
        self._short = asyncio.Semaphore(1)
        """Held by the one result that waits for room with what it has there. A Lock would seem to be free
        where the next in line is about to get it, and who has a turn must not wait for this."""
        self._previews = asyncio.Semaphore(PREVIEWS_AT_ONCE)
        self._took = 0.0
        """Seconds on the way of the last picture that was moved."""

    async def store(
        self, keys: Sequence[str], pictures: Sequence[bytes | memoryview], wanted: Wanted
    ) -> None:
        """Store a result's pictures for a while, however long that takes, or until it is not `wanted`."""
        waits_alone = False
        while keys:
            async with AsyncExitStack() as place:
                if waits_alone:
                    await place.enter_async_context(self._short)
                waited = await self._store_all(keys, pictures, wanted, place, waits_alone=waits_alone)
                if waited is None:
                    return
                # What it let go of is for another process, which waits as well.
                await asyncio.sleep(min(waited, ROOM_SECONDS))
            waits_alone = True

    async def fetch(self, keys: Sequence[str]) -> list[bytes | None]:
        """A result's pictures, None for one that is gone; however long that takes."""
        async with self._turns:
            return [await self._move("get", key) for key in keys]

    async def preview(self, id: str, fence: int, bare: bytes, full: bytes) -> bool:
        """Publish a progress with its preview. False where the line is too slow for it, or the queue away."""
        try:
            async with asyncio.timeout(PREVIEW_SECONDS), self._previews:
                await self._store.once("publish", id, fence, bare, full)
        except (QueueUnavailable, TimeoutError):
            return False
        return True

    # --- inside

    async def _store_all(
        self,
        keys: Sequence[str],
        pictures: Sequence[bytes | memoryview],
        wanted: Wanted,
        place: AsyncExitStack,
        *,
        waits_alone: bool,
    ) -> float | None:
        """Returns None once all are stored, or wanted no more. Where there is no room, it takes back what it
        stored, and returns the seconds that it waited.

        Only one may wait with what it has there: who finds that `place` free takes it.
        """
        stored, moving, pause = 0, 0.0, AGAIN_SECONDS
        full_since: float | None = None
        async with self._turns:
            while stored < len(keys) and await wanted():
                began = time.monotonic()
                try:
                    if full_since is not None:  # a picture that is refused has filled the line for nothing
                        await self._store.command("set", "nothing", b"", px=1)
                    # One that came late, when a second try had gone through, must not set the time anew.
                    await self._move("set", keys[stored], pictures[stored], ex=PICTURE_SECONDS, nx=True)
                except QueueUnavailable as error:
                    if is_full(error):
                        if not waits_alone and not self._short.locked():
                            await place.enter_async_context(self._short)
                            waits_alone = True
                        full_since = full_since or began
                        waits = max(ROOM_SECONDS, moving) if waits_alone else 0.0
                        if time.monotonic() - full_since >= waits:
                            await self._let_go(keys[:stored])
                            return waits if stored else 0.0
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                else:
                    stored, full_since, pause = stored + 1, None, AGAIN_SECONDS
                    moving += self._took
        return None

    async def _let_go(self, keys: Sequence[str]) -> None:
        """Make room. Where the queue is away just then they lapse, or are stored again."""
        with suppress(QueueUnavailable):
            for key in keys:
                await self._store.command("unlink", key)

    async def _move(self, command: str, key: str, *args: Arg, **options: int) -> Any:
        """Move one picture. That a line is too slow for it is no word that the queue is away.

        Waits while that is away; raises QueueUnavailable only where memory is full.
        """
        patience = min(max(CALL_SECONDS, 3 * self._took), LONGEST_PICTURE)

        async def attempt() -> Any:
            nonlocal patience
            began = time.monotonic()
            try:
                async with asyncio.timeout(patience):
                    answer = await self._store.command_once(command, key, *args, **options)
            except TimeoutError:
                slow = f"a picture has not come through to or from the shared queue in {patience:g} s"
                log.warning("%s; it gets more time", slow)
                patience = min(2 * patience, LONGEST_PICTURE)
                raise QueueUnavailable(slow) from None
            self._took = time.monotonic() - began
            return answer

        return await self._store.until_there(attempt, although_full=False)
