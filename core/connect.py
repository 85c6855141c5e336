"""connect: the one way to a Gateway, and `work`, the one way to paint. They open what that needs."""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.addresses import is_each_its_own
from core.backends.a1111 import A1111Backend, open_session, usual_server
from core.coordination.memory import MemoryCoordination
from core.gateway import Gateway
from core.queues import Queue
from core.queues.memory import MemoryQueue
from core.settings import Settings, SettingsError
from core.variables import BackendAddress
from core.worker import Fleet, Worker

if TYPE_CHECKING:
    from core.queues.valkey import ValkeyQueue

log = logging.getLogger(__name__)

LOOK_AGAIN = 5.0
"""Seconds between two looks at a server that has come and can't paint yet."""
Successor = Callable[[], Awaitable[BackendAddress]]
"""Waits for a painting server that is not there yet."""
Slot = tuple[A1111Backend, Worker]


@asynccontextmanager
async def connect(settings: Settings, *, successor: Successor | None = None) -> AsyncIterator[Gateway]:
    """Enter to get a Gateway: on the shared queue where REDIS_URL is set, else on a queue in memory.

    A queue in memory comes with a worker for each of `settings.sd_backends`; this returns after each one's
    first look, whether it was found or not. Where none is named, the server on A1111's usual port counts as
    named if it answers now; else this raises SettingsError. With a `successor` those that are named only
    stand in: the server that it finds paints in their place as soon as it can. Leaving it interrupts what is
    painted: call `Gateway.drain` before, to let that end. A shared queue is waited for.
    """
    if settings.redis_url:
        async with _shared(settings) as queue:
            # Imported late, as all of Valkey: a process of its own need not know it.
            from core.coordination.valkey import ValkeyCoordination

            await queue.agreed("secret")
            yield Gateway(queue, ValkeyCoordination(queue.store), secret=lambda: queue.word("secret"))
    else:
        async with _alone(settings, successor) as gateway:
            yield gateway


@asynccontextmanager
async def work(settings: Settings) -> AsyncIterator[Fleet]:
    """Enter to paint for the shared queue, on those of `settings.sd_backends` that no other worker has.

    Call `Fleet.stop` before leaving, to let end what is painted. Raises SettingsError without REDIS_URL, and
    as `connect` does where no backend is named.
    """
    if not settings.redis_url:
        raise SettingsError("REDIS_URL", "names no shared queue: a worker paints for one")
    from core.queues.valkey.ownership import ValkeyOwnership

    async with open_session() as session:
        named = settings.sd_backends or (await usual_server(session),)
        addresses = {address.name: address for address in map(_with_machine_name, named)}
        async with _shared(settings) as queue:
            deployment = (await queue.agreed("deployment")).hex()[:8]

            def new_slot(name: str) -> Worker:
                backend = A1111Backend(
                    addresses[name], session, deployment=deployment, pace=queue.pace_of(name)
                )
                return Worker(queue, backend, deployment=deployment, job_timeout=settings.job_timeout)

            fleet = Fleet(
                ValkeyOwnership(queue.store, queue.process),
                list(addresses),
                new_slot,
                lease_ttl=settings.lease_ttl,
                named_here=[name for name, address in addresses.items() if address.machine],
            )
            async with _background(fleet.run()):
                yield fleet


@asynccontextmanager
async def _alone(settings: Settings, successor: Successor | None) -> AsyncIterator[Gateway]:
    """A queue in memory, and workers beside it."""
    deployment = secrets.token_hex(4)
    queue, secret = MemoryQueue(settings), secrets.token_bytes(32)
    async with open_session() as session:

        def new_slot(address: BackendAddress) -> Slot:
            backend = A1111Backend(address, session, deployment=deployment)
            return backend, Worker(queue, backend, deployment=deployment, job_timeout=settings.job_timeout)

        slots = [new_slot(address) for address in settings.sd_backends or (await usual_server(session),)]
        for backend, _ in slots:  # told of in the order of SD_BACKENDS, not in that in which they answer
            await queue.offer(backend.offer)
        async with asyncio.TaskGroup() as group:
            for _, worker in slots:
                group.create_task(worker.look())
        if successor is None:
            running = [worker.run() for _, worker in slots]
        else:
            running = [_stand_in(backend, worker, queue) for backend, worker in slots]
            running.append(_succeed(slots, successor, new_slot))
        async with _background(queue.run(), *running):
            try:
                yield Gateway(queue, MemoryCoordination(), secret=lambda: secret)
            finally:
                await queue.drain(0)
                async with asyncio.TaskGroup() as group:
                    for _, worker in slots:
                        group.create_task(worker.retire(0))


async def _stand_in(backend: A1111Backend, worker: Worker, queue: Queue) -> None:
    """Paint until another one does; then say that it takes no more, until its offer lapses.

    Not before the slot has ended: a look that was on its way would say the opposite.
    """
    await worker.run()
    problem = "it stood in until another one came"
    await queue.offer(replace(backend.offer, usable=False, resting=False, problem=problem))


async def _succeed(
    slots: list[Slot], successor: Successor, new_slot: Callable[[BackendAddress], Slot]
) -> None:
    """Paint on the server that comes, once it can, and no more on those that stood in for it."""
    backend, worker = new_slot(await successor())
    await worker.look()
    while not backend.offer.usable:
        await asyncio.sleep(LOOK_AGAIN)
        await worker.look()
    stand_ins = [stand_in for _, stand_in in slots]
    slots.append((backend, worker))
    log.info("%s paints from now on, in place of what stood in for it", backend.name)
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        for stand_in in stand_ins:
            group.create_task(stand_in.retire(None))


@asynccontextmanager
async def _shared(settings: Settings) -> AsyncIterator["ValkeyQueue"]:
    """The queue on Valkey, once it is there."""
    from core.queues.valkey import ValkeyQueue

    name = f"{_process_prefix(os.getpid())}{secrets.token_hex(2)}"
    queue = ValkeyQueue(settings, process=name)
    async with _background(queue.run()):
        await queue.first_pulse()
        yield queue


async def is_heard(settings: Settings, pid: int) -> bool:
    """Whether the shared queue hears of a process of this machine: once a second, if that is well.

    Raises QueueUnavailable.
    """
    from core.queues.valkey.store import Store

    store = Store(settings)
    try:
        return bool(await store.call("heard", _process_prefix(pid)))
    finally:
        await store.close()


def _with_machine_name(address: BackendAddress) -> BackendAddress:
    """127.0.0.1 is another server on each machine: on the shared queue it bears the name of this one."""
    return replace(address, machine=socket.gethostname()) if is_each_its_own(address.host) else address


def _process_prefix(pid: int) -> str:
    """What a process's name on the shared queue begins with."""
    return f"{socket.gethostname()}-{pid}-"


@asynccontextmanager
async def _background(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these beside the body, and stop them with it. A TaskGroup would wrap the body's own errors."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    for task in tasks:
        task.add_done_callback(_tell_fault)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell_fault(task: "asyncio.Task[None]") -> None:
    """At once: the body may go on for days, without what ran beside it."""
    fault = None if task.cancelled() else task.exception()
    if fault is not None:
        log.error("what ran beside ended with a fault", exc_info=fault)
