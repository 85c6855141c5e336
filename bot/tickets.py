"""Tickets: where they lie for all replicas, which replica holds each one, and what was delivered.

Every method raises QueueUnavailable while that place is away.
"""

import logging
import time
from collections.abc import Callable

import msgspec

from bot.answers import ANSWER_KIND, REFUSED
from bot.ticket import TTL, Ticket, decode, encode
from core import Coordination

log = logging.getLogger(__name__)

TICKET_KIND = "discord:ticket"
"""What tickets are stored as."""
SPOILER = "discord:hidden"
"""What the ids of jobs whose pictures are spoilers are stored as; they outlive their tickets, for /show."""
DELIVERED = "discord:delivered"
"""What the names of delivered tickets are stored as: a replica that hung meanwhile looks there."""
LEASE = 4.0
"""Seconds after which a silent replica's jobs go to another one."""


class Tickets:
    """Of all replicas; `owner` is the name of this one. A result is kept for `result_ttl` seconds."""

    def __init__(
        self,
        coordination: Coordination,
        owner: str,
        *,
        result_ttl: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._coordination = coordination
        self._owner = owner
        self._clock = clock
        self._hidden_for = TTL + result_ttl
        """Seconds after which no result of a job can be there any more."""

    async def store(self, ticket: Ticket) -> None:
        """Make a ticket known to all replicas; of a burst they are counted in the order of this."""
        await self._store(ticket, TTL)

    async def store_again(self, ticket: Ticket) -> None:
        """The same for one that was lost, or has changed: for what is left of its day, if anything is."""
        await self._store(ticket, min(TTL, ticket.forgotten_at - self._clock()))

    async def _store(self, ticket: Ticket, ttl: float) -> None:
        if ticket.spoiler:  # also when its day is over: its picture may be yet to come
            await self._coordination.put(SPOILER, ticket.job, b"1", ttl=self._hidden_for)
        if ttl > 0:
            await self._coordination.put(TICKET_KIND, ticket.name, encode(ticket), ttl=ttl)

    async def names(self) -> list[str]:
        """Of all tickets, in the order in which they were stored."""
        return await self._coordination.names(TICKET_KIND)

    async def has(self, name: str) -> bool:
        """Whether there is a ticket of this name, readable or not."""
        return await self._coordination.get(TICKET_KIND, name) is not None

    async def read(self, name: str) -> Ticket | None:
        """A ticket by its name, if its job is still under way."""
        stored = await self._coordination.get(TICKET_KIND, name)
        try:
            return decode(stored) if stored else None
        except msgspec.DecodeError as error:
            log.error("ticket %s is another version's, and cannot be read by this one: %s", name, error)
            return None

    async def drop(self, name: str) -> None:
        """Forget a ticket."""
        await self._coordination.delete(TICKET_KIND, name)

    async def is_spoiler(self, job: str) -> bool:
        """Whether this job's picture was to be hidden, also when its ticket is long gone."""
        return await self._coordination.get(SPOILER, job) is not None

    async def hold(self, name: str) -> bool:
        """Whether this replica may change the message of the ticket of this name, for LEASE seconds."""
        return await self._coordination.hold(f"discord:lease:{name}", self._owner, ttl=LEASE)

    async def release(self, name: str) -> None:
        """Let another replica have it at once."""
        await self._coordination.release(f"discord:lease:{name}", self._owner)

    async def note_delivered(self, name: str) -> None:
        """Let a replica that hung meanwhile know that nothing is left to do."""
        await self._coordination.put(DELIVERED, name, b"1", ttl=TTL)

    async def was_delivered(self, name: str) -> bool:
        """Whether somebody did that. An absent ticket would not tell: the place may have been emptied."""
        return await self._coordination.get(DELIVERED, name) is not None

    async def was_refused(self, ticket: Ticket) -> bool:
        """Whether whoever asked was told that it is refused, though nobody came to forget it."""
        return await self._coordination.get(ANSWER_KIND, str(ticket.interaction)) == REFUSED
