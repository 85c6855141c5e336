"""Buttons that outlive this program: all that they need stands in their ids and in their message."""

import re
from collections.abc import Iterable
from typing import Any, Self, cast

import discord

from bot.texts import say
from bot.ticket import TOKEN_LIFE
from core import ImageRequest

STYLES = {
    "cancel": discord.ButtonStyle.secondary,
    "again": discord.ButtonStyle.primary,
    "edit": discord.ButtonStyle.secondary,
    "delete": discord.ButtonStyle.danger,
}
EDITED = "sd:edited"
"""The id of the form that Edit opens; every replica takes it in."""
HIDDEN = ":hidden"
"""Ends the ids of buttons whose job's picture is a spoiler: what failed, or waits, has no picture to tell."""
PROMPT_FILE = "prompt.txt"
"""Stands below a message that has no picture, and no room for its prompts: they are read from it again."""
LONGEST_INPUT = 4000
"""Characters of a field in a form."""

Interaction = discord.Interaction[Any]


class Press(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=r"sd:(?P<deed>cancel|again|edit|delete):(?P<owner>\d{1,20}):(?P<job>[0-9a-f]{32})"
    r"(?P<hidden>:hidden)?",
):
    """A button of a job's message: what it does, whose job it is, which, and whether that is a spoiler.

    `number` tells the buttons of several jobs apart, below one message.
    """

    def __init__(
        self,
        deed: str,
        owner: int,
        job: str,
        *,
        hidden: bool = False,
        locale: str = "en",
        number: int | None = None,
    ) -> None:
        super().__init__(
            discord.ui.Button(
                style=STYLES[deed],
                label=say(locale, f"button.{deed}") + (f" {number}" if number else ""),
                custom_id=f"sd:{deed}:{owner}:{job}{HIDDEN if hidden else ''}",
            )
        )
        self.deed = deed
        self.owner = owner
        self.job = job
        self.hidden = hidden

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """See discord.ui.DynamicItem."""
        return cls(match["deed"], int(match["owner"]), match["job"], hidden=bool(match["hidden"]))

    async def callback(self, interaction: Interaction) -> None:
        """The client knows what to do."""
        await cast(Any, interaction.client).on_press(interaction, self)


def view_of(
    deeds: Iterable[str], owner: int, job: str, locale: str, *, hidden: bool = False
) -> discord.ui.View:
    """A row of buttons."""
    view = discord.ui.View(timeout=None)
    for deed in deeds:
        view.add_item(Press(deed, owner, job, hidden=hidden, locale=locale))
    return view


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


def prompt_files(message: discord.Message | None) -> list[discord.Attachment]:
    """Where the prompts of this message stand, if it had no room for them; at most one."""
    return [file for file in message.attachments if file.filename == PROMPT_FILE] if message else []


class EditForm(discord.ui.Modal):
    """Prompt, negative prompt and seed to change, none longer than LONGEST_INPUT; see `inputs_of`."""

    def __init__(self, request: ImageRequest, locale: str) -> None:
        super().__init__(title=say(locale, "edit.title"), custom_id=EDITED, timeout=900)
        paragraph = discord.TextStyle.paragraph
        fields = (
            ("prompt", say(locale, "prompt").capitalize(), request.prompt, paragraph),
            ("negative_prompt", say(locale, "label.negative_prompt"), request.negative_prompt, paragraph),
            ("seed", say(locale, "edit.seed"), str(request.seed), discord.TextStyle.short),
        )
        for name, label, value, style in fields:
            field: discord.ui.TextInput[Any] = discord.ui.TextInput(
                label=label,
                custom_id=name,
                default=value,
                style=style,
                required=name == "prompt",
                max_length=11 if name == "seed" else LONGEST_INPUT,
            )
            self.add_item(field)


def inputs_of(interaction: Interaction) -> dict[str, str]:
    """What was written into a form, by the fields' ids. Read here: the form may be another replica's."""
    rows = cast(Any, interaction.data or {}).get("components", ())
    inputs = [item for row in rows for item in (row.get("components") or [row.get("component", {})])]
    return {item["custom_id"]: item.get("value") or "" for item in inputs if "custom_id" in item}
