"""Fleet: the slots of one process. One for each backend that it may paint on.

It owns backends by leases, spread evenly over all workers. A slot starts when a lease is got; it ends
between two pictures when the backend is given to another process, and at once when the lease was lost.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from core.worker.slot import Worker

log = logging.getLogger(__name__)

TURN = 0.8
"""Seconds between two turns at most."""
SOON = 0.05
"""The same at least."""
NewSlot = Callable[[str], Worker]
"""A slot for the backend with this name, which knows nothing of that server yet."""


class Ownership(Protocol):
    """Leases on backends, shared by all worker processes. Nothing here raises because the queue is away."""

    async def own(self, wanted: Sequence[str], giving: Sequence[str]) -> tuple[set[str], list[str], float]:
        """Renew and take: the backends that are ours, and those that somebody else is to have.

        Those that come first in `wanted` are given first; of `giving` we let go already. Beside them the
        seconds until another one may be free, if its worker is dead.
        """

    async def disown(self, backends: Sequence[str]) -> None:
        """Let go of these, if the queue is there."""

    async def resign(self) -> None:
        """Let go of all, and be a worker no more."""


class Fleet:
    """Runs the slots for `backends`; `run` must run until the process ends, `stop` before that.

    `named_here` are the backends that bear this machine's host name. Another machine of that host name would
    give the same names to servers of its own.
    """

    def __init__(
        self,
        ownership: Ownership,
        backends: Sequence[str],
        new_slot: NewSlot,
        *,
        lease_ttl: float,
        named_here: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ownership = ownership
        self.backends = backends
        """Those that it may paint on."""
        self._new_slot = new_slot
        self._pause = min(TURN, lease_ttl / 3)
        self._lease_ttl = lease_ttl
        self._clock = clock
        self._missed = set(named_here)
        """Those of this machine's name that were never ours; empty once that was told."""
        self._first_answer: float | None = None
        self._slots: dict[str, tuple[Worker, asyncio.Task[None]]] = {}
        self._giving: set[str] = set()
        """Those that are let go of as soon as their picture is done."""
        self._began = asyncio.Event()
        """Set once a turn has begun the slots of what is ours."""
        self._stopping = False

    @property
    def painting(self) -> Mapping[str, Worker]:
        """The slots that there are at the moment, by backend."""
        return {name: worker for name, (worker, _) in self._slots.items()}

    async def run(self) -> None:
        """Own and paint for ever; ends only by being cancelled, and lets go of everything then."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    try:
                        seconds = await self._turn(group)
                    except Exception:  # a fault of ours must not take all GPUs out of service
                        log.exception("a fault in seeing which painting servers are ours")
                        seconds = self._pause
                    await asyncio.sleep(min(self._pause, max(SOON, seconds)))
        finally:
            await self._ownership.resign()

    async def first_looks(self) -> None:
        """Wait until the queue knows what a look has found of each backend that was ours at first.

        A server that does not answer takes long, and Valkey may be away: the caller sets the limit.
        """
        await self._began.wait()
        for worker in self.painting.values():
            await worker.first_look.wait()

    async def stop(self, grace: float) -> None:
        """Begin no more pictures, and give those that are painted `grace` seconds to end.

        Each backend is let go of as soon as it is free: another worker may be there for it.
        """
        self._stopping = True
        async with asyncio.TaskGroup() as group:
            for name in list(self._slots):
                group.create_task(self._let_go(name, grace))

    async def _turn(self, group: asyncio.TaskGroup) -> float:
        """See what is ours now, and make the slots be so. Answers the seconds until that may change."""
        asked = self._clock()
        wanted = list(self._slots) if self._stopping else self.backends
        giving = set(self._giving)
        owned, given, seconds = await self._ownership.own(self._idle_first(wanted), list(giving))
        if self._clock() - asked >= self._lease_ttl:
            return 0.0  # what was answered may have lapsed meanwhile: ask again
        for name in set(self._slots) - owned:
            log.warning("%s: lost to another worker", name)
            self._drop(name)
        if self._stopping:
            return seconds
        self._tell_of_missed(owned)
        # What was being given as it was asked may have been let go of since.
        for name in sorted(owned - set(self._slots) - giving):
            worker = self._new_slot(name)
            self._slots[name] = worker, group.create_task(worker.run())
            log.info("%s: this worker paints there now", name)
        for name in given:
            if name in self._slots and name not in self._giving:
                self._giving.add(name)
                group.create_task(self._give(name))
        self._began.set()
        return seconds

    def _tell_of_missed(self, owned: set[str]) -> None:
        """Tell once of what another worker has had ever since; the lease of a dead one has lapsed by then."""
        if self._first_answer is None:
            self._first_answer = self._clock()
        self._missed -= owned
        if self._missed and self._clock() - self._first_answer >= 2 * self._lease_ttl:
            log.info(
                "%s: another worker has it; if that is another machine's server, give this machine another "
                "host name",
                ", ".join(sorted(self._missed)),
            )
            self._missed.clear()

    def _idle_first(self, names: Iterable[str]) -> list[str]:
        """Those first on which nothing is painted: they are given away first."""
        return sorted(names, key=lambda name: name in self._slots and self._slots[name][0].has_work)

    async def _give(self, name: str) -> None:
        """Let another worker have a backend, once its picture is done."""
        try:
            await self._let_go(name, None)
        finally:
            self._giving.remove(name)

    async def _let_go(self, name: str, grace: float | None) -> None:
        """End a slot in good order, and the lease with it."""
        slot = self._slots.get(name)
        if slot is None:  # given or lost since that was asked for
            return
        try:
            await slot[0].retire(grace)
            if self._slots.get(name) is slot:  # else the lease was lost meanwhile
                self._drop(name)
                await asyncio.wait({slot[1]})  # it may have a job that just came to give back
                await self._ownership.disown([name])
                log.info("%s: let go of", name)
        except Exception:  # it must not end the others; where it was not told, the next turn sees to it
            log.exception("%s: a fault in letting go of it", name)

    def _drop(self, name: str) -> None:
        _, task = self._slots.pop(name)
        task.cancel()
