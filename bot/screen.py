"""Screen: the one message that a job lives in, and every way to bring its picture to whoever asked.

While Discord lets the message be changed, it shows progress. At the end the ways are tried in turn: this
message, a new one in its channel, one more answer to the interaction, a direct message. Repeating any of
them brings no second picture: an edit is repeatable, a new message carries the job's nonce, and a further
answer, for which Discord knows no nonce, is made without a picture, then edited. Where none of them takes
the picture, those that may have refused it for what it is are tried again: with words, which bring the
prompts in a file if they have no room for them, and at last with words alone.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import discord
import msgspec

from bot.answers import NETWORK, obstacle
from bot.buttons import view_of
from bot.infotext import infotext_of
from bot.messages import Page, is_cut, late_page, page_of
from bot.pace import pauses
from bot.pictures import decode, format_of
from bot.reading import PROMPT_FILE
from bot.refusals import TOO_OFTEN, closes, is_too_large, may_mean_files, means_files
from bot.results import PICTURE_REFUSED, Files, discord_files, embeds_of, last_page, smaller
from bot.texts import say
from bot.ticket import TOKEN_LIFE, Ticket
from core import BackendError, Completed, End, Event, Failed, Progress, QueueUnavailable

log = logging.getLogger(__name__)

LAST_WORDS = 30.0
"""Seconds before the end of the interaction's life at which the message says that it changes no more."""
PATIENCE = 100.0
"""Seconds for Discord to take progress: the line may be dead. Cloudflare, in front of Discord, waits as long;
what is given up sooner could come through later, over the picture."""
MISSES = 4
"""Attempts in a row that did not reach Discord, after which another process may try."""

Way = Callable[[Page, Files], Awaitable[None]]
Check = Callable[[], Awaitable[None]]


class CutOff(Exception):
    """This process does not reach Discord; another one may."""


async def _always() -> None:
    """Where nobody else shows anything."""


class Screen:
    """`show` an Event whenever it changes, `deliver` the End once."""

    def __init__(
        self,
        bot: discord.Client,
        ticket: Ticket,
        store: Callable[[Ticket], Awaitable[None]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bot = bot
        self.ticket = ticket
        """As whoever has to go on must know it: with the further answer that was begun."""
        self._store = store
        """Tells the ticket to whoever may have to go on."""
        self._clock = clock
        self._shown: Page | None = None
        self._preview: tuple[str, bytes] | None = None
        self.is_open = True
        """Whether the message can still be changed, as far as is known."""
        self.takes_files = True
        """Whether it can have files before the end, as a preview, as far as is known."""

    @property
    def seconds_left(self) -> float:
        """Until the message says its last words."""
        return self.ticket.asked_at + TOKEN_LIFE - LAST_WORDS - self._clock()

    async def show(self, event: Event) -> None:
        """Change the message, unless it says so already. What Discord refuses is skipped, not repeated."""
        preview = self._preview
        if not isinstance(event, Progress):
            self._preview = None
        elif event.preview is not None and self.takes_files and not self.ticket.spoiler:
            with suppress(ValueError):  # a server's nonsense: the last one stays
                data = await asyncio.to_thread(decode, event.preview)
                self._preview = (f"preview.{format_of(data)}", data)
        page = self._page_of(event, image=self._preview[0] if self._preview else None)
        if page == self._shown and self._preview == preview:
            return
        # An edit replaces all files: so the last preview goes along until there is a newer one.
        await self._try_edit(page, [self._preview] if self._preview else [])

    async def say_last_words(self) -> None:
        """The picture will come as a new message."""
        await self._try_edit(late_page(self.ticket.request, self.ticket.job, self.ticket.locale))
        self.is_open = False

    async def deliver(self, end: End, *, alone: bool, check: Check = _always) -> bool:
        """Bring the end to whoever asked; False if there is no way, or none has worked until its day is over.

        `check` raises, before each try, where that is no longer ours to do.
        Raises CutOff where that is for another process to try, unless this one is `alone`.
        """
        most, misses = self.ticket.most_bytes, 0
        waits = pauses()
        ways = self._ways()
        refused: dict[Way, discord.HTTPException] = {}  # that may take the message without its files
        page, files = await self._last_page(end, most)
        while ways:
            way = ways[0]
            await check()
            try:
                await way(page, files)
            except asyncio.CancelledError:
                _let_all_go_on(self._bot)
                raise
            except discord.HTTPException as error:
                misses = 0
                if _are_pictures(files) and is_too_large(error, most):
                    most = smaller(files, most)
                    page, files = await self._last_page(end, most)
                    continue
                # Too many edits of one message are a 429 as well; that one is not over in a moment. And a 500
                # may be told of a token whose time is over. Of the bot's own one a 401 says that it has to be
                # started with another.
                passes = error.status == 429 or error.status >= 500
                passes |= error.status == 401 and not self._is_by_token(way)
                if error.code == TOO_OFTEN or not passes or self._is_over(way):
                    log.info("job %s: %s is no way: %s", self.ticket.job, way.__name__[1:], error)
                    refused |= self._rule_out(way, ways, files, error)
                    if not ways and refused:
                        reason = next(iter(refused.values()))
                        log.warning("job %s: Discord refuses its files: %s", self.ticket.job, reason)
                        page, files = self._without_files(page, files)
                        ways, refused = [way for way in self._ways() if way in refused], {}
                    continue
            except NETWORK as error:
                misses += 1
                if misses >= MISSES and not alone:
                    raise CutOff(obstacle(error)) from None
            else:
                return True
            if self._clock() > self.ticket.forgotten_at:
                return False  # what lasts for a day does not pass
            await asyncio.sleep(next(waits))
        return False

    def _rule_out(
        self, way: Way, ways: list[Way], files: Files, error: discord.HTTPException
    ) -> dict[Way, discord.HTTPException]:
        """Try a way no more, nor what it rules out; returns those that may take words without these files."""
        ways.remove(way)
        if not files or not may_mean_files(error):
            return {}
        refused = {way: error}
        if way == self._edit and means_files(error) and self._follow_up in ways:
            ways.remove(self._follow_up)  # is an edit as well, and leaves a line behind
            refused[self._follow_up] = error
        return refused

    async def _try_edit(self, page: Page, pictures: Files = ()) -> None:
        """Change the message if Discord lets it; without files once it has refused one with files."""
        files = [*pictures, *self._prompts(page)] if self.takes_files else []
        try:
            async with asyncio.timeout(PATIENCE):
                await self._edit(page, files)
            self._shown = page
        except discord.HTTPException as error:
            self.is_open = not closes(error)
            log.debug("job %s: progress was not shown: %s", self.ticket.job, error)
            if files and may_mean_files(error):
                self._preview, self.takes_files = None, False
                await self._try_edit(_without_image(page))
        except NETWORK as error:
            log.debug("job %s: progress was not shown: %s", self.ticket.job, obstacle(error))

    async def _last_page(self, end: End, most: int) -> tuple[Page, Files]:
        if isinstance(end, Completed):
            try:
                return await last_page(end, self.ticket, most)
            except BackendError as error:
                end = Failed.of(error)
        page = self._page_of(end)
        return page, self._prompts(page)

    def _without_files(self, page: Page, files: Files) -> tuple[Page, Files]:
        """What is told where no way takes these files: words instead of pictures, then words alone."""
        if not _are_pictures(files):
            return page, ()
        page = self._page_of(PICTURE_REFUSED)
        return page, self._prompts(page)

    def _page_of(self, event: Event, *, image: str | None = None) -> Page:
        ticket = self.ticket
        return page_of(event, ticket.request, ticket.job, ticket.locale, image=image)

    def _prompts(self, page: Page) -> Files:
        """A file with the prompts, if the page has no room for them; a picture tells them by itself."""
        return [(PROMPT_FILE, infotext_of(self.ticket.request).encode())] if is_cut(page.embeds[0]) else ()

    # --- the ways

    def _ways(self) -> list[Way]:
        """All of them, the best one first."""
        return [self._edit, self._send_to_channel, self._follow_up, self._send_to_user]

    def _is_over(self, way: Way) -> bool:
        """Whether this way leads over the interaction's token, and that is dead."""
        return self._is_by_token(way) and self._clock() > self.ticket.asked_at + TOKEN_LIFE

    def _is_by_token(self, way: Way) -> bool:
        return way in {self._edit, self._follow_up}

    async def _edit(self, page: Page, files: Files) -> None:
        """Change the message that answered the interaction."""
        # discord.py writes the id into the address as it is
        await self._edit_answer(cast(int, "@original"), page, files)

    async def _edit_answer(self, id: int, page: Page, files: Files) -> None:
        await self._webhook.edit_message(
            id, embeds=embeds_of(page), attachments=discord_files(files), view=self._view(page)
        )

    async def _send_to_channel(self, page: Page, files: Files) -> None:
        """A new message; needs the bot to be there."""
        guild = self.ticket.guild or None
        channel = self._bot.get_partial_messageable(self.ticket.channel, guild_id=guild)
        await self._send(channel.send, page, files)

    async def _follow_up(self, page: Page, files: Files) -> None:
        """One more answer to the interaction, where the bot itself may not write."""
        ticket = self.ticket
        if not ticket.follow_up:
            text = f"<@{ticket.user}> {say(ticket.locale, 'job.id', id=ticket.job)}"
            message = await self._webhook.send(text, wait=True)
            self.ticket = ticket = msgspec.structs.replace(ticket, follow_up=message.id)
            with suppress(QueueUnavailable):  # this replica knows it all the same
                await self._store(ticket)
        await self._edit_answer(ticket.follow_up, page, files)

    async def _send_to_user(self, page: Page, files: Files) -> None:
        """A direct message."""
        user = await self._bot.create_dm(discord.Object(self.ticket.user))
        await self._send(user.send, page, files)

    async def _send(self, send: Callable[..., Awaitable[Any]], page: Page, files: Files) -> None:
        await send(
            content=f"<@{self.ticket.user}>",
            embeds=embeds_of(page),
            files=discord_files(files),
            view=self._view(page),
            nonce=self.ticket.nonce,
        )

    @property
    def _webhook(self) -> discord.Webhook:
        """Where the interaction is answered."""
        ticket = self.ticket
        return discord.Webhook.partial(ticket.application, ticket.token, client=self._bot)

    def _view(self, page: Page) -> discord.ui.View:
        ticket = self.ticket
        return view_of(page.buttons, ticket.user, ticket.job, ticket.locale, hidden=ticket.spoiler)


def _let_all_go_on(bot: discord.Client) -> None:
    """Have no request wait for one that was cut off while it waited out a limit of all of them together.

    discord.py (2.7.1) would have them wait for ever; at worst one hears of that limit by itself now.
    """
    cast(Any, bot.http)._global_over.set()


def _are_pictures(files: Files) -> bool:
    """Whether these are a job's pictures, and not its prompts or nothing."""
    return any(name != PROMPT_FILE for name, _ in files)


def _without_image(page: Page) -> Page:
    """The same page where the picture that it names is refused."""
    kept = ({name: value for name, value in embed.items() if name != "image"} for embed in page.embeds)
    return Page(tuple(kept), page.buttons)
