"""Buttons that outlive this program, and a form: what they need stands in their ids and in their message."""

import re
from collections.abc import Iterable
from typing import Any, Self, cast

import discord

from bot.reading import HIDDEN, Interaction
from bot.texts import say
from core import ImageRequest

STYLES = {
    "cancel": discord.ButtonStyle.secondary,
    "again": discord.ButtonStyle.primary,
    "edit": discord.ButtonStyle.secondary,
    "delete": discord.ButtonStyle.danger,
}
EDITED = "sd:edited"
"""The id of the form that Edit opens; every replica takes it in."""
LONGEST_INPUT = 4000
"""Characters of a field in a form."""


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


class EditForm(discord.ui.Modal):
    """Prompt, negative prompt and seed to change, none longer than LONGEST_INPUT; read by `inputs_of`."""

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
