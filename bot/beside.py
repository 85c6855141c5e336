"""Beside: the bot in a program that serves others as well, which goes on whatever becomes of it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bot.client import Bot, alone, check_token, listen
from bot.pace import pauses
from core import Gateway, Settings, SettingsError

log = logging.getLogger(__name__)

LONGEST_REST = 300.0
"""Seconds until a bot that ended by a fault begins anew, at most: Discord takes 1,000 new sessions a day."""
RAN_WELL = 3600.0
"""Seconds after which a fault counts as the first one again."""


@asynccontextmanager
async def beside(gateway: Gateway, settings: Settings) -> AsyncIterator[None]:
    """Run the bot beside the body; yields at once, Discord may take its time.

    A fault of ours has it begin anew, and it goes on with its jobs. A token that is no longer accepted ends
    it; raises SettingsError only for one that Discord refuses at the start.
    """
    check_token(settings)  # here: whoever has entered this says that all is well
    stop = asyncio.Event()
    with alone():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_keep_up(gateway, settings, stop))
            try:
                yield
            finally:
                stop.set()


async def _keep_up(gateway: Gateway, settings: Settings, stop: asyncio.Event) -> None:
    """One bot after the other, until it is to stop."""
    has_begun, rests = False, pauses(longest=LONGEST_REST)
    clock = asyncio.get_running_loop().time
    while True:
        bot: Bot | None = None
        began = clock()
        try:
            async with listen(gateway, settings) as bot:
                await stop.wait()
            return
        except Exception as error:
            has_begun |= bot is not None and bot.has_begun
            if clock() - began >= RAN_WELL:
                rests = pauses(longest=LONGEST_REST)
            rest = next(rests)
            if not isinstance(error, SettingsError):
                log.exception("a fault in the Discord bot, which begins anew in %g s; all else goes on", rest)
            elif has_begun:
                log.error("the Discord bot has ended, and all else goes on without it: %s", error)
                return
            else:
                raise
        with suppress(TimeoutError):
            async with asyncio.timeout(rest):
                await stop.wait()
                return
