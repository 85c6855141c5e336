"""The Discord client: connects, hands interactions on, and closes in good order.

It reads no messages: interactions need no intent. Everything that runs beside it runs in TaskGroups.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.answers import NETWORK, UNREACHABLE, Answers, obstacle
from bot.buttons import EDITED, Press
from bot.commands import add_commands
from bot.deliveries import Deliveries
from bot.desk import Desk
from bot.downloads import Downloads
from bot.foreign import refusing_pages
from bot.pace import Openings, bound_backoff, pauses
from bot.reading import Interaction
from bot.sync import sync
from bot.tickets import Tickets
from bot.tree import Translator, Tree
from core import Gateway, QueueUnavailable, Settings, SettingsError, announce

log = logging.getLogger(__name__)

READY = "READY"
"""The event with which a session begins: without it there is none."""
READY_SECONDS = 0.05
"""How long discord.py waits for more servers before it says that it is ready: we need none of them."""
IDENTIFY_SECONDS = 5.2
"""Discord takes one new session of a bot every 5 s."""
IDENTIFY_LOOK = 0.2
FLUSH_SECONDS = 5.0
"""How long the ends of jobs may take to be told when the bot stops."""
WRONG_TOKEN = "Discord does not accept this token: copy it anew from the developer portal, page Bot"
SESSION_REFUSED = "Discord refuses a session to this bot (close code {})"
AUTHENTICATION_FAILED = 4004
MISSING_TOKEN = "set it to the bot's token, from https://discord.com/developers/applications, page Bot"
SINGLE_REPLICA = "no REDIS_URL: this is the bot's only replica, and a restart forgets the jobs that wait"
NEEDED = discord.Permissions(
    view_channel=True, send_messages=True, send_messages_in_threads=True, embed_links=True, attach_files=True
)
"""What the bot may do in a server that invites it."""


class Bot(discord.Client):
    """The connection to Discord; what people want is the desk's business."""

    def __init__(self, gateway: Gateway, settings: Settings, session: aiohttp.ClientSession) -> None:
        trace = refusing_pages()
        Openings(trace)
        super().__init__(
            intents=discord.Intents.none(),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            guild_ready_timeout=READY_SECONDS,
            http_trace=trace,
        )
        parsers = self._connection.parsers
        parsers.update({event: _outlived(event, parse) for event, parse in parsers.items() if event != READY})
        self._gateway = gateway
        self._shared = shared = settings.shares_queue
        self.owner = secrets.token_hex(8)
        """This replica's name among all of them."""
        self._logged_in = asyncio.Event()
        self._connected = asyncio.Event()
        self._was_away = False
        self.tree = Tree(self)
        tickets = Tickets(gateway.coordination, self.owner, result_ttl=settings.result_ttl)
        self.deliveries = Deliveries(gateway, self, tickets, settings)
        answers = Answers(gateway.coordination, self.owner, stands_aside=lambda: shared and gateway.draining)
        downloads = Downloads(session, settings.discord_api_base)
        self.desk = Desk(gateway, settings, answers, tickets, self.deliveries, downloads)
        add_commands(self.tree, self.desk)

    async def setup_hook(self) -> None:
        """See discord.Client."""
        self.add_dynamic_items(Press)
        await self.tree.set_translator(Translator())

    async def on_connect(self) -> None:
        """See discord.Client."""
        self._connected.set()

    @property
    def has_begun(self) -> bool:
        """Whether Discord has given it a session once, so that its token was right, or was away at the start.

        Then others are served beside it by now, and what is wrong with it is not to be their end.
        """
        return self._connected.is_set() or self._was_away

    async def on_disconnect(self) -> None:
        """See discord.Client. Have a second try to resume a session go to where sessions begin.

        The first goes where Discord wants it, and discord.py (2.7.1) has read that by now: it would ask that
        part of Discord for ever.
        """
        if self.ws is not None:
            self.ws.gateway = DiscordWebSocket.DEFAULT_GATEWAY

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait for this replica's turn to open a session."""
        hold = self._gateway.coordination.hold
        name = f"{self.owner}:{secrets.token_hex(4)}"  # each session counts, also two of this process
        try:
            while not await hold("discord:identify", name, ttl=IDENTIFY_SECONDS):  # noqa: ASYNC110
                await asyncio.sleep(IDENTIFY_LOOK)  # a lease tells nobody that it ended
        except QueueUnavailable:
            log.warning("the other replicas cannot be asked; this one connects at once")

    async def on_interaction(self, interaction: Interaction) -> None:
        """Forms, which may be another replica's; discord.py hands on commands and buttons itself."""
        if interaction.type is not discord.InteractionType.modal_submit:
            return
        if interaction.custom_id == EDITED and await self.desk.answers.wins(interaction):
            await self._attempt(interaction, self.desk.edited(interaction))

    async def on_press(self, interaction: Interaction, press: Press) -> None:
        """A button was pressed."""
        if await self.desk.answers.wins(interaction):
            await self._attempt(interaction, self.desk.press(interaction, press))

    async def _attempt(self, interaction: Interaction, action: Awaitable[None]) -> None:
        try:
            await action
        except Exception as error:  # noqa: BLE001 - discord.py calls on_error for commands alone
            await self.tree.on_error(interaction, error)

    async def live(self, token: str) -> None:
        """Log in and stay connected; ends only by being cancelled. Raises SettingsError for a wrong token."""
        await self._log_in(token)
        self._logged_in.set()
        log.info("this replica is %s", self.owner)
        invite = discord.utils.oauth_url(self.application_id or 0, permissions=NEEDED)
        announce(f"sd-b64: Discord bot {self.user} is logged in; invite it: {invite}")
        if not self._shared:
            announce(f"sd-b64: {SINGLE_REPLICA}")
        async with asyncio.TaskGroup() as tasks:
            giving = tasks.create_task(self._give_commands())
            await self._stay_connected()
            giving.cancel()

    async def follow(self) -> None:
        """Follow jobs; ends only by being cancelled. Before the login there is no way to show anything."""
        await self._logged_in.wait()
        await self.deliveries.run()

    async def _give_commands(self) -> None:
        """Have Discord know the commands; buttons and the commands of before work meanwhile.

        New ones are given by who hears them: replicas of before do not know them.
        Where another replica is about to give them that is looked at again: it may die before it has.
        """
        await self._connected.wait()
        for pause in pauses():
            try:
                if await sync(self.tree, self._gateway.coordination, self.owner):
                    return
            except (discord.HTTPException, *NETWORK) as error:
                # discord.py waits out a 429 of Discord's own; what stands in front of Discord has others.
                passes = isinstance(error, UNREACHABLE) or error.status == 429
                if not passes:
                    log.error("the commands could not be given to Discord: %s", error)
                    return
                log.warning("the commands could not be given to Discord, again in %g s: %s", pause, error)
            await asyncio.sleep(pause)

    async def _stay_connected(self) -> None:
        for pause in pauses():
            try:
                await self.connect()
            except discord.ConnectionClosed as error:
                problem = (
                    WRONG_TOKEN if error.code == AUTHENTICATION_FAILED else SESSION_REFUSED.format(error.code)
                )
                raise SettingsError("DISCORD_TOKEN", problem) from error
            except AttributeError:
                if getattr(self, "ws", None) is not None:
                    raise
                # discord.py 2.7.1 asks its first session for its number, although there was none.
                log.warning("Discord's gateway cannot be reached, again in %g s", pause)
                self._was_away = True
            else:
                return
            await asyncio.sleep(pause)

    async def _log_in(self, token: str) -> None:
        for pause in pauses():
            try:
                await self.login(token)
            except discord.LoginFailure as error:
                raise SettingsError("DISCORD_TOKEN", WRONG_TOKEN) from error
            except (discord.HTTPException, *NETWORK) as error:
                log.warning("Discord cannot be reached, again in %g s: %s", pause, error)
                self._was_away = True
            else:
                return
            await self.http.close()
            self.http.connector = discord.utils.MISSING  # it was closed; the next login makes a new one
            await asyncio.sleep(pause)


def _outlived(event: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
    """The same, but for an event that discord.py (2.7.1) cannot read: that ended the bot."""

    def parse_or_tell(data: Any) -> None:
        try:
            parse(data)
        except Exception:
            log.exception("discord.py cannot read what Discord told: %s", event)

    return parse_or_tell


def check_token(settings: Settings) -> None:
    """Raises SettingsError for a token that Discord need not be asked about."""
    if not settings.discord_token:
        raise SettingsError("DISCORD_TOKEN", MISSING_TOKEN)
    if not settings.discord_token.isprintable():  # of several lines: no header can hold it
        raise SettingsError("DISCORD_TOKEN", WRONG_TOKEN)


@asynccontextmanager
async def listen(gateway: Gateway, settings: Settings) -> AsyncIterator[Bot]:
    """Run the bot beside the body; yields at once, Discord may take its time.

    Leaving it lets the ends of jobs be told after `gateway.drain`, and lets go of the others: another
    replica, or this one started again, goes on with them. Raises SettingsError for a wrong token.
    """
    check_token(settings)
    _point_at(settings)
    with alone():
        async with (
            aiohttp.ClientSession() as session,
            Bot(gateway, settings, session) as bot,
            asyncio.TaskGroup() as tasks,
        ):
            running = [tasks.create_task(bot.follow()), tasks.create_task(bot.live(settings.discord_token))]
            try:
                yield bot
                if gateway.draining:
                    await bot.deliveries.flush(FLUSH_SECONDS)
            finally:
                for task in running:
                    task.cancel()
                # It may lose a cancellation while it connects (wait_for of Python 3.11): this ends it, too.
                await bot.close()


@contextmanager
def alone() -> Iterator[None]:
    """Raise an error as it is, and not in the group that a TaskGroup makes of it, also of a single one."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


def _in_one_line(record: logging.LogRecord) -> bool:
    """Tell of a gateway that is away without a traceback, each time that it is looked for."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, NETWORK):
        record.msg, record.args = f"{record.getMessage()}: {obstacle(error)}", ()
        record.exc_info = None
    return True


def _point_at(settings: Settings) -> None:
    """Where Discord is; discord.py knows it by two attributes of classes. It need not warn of voice."""
    bound_backoff()
    logging.getLogger("discord.client").addFilter(_in_one_line)
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    logging.getLogger("discord.state").setLevel(logging.ERROR)  # it warns of the intents that we do without
    if settings.discord_api_base:
        Route.BASE = settings.discord_api_base
    if settings.discord_gateway_url:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.discord_gateway_url)
