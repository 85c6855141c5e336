"""Answers: of all replicas that hear an interaction, one answers it.

Discord sends each interaction to every session of the bot, takes one answer and refuses the second (40060).
So the replicas race for a claim; the losers look again after LOOK_AGAIN seconds, and the next one takes over
from a winner that died or hangs. Where the store of the claims is away, all answer and Discord decides. What
it took, a promise or a refusal, is then read from Discord itself.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import aiohttp
import discord
from discord import app_commands

from bot.foreign import ForeignAnswer
from bot.reading import Interaction, prompt_files
from core import Coordination, QueueUnavailable

log = logging.getLogger(__name__)

LOOK_AGAIN = 0.8
"""Seconds after which the losers of a race look whether its winner has answered."""
TURNS = 3
"""Races for one interaction; all of them end within the 3 s that Discord waits."""
LATE = 0.3
"""Seconds for an own answer above which a replica gives the others a start in the first race, for a while."""
STAND_BACK = 2.0
HEAD_START = 0.1
"""Seconds of that start: little, for the others may be as slow as this one, or none may be there."""
STORE_SECONDS = 0.5
"""Seconds for the store of the claims, which may hang as well as be away: Discord waits 3 s in all."""
IN_TIME = 2.2
"""Seconds, from hearing an interaction, in which all that is asked before its answer must be known."""
AT_LEAST = 0.3
"""Seconds of that for one who took over late."""
PATIENCE = 30.0
"""Seconds for an answer, which Discord takes within 3: aiohttp waits for minutes on a line that is dead."""
REMEMBERED = 3600.0
"""Seconds for which an interaction's winner and its answer are known: who hung hears old ones on resuming."""
ANSWER_KIND = "discord:answered"
REFUSED = b"refused"
"""What stands there instead of an owner, where the answer is a refusal."""
ANSWERED, FORGOTTEN = 40060, 10062
"""Discord's codes for an interaction that was answered, and one that it no longer knows."""
TAKEN = {ANSWERED, FORGOTTEN}

NETWORK = (aiohttp.ClientError, OSError)
"""What a call fails with where Discord was not reached."""
UNREACHABLE = (discord.DiscordServerError, *NETWORK)
"""What an answer fails with where neither we nor the caller are to blame."""


class Taken(Exception):
    """Another replica has answered this interaction, or nobody can any more: no error, and nothing to do."""


class Answered(Taken):
    """Discord has an answer, perhaps ours: discord.py tries again after a 5xx whose try came through."""


class Answers:
    """Every answer to an interaction goes through here, so that the other replicas hear of it.

    `stands_aside` says whether this replica is about to stop, and leaves everything to the others.
    """

    def __init__(
        self,
        coordination: Coordination,
        owner: str,
        *,
        stands_aside: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._coordination = coordination
        self._stands_aside = stands_aside
        self._owner = owner
        self._clock = clock
        self._stands_back_until = 0.0
        self._heard = itertools.count()

    async def wins(self, interaction: Interaction) -> bool:
        """Whether this replica is to answer; waits until that is known."""
        interaction.extras["heard"] = self._clock()
        interaction.extras["refused"] = asyncio.get_running_loop().create_future()
        if self._stands_aside():
            return False
        # The same owner may claim again; what Discord tells a session twice is not to be answered twice.
        claimant = f"{self._owner}:{next(self._heard)}"
        for turn in range(TURNS):
            if turn == 0 and self._clock() < self._stands_back_until:
                await asyncio.sleep(HEAD_START)
            interaction.extras["is_sole"] = turn == 0
            if await self._claim(interaction, turn, claimant):
                return True
            await asyncio.sleep(LOOK_AGAIN)
            with suppress(QueueUnavailable):
                if await self._answered_by(interaction.id) is not None:
                    return False
        return False

    async def refusal_was_told(self, interaction: Interaction) -> bool:
        """Wait until whoever asked has an answer. Returns whether it is a refusal, of whichever replica."""
        answered: asyncio.Future[bool | None] = interaction.extras["refused"]
        refused = await asyncio.shield(answered)
        return await self._was_refused(interaction) if refused is None else refused

    def is_sole(self, interaction: Interaction) -> bool:
        """Whether no other replica can have done what this asks: none was to, nor won while none is asked."""
        return bool(interaction.extras.get("is_sole", True))

    def seconds_left(self, interaction: Interaction) -> float:
        """In which all that is asked before this interaction's answer must be known."""
        now = self._clock()
        heard: float = interaction.extras.get("heard", now)
        return max(AT_LEAST, heard + IN_TIME - now)

    @asynccontextmanager
    async def in_time(self, interaction: Interaction) -> AsyncIterator[None]:
        """Bound what has to be known before this interaction is answered. Raises QueueUnavailable."""
        try:
            async with asyncio.timeout(self.seconds_left(interaction)):
                yield
        except TimeoutError:
            raise QueueUnavailable("the shared queue does not answer at the moment") from None

    async def defer(self, interaction: Interaction, *, private: bool = False) -> bool:
        """Promise a message; `private` is for the caller alone. False if there was an answer before."""
        try:
            await self._answer(interaction, interaction.response.defer(thinking=True, ephemeral=private))
        except Answered:
            return False
        return True

    async def acknowledge(self, interaction: Interaction) -> None:
        """Say that a button was heard, and nothing more: its message stays as it is."""
        with suppress(Answered):
            await self._answer(interaction, interaction.response.defer())

    async def refuse(self, interaction: Interaction, text: str) -> None:
        """Tell the caller alone why not, also where this interaction was answered before."""
        if interaction.response.is_done():
            await interaction.followup.send(text, ephemeral=True)
        else:
            answer = interaction.response.send_message(text, ephemeral=True)
            await self._answer(interaction, answer, refuses=True)

    async def show_privately(
        self, interaction: Interaction, embed: discord.Embed, view: discord.ui.View
    ) -> None:
        """Show the caller alone an embed, with buttons below it."""
        answer = interaction.response.send_message(embed=embed, view=view, ephemeral=True)
        await self._answer(interaction, answer)

    async def rewrite(self, interaction: Interaction, embed: discord.Embed, view: discord.ui.View) -> None:
        """Change the message whose button was pressed; of its files the prompts alone stay."""
        kept = prompt_files(interaction.message)
        answer = interaction.response.edit_message(embed=embed, view=view, attachments=kept)
        await self._answer(interaction, answer)

    async def open_form(self, interaction: Interaction, modal: discord.ui.Modal) -> None:
        """Have the caller fill a form in."""
        await self._answer(interaction, interaction.response.send_modal(modal))

    async def suggest(self, interaction: Interaction, choices: list[app_commands.Choice[str]]) -> None:
        """Complete what is being typed."""
        await self._answer(interaction, interaction.response.autocomplete(choices))

    async def _answer(
        self, interaction: Interaction, answer: Awaitable[Any], *, refuses: bool = False
    ) -> None:
        # Where it does not come through another replica may answer: it finds the same, or cannot accept it.
        refused: bool | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                await answer
            refused = refuses
        except discord.HTTPException as error:
            if error.code == FORGOTTEN:
                interaction.extras["refused late"] = refuses  # another one was in time, perhaps
                raise Taken(error.text) from error
            if error.code != ANSWERED:
                raise
            note_answered(interaction)
            refused = None  # whose that is Discord does not say
            with suppress(QueueUnavailable):
                if await self._answered_by(interaction.id) is None:  # as by one's own first attempt
                    await self._tell_others(interaction, self._owner.encode())
            raise Answered(error.text) from error
        finally:
            _note(interaction, refused)
            now = self._clock()
            late = now - interaction.extras.get("heard", now) > LATE
            if late and self.is_sole(interaction):  # else it has waited, for another one or for the store
                self._stands_back_until = now + STAND_BACK
        await self._tell_others(interaction, REFUSED if refuses else self._owner.encode())

    async def _tell_others(self, interaction: Interaction, answer: bytes) -> None:
        try:
            await self._coordination.put(ANSWER_KIND, str(interaction.id), answer, ttl=REMEMBERED)
        except QueueUnavailable:
            log.warning("the other replicas could not be told of an answer; Discord refuses theirs")

    async def _claim(self, interaction: Interaction, turn: int, claimant: str) -> bool:
        name = f"discord:{interaction.id}:{turn}"
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await self._coordination.claim(name, claimant, ttl=REMEMBERED)
        except (QueueUnavailable, TimeoutError):
            interaction.extras["is_sole"] = False
            return True

    async def _was_refused(self, interaction: Interaction) -> bool:
        """Whether the answer to this order, another replica's perhaps, is a refusal.

        Who gave it says so; where the store was away, Discord tells: a refusal is text, a job's message has
        none. That one alone sees it does not tell: Discord hides also what it promises where a person's own
        apps may not write. What cannot be read is no refusal, unless one's own came too late to be heard: a
        picture too many is better than one that is lost.
        """
        for _ in range(TURNS + 1):  # the winner of the last race may be the one that answers
            with suppress(QueueUnavailable):
                if await self._answered_by(interaction.id) == REFUSED:
                    return True
            try:
                refused = bool((await interaction.original_response()).content)
            except (discord.DiscordException, *NETWORK) as error:  # as where it is still on its way
                log.debug("an answer cannot be read: %s", obstacle(error))
                await asyncio.sleep(LOOK_AGAIN)
                continue
            if refused:  # whoever finds the ticket, if this one dies before it is forgotten, is to know
                await self._tell_others(interaction, REFUSED)
            return refused
        return bool(interaction.extras.get("refused late"))

    async def _answered_by(self, id: int) -> bytes | None:
        """Who said that it has answered, or REFUSED; None if nobody did. Raises QueueUnavailable."""
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await self._coordination.get(ANSWER_KIND, str(id))
        except TimeoutError:
            raise QueueUnavailable("the shared store does not answer at the moment") from None


def obstacle(error: Exception) -> str:
    """Why Discord was not reached, for the log.

    Some of aiohttp's words quote the address, with the token in it by which anybody could change the answer.
    """
    quotes_nothing = isinstance(error, (discord.HTTPException, aiohttp.ClientConnectorError, ForeignAnswer))
    return str(error) if quotes_nothing else type(error).__name__


def _note(interaction: Interaction, refused: bool | None) -> None:
    """Whether this interaction's answer is a refusal; None: it may be another replica's, who alone knows."""
    answered: asyncio.Future[bool | None] | None = interaction.extras.get("refused")
    if answered is not None and not answered.done():
        answered.set_result(refused)


def note_answered(interaction: Interaction) -> None:
    """Have discord.py (2.7.1) know that this interaction has its answer, so that it makes no further one."""
    cast(Any, interaction.response)._response_type = discord.InteractionResponseType.deferred_channel_message
