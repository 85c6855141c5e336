"""Deliveries: the jobs under way, each shown and delivered by one replica at a time.

A ticket lies in the place where the replicas agree until its picture was delivered; whoever holds its lease
follows it. Every SCAN seconds each replica looks for tickets that nobody holds: their replica died, or is
about to stop, or all of them were started again.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any

import discord

from bot.screen import CutOff, Screen
from bot.showing import AWAY, end_of
from bot.ticket import Ticket, caller_of
from bot.tickets import LEASE, Tickets
from core import End, Expired, Failed, Gateway, NotFound, QueueUnavailable, Settings, ShuttingDown

log = logging.getLogger(__name__)

SCAN = 2.0
REST = 30.0
"""Seconds for which a ticket that ended in a fault of ours, or cannot be read, is left alone, or left to
others by a replica that does not reach Discord."""


class Elsewhere(Exception):
    """Another replica delivers this job, now or soon, or has done so."""


class Deliveries:
    """`run` beside everything else; `begin` for a ticket whose lease is held here."""

    def __init__(self, gateway: Gateway, bot: discord.Client, tickets: Tickets, settings: Settings) -> None:
        self._gateway = gateway
        self._bot = bot
        self._tickets = tickets
        self._previews = settings.discord_previews
        self._shared = settings.shares_queue
        """Whether jobs outlive this process: then its end is not theirs."""
        self._accepting: set[str] = set()
        """Names of tickets whose interaction is being answered here: there is no message to change yet."""
        self._tended: dict[str, asyncio.Task[None]] = {}
        """By the names of their tickets: jobs that are followed here, and refused ones to be forgotten."""
        self._resting: dict[str, float] = {}
        self._yields_until = float("-inf")
        """Until when a lease may have ended only since the store was away: its holder comes first."""
        self._ours_until: dict[str, float] = {}
        """Until when no other replica can have had the lease of what is followed here."""
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Follow and scan; ends only by being cancelled, and lets go of all leases then."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                await self._scan_for_ever()
            finally:
                self._tasks = None  # interactions may still come in: another replica follows theirs

    @contextmanager
    def accepting(self, ticket: Ticket) -> Iterator[None]:
        """While its interaction is answered: no scan of this replica, whose lease it is, takes it up."""
        self._accepting.add(ticket.name)
        try:
            yield
        finally:
            self._accepting.discard(ticket.name)

    def begin(self, ticket: Ticket) -> None:
        """Follow a job in a task of its own."""
        self._tend(ticket, self._follow(ticket))

    def refuse(
        self, ticket: Ticket, was_told: Callable[[], Awaitable[bool]], *, submitted: bool = False
    ) -> None:
        """Forget what was not accepted, however long the store is away; the refusal does not wait for it.

        `was_told` waits until it is known whether whoever asked was told of it. If not, another replica, if
        there is one, may have accepted it meanwhile, under the same name: it stays, and is shown by whoever
        finds it.
        `submitted`: its job was put into the queue here, and is cancelled.
        """
        self._tend(ticket, self._refuse(ticket, was_told, submitted))

    async def _refuse(self, ticket: Ticket, was_told: Callable[[], Awaitable[bool]], submitted: bool) -> None:
        async with self._kept(ticket.name, lambda: None):
            if await was_told() or not self._shared:
                await self._forget(ticket, submitted=submitted)
                return
        stored = None
        with suppress(QueueUnavailable):  # then a scan finds it, or another replica's
            if submitted and await self._tickets.hold(ticket.name):
                stored = await self._tickets.read(ticket.name)
        if stored is not None:  # as where one's own promise came through though a 5xx was told
            await self._follow(stored)

    def _tend(self, ticket: Ticket, work: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None or ticket.name in self._tended:
            work.close()
            return

        def ended(_: asyncio.Task[None]) -> None:
            work.close()  # one that is cancelled before its first step never ran it
            del self._tended[ticket.name]

        self._tended[ticket.name] = task = self._tasks.create_task(self._guarded(ticket, work))
        task.add_done_callback(ended)

    async def _guarded(self, ticket: Ticket, work: Coroutine[Any, Any, None]) -> None:
        """One ticket's task. It raises nothing but its own cancellation: that would end the other jobs."""
        try:
            await work
        except* Elsewhere:
            log.info("job %s: left to another replica", ticket.job)
        except* Exception as faults:
            log.error("job %s: it is tried again in %g s", ticket.job, REST, exc_info=faults)
            self._resting[ticket.name] = time.monotonic() + REST
        finally:
            try:
                await self._tickets.release(ticket.name)
            except QueueUnavailable:
                log.debug("a lease could not be released; it ends by itself")
            except Exception:
                log.exception("job %s: a fault in releasing its lease, which ends by itself", ticket.job)

    async def scan(self) -> None:
        """Take over what nobody holds."""
        if self._gateway.draining:
            return
        now = time.monotonic()
        self._resting = {name: until for name, until in self._resting.items() if until > now}
        names = await self._tickets.names()  # asked also while it yields: an outage may go on
        if now < self._yields_until:
            return
        for name in names:
            if name in self._tended or name in self._accepting or name in self._resting:
                continue
            if not await self._tickets.hold(name):
                continue
            # Read under the lease: it may have been delivered since the names were asked for.
            ticket = await self._tickets.read(name)
            if ticket is None or ticket.application != self._bot.application_id:  # another bot's
                self._resting[name] = now + REST
                await self._tickets.release(name)
                continue
            refused = await self._tickets.was_refused(ticket)
            if name not in self._accepting:  # that may have begun here meanwhile, under the same lease
                self._tend(ticket, self._forget(ticket, submitted=True) if refused else self._follow(ticket))

    async def flush(self, seconds: float) -> None:
        """Give the jobs that ended this long to be told."""
        if self._tended:
            await asyncio.wait(list(self._tended.values()), timeout=seconds)

    async def _scan_for_ever(self) -> None:
        while True:
            try:
                await self.scan()
            except QueueUnavailable:
                log.debug("tickets cannot be read at the moment")
                # Who refused or delivered one meanwhile is about to say so.
                self._yields_until = time.monotonic() + SCAN + LEASE
            except Exception:  # a fault of ours in one scan must not end what is followed
                log.exception("a fault in looking for tickets")
            await asyncio.sleep(SCAN)

    async def _follow(self, ticket: Ticket) -> None:
        """Show a job and deliver its picture."""
        screen, delivered = Screen(self._bot, ticket, self._tickets.store_again), False
        end: End | None = None
        check = partial(self._check_lease, screen)

        def stored() -> Ticket | None:
            return None if delivered else screen.ticket

        while not delivered:
            async with self._kept(ticket.name, stored):
                end = end or await end_of(ticket, screen, self._gateway, check, previews=self._previews)
                if self._shared and isinstance(end, Failed) and end.code == ShuttingDown.code:
                    raise Elsewhere
                delivered = await self._deliver(screen, end)
                if delivered:
                    await self._forget(ticket, delivered=True)
            if not delivered:
                await self._let_others_try(screen)

    @asynccontextmanager
    async def _kept(self, name: str, stored: Callable[[], Ticket | None]) -> AsyncIterator[None]:
        """Renew the lease meanwhile, and see that the ticket is `stored`, if it is to be."""
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(self._keep(name, stored))
            try:
                yield
            finally:
                keeper.cancel()
                self._ours_until.pop(name, None)

    async def _check_lease(self, screen: Screen) -> None:
        """Raises Elsewhere if another replica has gone on, or QueueUnavailable where that is not known.

        It does so from one that hangs, which shows, when it wakes up, what had piled up for it. One that
        went on and is no more may have begun a further answer.
        """
        name, now = screen.ticket.name, time.monotonic()
        if now < self._ours_until.get(name, now):
            return
        if not await self._tickets.hold(name) or await self._tickets.was_delivered(name):
            raise Elsewhere
        stored = await self._tickets.read(name)
        if stored is not None and stored.follow_up:
            screen.ticket = stored
        self._ours_until[name] = now + LEASE

    async def _check_anew(self, screen: Screen) -> None:
        """The same whatever one's own clock says: it may have stood still together with its machine."""
        with suppress(QueueUnavailable):  # then nobody else got the lease
            self._ours_until.pop(screen.ticket.name, None)
            await self._check_lease(screen)

    async def _forget(self, ticket: Ticket, *, delivered: bool = False, submitted: bool = False) -> None:
        """Drop a ticket under its lease: else another replica would paint it, or deliver it once more."""
        while True:
            try:
                if delivered:
                    await self._tickets.note_delivered(ticket.name)
                if submitted:
                    with suppress(NotFound, Expired):
                        await self._gateway.cancel(ticket.job, caller_of(ticket.user))
                await self._tickets.drop(ticket.name)
            except QueueUnavailable:
                await asyncio.sleep(AWAY)
            else:
                return

    async def _keep(self, name: str, stored: Callable[[], Ticket | None]) -> None:
        """Renew the lease. While the store is away it cannot be renewed, and nobody else gets it either.

        A store that came back without the ticket is told it again: else nobody could take over from here.
        One whose day is over is gone for good: it does not count any more, and nobody else takes it up.
        """
        while True:
            await asyncio.sleep(LEASE / 3)
            try:
                now = time.monotonic()
                if not await self._tickets.hold(name):
                    raise Elsewhere
                if time.monotonic() < self._ours_until.get(name, 0.0):  # else another may have had it
                    self._ours_until[name] = now + LEASE
                lost = not await self._tickets.has(name)
                delivered = lost and await self._tickets.was_delivered(name)
                if lost and (ticket := stored()) is not None:  # asked last: it may change meanwhile
                    if delivered:
                        raise Elsewhere
                    await self._tickets.store_again(ticket)
            except QueueUnavailable:
                log.debug("a lease could not be renewed")

    async def _deliver(self, screen: Screen, end: End) -> bool:
        """Bring the end to whoever asked; False where Discord is not reached from here."""
        name, job = screen.ticket.name, screen.ticket.job
        with suppress(QueueUnavailable):
            if await self._tickets.was_delivered(name):
                log.info("job %s: another replica has delivered it meanwhile", job)
                return True
        try:
            if not await screen.deliver(end, alone=not self._shared, check=partial(self._check_anew, screen)):
                log.warning("job %s: there is no way to deliver it; /show may fetch it", job)
        except CutOff as error:
            log.warning("job %s: Discord is not reached from here: %s", job, error)
            return False
        return True

    async def _let_others_try(self, screen: Screen) -> None:
        """Be without the lease for a while, and for as long as another replica has it.

        The picture stays at hand: its result may be gone when the outage is over. Raises Elsewhere once
        another one has delivered it.
        """
        name = screen.ticket.name
        with suppress(QueueUnavailable):
            await self._tickets.release(name)
        while True:
            await asyncio.sleep(REST)
            with suppress(QueueUnavailable):
                held = await self._tickets.hold(name)
                if await self._tickets.was_delivered(name):
                    if held:  # by one that is no more, perhaps, and did not come so far
                        await self._tickets.drop(name)
                    raise Elsewhere
                if held:
                    await self._check_lease(screen)
                    return
