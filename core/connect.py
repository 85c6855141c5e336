"""connect: the one way to a Gateway. Opens what a deployment needs, and closes it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from core.backends.a1111 import A1111Backend, open_session, usual_server
from core.coordination.memory import MemoryCoordination
from core.gateway import Gateway
from core.queues.memory import MemoryQueue
from core.settings import Settings
from core.worker import Worker

FREEING = 5.0
"""Seconds that the servers get at the end to let go of what was interrupted."""


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Gateway]:
    """Enter to get a Gateway on the queue in memory, with a worker for each of `settings.sd_backends`.

    Returns after each backend's first look, whether it was found or not. Leaving it interrupts what is
    painted: call `Gateway.drain` before, to let that end. Where none is named, the server on A1111's usual
    port counts as named if it answers now; else this raises SettingsError.
    """
    deployment = secrets.token_hex(4)
    queue = MemoryQueue(settings)
    async with open_session() as session:
        workers = [
            Worker(
                queue,
                A1111Backend(address, session, deployment=deployment),
                deployment=deployment,
                job_timeout=settings.job_timeout,
            )
            for address in settings.sd_backends or (await usual_server(session),)
        ]
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.look())
        async with _background(queue.run(), *(worker.run() for worker in workers)):
            try:
                yield Gateway(queue, MemoryCoordination(), secret=secrets.token_bytes(32))
            finally:
                await queue.drain(0)
                await _let_go(workers)


async def _let_go(workers: Sequence[Worker]) -> None:
    """Wait a while until no server paints for us."""
    try:
        async with asyncio.timeout(FREEING), asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.free())
    except TimeoutError:
        return


@asynccontextmanager
async def _background(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these beside the body, and stop them with it. A TaskGroup would wrap the body's own errors."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
