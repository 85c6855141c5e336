"""Work that a signal may cut off: it is begun, waited for, and never left behind."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@asynccontextmanager
async def begun(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """The work as a task that is over when this is left."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # was looked at: whoever wanted the result has asked for it


async def done_before(task: asyncio.Task[Any], stop: asyncio.Event, *, within: float | None = None) -> bool:
    """Wait for the task, the event or so many seconds. Returns whether the task is done."""
    async with begun(stop.wait()) as stopping:
        await asyncio.wait({task, stopping}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    return task.done()
