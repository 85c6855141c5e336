"""Reading: what an interaction tells of who asks and where, and what the message of its button holds. No I/O.

Such a message may be another replica's, and older than this program: all that is needed stands in it.
"""

from collections.abc import Sequence
from typing import Any, cast

import discord

from bot.messages import Words
from bot.policy import Place
from bot.ticket import TOKEN_LIFE

Interaction = discord.Interaction[Any]

HIDDEN = ":hidden"
"""Ends the ids of buttons whose job's picture is a spoiler: what failed, or waits, has no picture to tell."""
PROMPT_FILE = "prompt.txt"
"""Stands below a message that has no picture, and no room for its prompts: they are read from it again."""


def place_of(interaction: Interaction) -> Place:
    """Where this interaction was made, and by whom."""
    channel = cast(Any, interaction.channel)
    channels = [id for id in (getattr(channel, "id", None), getattr(channel, "parent_id", None)) if id]
    # `Member.roles` needs the guilds' cache, which a bot for interactions alone does without.
    roles = tuple(getattr(interaction.user, "_roles", ()))
    restricted = bool(getattr(channel, "nsfw", False))
    return Place(interaction.guild_id or 0, tuple(channels), roles, restricted)


def embeds_in(interaction: Interaction) -> Sequence[Words]:
    """The embeds of the message whose button was pressed."""
    message = interaction.message
    return [cast(Words, embed.to_dict()) for embed in message.embeds] if message else []


def pictures_of(message: discord.Message | None) -> list[str]:
    """Addresses of a message's pictures, also of one that it forwards.

    Those that an embed shows are no attachments.
    """
    if message is None:
        return []
    messages: list[discord.Message | discord.MessageSnapshot] = [message, *message.message_snapshots]
    attached = [
        attachment.url
        for each in messages
        for attachment in each.attachments
        if (attachment.content_type or "image/").startswith("image/")
    ]
    embeds = [embed for each in messages for embed in each.embeds]
    shown = [embed.image.url for embed in embeds if embed.image and embed.image.url]
    return list(dict.fromkeys([*attached, *shown]))


def prompt_files(message: discord.Message | None) -> list[discord.Attachment]:
    """Where the prompts of this message stand, if it had no room for them; at most one."""
    return [file for file in message.attachments if file.filename == PROMPT_FILE] if message else []


def is_hidden(message: discord.Message | None) -> bool:
    """Whether the picture of this message is a spoiler, or would be one if it had come to that."""
    if message is None:
        return False
    buttons = (button for row in message.components for button in getattr(row, "children", ()))
    return any((getattr(button, "custom_id", None) or "").endswith(HIDDEN) for button in buttons) or any(
        attachment.is_spoiler() for attachment in message.attachments
    )


def is_late(interaction: Interaction) -> bool:
    """Whether what this button's job came to can no longer be shown in the button's own message.

    Before, its picture may be on its way there, and would be written over.
    """
    message = interaction.message
    if message is None or message.flags.ephemeral:
        return False
    return (interaction.created_at - message.created_at).total_seconds() > TOKEN_LIFE


def inputs_of(interaction: Interaction) -> dict[str, str]:
    """What was written into a form, by the fields' ids. Read here: the form may be another replica's."""
    rows = cast(Any, interaction.data or {}).get("components", ())
    inputs = [item for row in rows for item in (row.get("components") or [row.get("component", {})])]
    return {item["custom_id"]: item.get("value") or "" for item in inputs if "custom_id" in item}
