"""Where tickets lie: for a day from when the picture was asked for, however often they are stored."""

from collections.abc import Callable

import pytest

from bot.ticket import TTL, Ticket
from bot.tickets import Tickets
from core.coordination.memory import MemoryCoordination

TICKET = Ticket("ab" * 16, 175928847299117063, 1, "token", 5, 0, 9, "de", True, 1000, {"prompt": "a cat"})
RESULT_TTL = 900.0


@pytest.fixture
def at() -> tuple[Tickets, Callable[[float], None]]:
    """Tickets, and what sets their clock to so many seconds after the picture was asked for."""
    now = TICKET.asked_at

    def pass_time(seconds: float) -> None:
        nonlocal now
        now = TICKET.asked_at + seconds

    home = MemoryCoordination(clock=lambda: now)
    return Tickets(home, "this replica", result_ttl=RESULT_TTL, clock=lambda: now), pass_time


async def test_a_ticket_that_is_stored_again_ends_as_if_it_had_not_been(
    at: tuple[Tickets, Callable[[float], None]],
) -> None:
    """Its place among those that are counted is the same as well."""
    tickets, pass_time = at
    later = Ticket("cd" * 16, TICKET.interaction + (60_000 << 22), 1, "token", 5, 0, 9, "de", False, 1000, {})
    await tickets.store(TICKET)
    pass_time(60)
    await tickets.store(later)
    pass_time(TTL / 2)
    await tickets.drop(TICKET.name)
    await tickets.store_again(TICKET)
    assert await tickets.names() == [TICKET.name, later.name]
    pass_time(TTL - 1)
    await tickets.store_again(TICKET)
    assert await tickets.has(TICKET.name)
    pass_time(TTL + 1)
    assert await tickets.names() == [later.name]


async def test_a_ticket_whose_day_is_over_is_not_stored_again(
    at: tuple[Tickets, Callable[[float], None]],
) -> None:
    """Its picture, which may be yet to come, is hidden from /show all the same."""
    tickets, pass_time = at
    pass_time(TTL + RESULT_TTL)
    await tickets.store_again(TICKET)
    assert await tickets.names() == []
    assert await tickets.is_spoiler(TICKET.job)


async def test_those_of_a_burst_are_found_in_the_order_in_which_they_were_stored(
    at: tuple[Tickets, Callable[[float], None]],
) -> None:
    """Not in that in which they were asked for: else of two at once both might count as the first."""
    tickets, pass_time = at
    pass_time(0.5)
    later = Ticket("cd" * 16, TICKET.interaction + (100 << 22), 1, "token", 5, 0, 9, "de", False, 1000, {})
    await tickets.store(later)
    pass_time(0.6)
    await tickets.store(TICKET)
    assert await tickets.names() == [later.name, TICKET.name]
