"""Results: a finished job's last page, its pictures as files that Discord takes, and both as an answer."""

import asyncio
import binascii
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import discord

from bot.buttons import view_of
from bot.messages import MOST_PICTURES, Page, completed_page
from bot.pictures import PictureFile, decode, fit
from bot.policy import Refused
from bot.reading import Interaction
from bot.refusals import is_too_large, may_mean_files
from bot.texts import say
from bot.ticket import Ticket
from core import BackendError, Completed, Failed

PICTURE_REFUSED = Failed("picture_refused", "Discord refuses this picture")
"""The end that is told instead of a picture that Discord takes nowhere."""

Files = Sequence[tuple[str, bytes]]
"""Names and bytes."""

LARGEST_TOGETHER = 25 * 2**20 - 2**17
"""Bytes of one message's pictures: Discord takes requests of 25 MiB, in which the words stand as well."""

_packers = ThreadPoolExecutor(2, "sd-b64-packer")
"""Packing a large picture takes seconds. The event loop looks up host names in its own threads."""


async def last_page(completed: Completed, ticket: Ticket, most: int) -> tuple[Page, Files]:
    """The page of a finished job, and its pictures as files, each of them no larger than `most`.

    Several share what a request holds, which is a file of `most` bytes at least.
    Raises BackendError where a picture is none: what a server paints is handed on without being read.
    """
    images = completed.images[:MOST_PICTURES]
    most = min(most, max(LARGEST_TOGETHER, most) // len(images))
    try:
        run = asyncio.get_running_loop().run_in_executor
        files = [await run(_packers, _fitted, image.base64, most) for image in images]
    except binascii.Error:
        raise BackendError("the picture that the painting server sent cannot be read") from None
    names = [_name(ticket, number, file) for number, file in enumerate(files)]
    reencoded = next((file.format for file in files if file.reencoded), None)
    note = say(ticket.locale, "state.reencoded", format=reencoded.upper()) if reencoded else ""
    # What an embed shows cannot be a spoiler, so a spoiler stands below it.
    shown = () if ticket.spoiler else names
    page = completed_page(completed, ticket.request, ticket.job, ticket.locale, images=shown, note=note)
    return page, [(name, file.data) for name, file in zip(names, files, strict=True)]


async def show_result(interaction: Interaction, completed: Completed, ticket: Ticket) -> None:
    """Answer a command with a job's pictures, as small as Discord wants them."""
    view = view_of(("again", "edit"), ticket.user, ticket.job, ticket.locale, hidden=ticket.spoiler)
    most = ticket.most_bytes
    while True:
        page, files = await last_page(completed, ticket, most)
        try:
            await interaction.edit_original_response(
                embeds=embeds_of(page), attachments=discord_files(files), view=view
            )
        except discord.HTTPException as error:
            if is_too_large(error, most):
                most = smaller(files, most)
            elif may_mean_files(error):
                raise Refused(f"error.{PICTURE_REFUSED.code}") from error
            else:
                raise
        else:
            return


def smaller(files: Files, most: int) -> int:
    """Bytes that each of these files may have at the next attempt, whether Discord counts each or all."""
    return min(most, max(len(data) for _, data in files)) // 2


def embeds_of(page: Page) -> list[discord.Embed]:
    """A page as discord.py takes it."""
    return [discord.Embed.from_dict(embed) for embed in page.embeds]


def discord_files(files: Files) -> list[discord.File]:
    """Names and bytes as discord.py takes them."""
    return [discord.File(io.BytesIO(data), name) for name, data in files]


def _fitted(base64: bytes | memoryview, most: int) -> PictureFile:
    return fit(decode(base64), most)


def _name(ticket: Ticket, number: int, file: PictureFile) -> str:
    spoiler = "SPOILER_" if ticket.spoiler else ""
    return f"{spoiler}{ticket.job[:8]}-{number}.{file.format}"
