"""Tree: the commands of one process: who answers them, where their errors are told, what they are called."""

import logging
from typing import Any, cast

import discord
from discord import app_commands

from bot.answers import NETWORK, TAKEN, UNREACHABLE, Answers, Taken, obstacle
from bot.messages import error_text
from bot.policy import Refused
from bot.reading import Interaction
from bot.refusals import closes
from bot.texts import has, say
from core import Internal, SdError

log = logging.getLogger(__name__)


class Tree(app_commands.CommandTree[Any]):
    """All commands of one process."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        """Only one replica goes on, and none that is older than what is asked of it."""
        answers: Answers = cast(Any, interaction.client).desk.answers
        return _knows(interaction) and await answers.wins(interaction)

    async def on_error(self, interaction: Interaction, error: Exception, /) -> None:
        """The one place where errors of commands, buttons and forms end: told to the caller alone."""
        if interaction.client.is_closed():  # it stopped in the middle of this: another replica answers
            return
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
        locale = str(interaction.locale)
        http = cause if isinstance(cause, discord.HTTPException) else None
        if isinstance(cause, Taken) or (http and http.code in TAKEN):
            return
        if isinstance(cause, UNREACHABLE) or (http and (http.status == 429 or closes(http))):
            log.warning("an interaction could not be answered: %s", obstacle(cause))
            return
        if isinstance(cause, Refused):
            text = say(locale, cause.key, **cause.values)
        elif isinstance(cause, SdError):
            text = error_text(cause, locale)
        else:
            log.error("a fault in an interaction", exc_info=cause)
            text = error_text(Internal(""), locale)
        try:
            await cast(Any, interaction.client).desk.answers.refuse(interaction, text[:2000])
        except Taken:
            return
        except (discord.HTTPException, *NETWORK) as unheard:
            log.warning("an error could not be told: %s", obstacle(unheard))
        except RuntimeError:  # aiohttp's word for a session that was closed
            if not interaction.client.is_closed():
                raise


class Translator(app_commands.Translator):
    """Names and descriptions of commands in all languages but English, which they have anyway."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """See discord.app_commands.Translator."""
        key = string.extras.get("key", "")
        if not has(str(locale), key) or str(locale).startswith("en"):
            return None
        return say(str(locale), key) + str(string.extras.get("tail", ""))


def _knows(interaction: Interaction) -> bool:
    """Whether this program has that command, and its options: a newer replica may have given others."""
    command = interaction.command
    if not isinstance(command, app_commands.Command):
        return command is not None
    known = {parameter.display_name for parameter in command.parameters}
    return all(option["name"] in known for option in cast(Any, interaction.data).get("options", ()))
