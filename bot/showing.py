"""Showing: how a ticket's job gets on, on its screen, until it ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

from bot.screen import Screen
from bot.ticket import Ticket, caller_of, key_of
from core import End, Event, Failed, Gateway, NotFound, QueueUnavailable, SdError, ShuttingDown, Watch

EVERY = 2.5
"""Seconds between two changes of a message."""
AWAY = 1.0
"""Seconds between two attempts to reach the queue."""
REFUSED_FOR = 300.0
"""Seconds for which an accepted job that the queue refuses is put again: a server may be starting."""


async def end_of(
    ticket: Ticket, screen: Screen, gateway: Gateway, check: Callable[[], Awaitable[None]], *, previews: bool
) -> End:
    """Show how the job gets on, and return how it ended. An error of the core is an end as well.

    `check` raises where the message is no longer ours to change.
    """
    while True:
        shows = screen.is_open
        previewed = shows and previews and screen.takes_files and not ticket.spoiler
        try:
            async with _watch(ticket, gateway, progress=shows, preview=previewed) as watch:
                end = await (_progress(watch, screen, check) if shows else watch.end())
        except QueueUnavailable as error:
            end = Failed.of(error)
        except SdError as error:
            return Failed.of(error)
        # A queue that came back without the job says so as well: here is all that it takes to go on.
        if isinstance(end, Failed) and end.code == QueueUnavailable.code:
            await asyncio.sleep(AWAY)
        elif end is not None:
            return end


def submit(
    ticket: Ticket, gateway: Gateway, *, progress: bool, preview: bool = False
) -> AbstractAsyncContextManager[Watch]:
    """Put a ticket's job into the queue, unless it is there; it is kept."""
    caller, key = caller_of(ticket.user), key_of(ticket.interaction)
    return gateway.submit(ticket.request, caller, key=key, keep=True, progress=progress, preview=preview)


@asynccontextmanager
async def _watch(ticket: Ticket, gateway: Gateway, *, progress: bool, preview: bool) -> AsyncIterator[Watch]:
    """The ticket's job. One that its replica could not submit, or that was lost, is submitted here."""
    async with AsyncExitStack() as stack:
        try:
            job = gateway.attach(ticket.job, progress=progress, preview=preview)
            watch = await stack.enter_async_context(job)
        except NotFound:
            job = _submit_at_last(ticket, gateway, progress=progress, preview=preview)
            watch = await stack.enter_async_context(job)
        yield watch


@asynccontextmanager
async def _submit_at_last(
    ticket: Ticket, gateway: Gateway, *, progress: bool, preview: bool
) -> AsyncIterator[Watch]:
    """Put a ticket's job into a queue that may refuse it for a while.

    One that came back empty knows no server yet, then not all of them; and whoever asked was not refused.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + REFUSED_FOR
    async with AsyncExitStack() as stack:
        while True:
            job = submit(ticket, gateway, progress=progress, preview=preview)
            try:
                watch = await stack.enter_async_context(job)
                break
            except SdError as error:
                if isinstance(error, QueueUnavailable | ShuttingDown) or loop.time() >= give_up_at:
                    raise
            await asyncio.sleep(AWAY)
        yield watch


async def _progress(watch: Watch, screen: Screen, check: Callable[[], Awaitable[None]]) -> End | None:
    """Show what changes, every 2.5 s at the most. Returns the end; None once less of it can be shown."""
    loop = asyncio.get_running_loop()
    last_words_at = loop.time() + screen.seconds_left
    due, unshown, with_files = 0.0, None, screen.takes_files
    while screen.is_open and screen.takes_files == with_files:
        event = await _next(watch, min(due if unshown else last_words_at, last_words_at))
        if isinstance(event, End):
            return event
        unshown = event or unshown
        if loop.time() >= last_words_at:
            with suppress(QueueUnavailable):  # then nobody else got the lease, and there is no later
                await check()
            await screen.say_last_words()
        elif unshown is not None and loop.time() >= due:
            await check()
            await screen.show(unshown)
            due, unshown = loop.time() + EVERY, None
    return None


async def _next(watch: Watch, until: float) -> Event | None:
    """The next event, or None if it has not come by then (time of the loop)."""
    try:
        async with asyncio.timeout_at(until):
            return await anext(watch)
    except TimeoutError:
        return None
