"""The commands: what each one takes, and what it answers. Their errors are told in Tree.on_error."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import discord
from discord import app_commands

from bot.answers import NETWORK, Taken, note_answered, obstacle
from bot.buttons import Press
from bot.desk import Desk
from bot.markdown import escape
from bot.messages import (
    MOST_PICTURES,
    MOST_PROMPT,
    SIZES,
    parameters_page,
    request_of,
    request_painted,
    title_of,
)
from bot.policy import Refused
from bot.reading import Interaction, pictures_of
from bot.results import embeds_of, show_result
from bot.texts import say
from bot.texts.english import ENGLISH
from bot.ticket import caller_of, own_names
from bot.tree import Tree
from core import (
    LARGEST_CFG_SCALE,
    LARGEST_SEED,
    SMALLEST_SIDE,
    Catalog,
    Completed,
    End,
    Failed,
    SdError,
    Status,
)

log = logging.getLogger(__name__)

MOST_CHOICES = 25
LONGEST_CHOICE = 100
"""Suggestions, and characters of one, that Discord shows."""
SHOWN_JOBS = 10
"""Of one's own, in /queue."""
PEEK = 1.0
"""Seconds for a job to say where it is."""


def add_commands(tree: Tree, desk: Desk) -> None:
    """Put all commands into the tree."""
    context = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)
    installs = app_commands.AppInstallationType(guild=True, user=True)
    everywhere: Any = {"allowed_contexts": context, "allowed_installs": installs}
    for callback in (_imagine(desk), _queue(desk), _show(desk)):
        name = callback.__name__
        tree.add_command(
            app_commands.Command(
                name=_word(name), description=_word(f"{name}.about"), callback=callback, **everywhere
            )
        )
    tree.add_command(
        app_commands.ContextMenu(name=_word("parameters"), callback=_parameters(desk), **everywhere)
    )


def _imagine(desk: Desk) -> Any:
    limits = desk.settings.limits

    async def imagine(
        interaction: Interaction,
        prompt: str,
        negative_prompt: str | None = None,
        steps: int | None = None,
        size: str | None = None,
        width: int | None = None,
        height: int | None = None,
        cfg_scale: float | None = None,
        sampler: str | None = None,
        model: str | None = None,
        seed: int | None = None,
        count: int | None = None,
        spoiler: bool = False,
    ) -> None:
        # The parameters above declare the options; what was given is read by the options' own names.
        given = {name: value for name, value in interaction.namespace if name != "spoiler"}
        await desk.take(interaction, request_of(given, limits), spoiler=spoiler)

    side = limits.max_pixels // SMALLEST_SIDE
    longest = min(limits.max_prompt, MOST_PROMPT)
    # Annotations are where discord.py reads ranges, and these are the deployment's own.
    imagine.__annotations__ |= {
        "prompt": app_commands.Range[str, 1, longest],
        "negative_prompt": app_commands.Range[str, 0, longest] | None,
        "steps": app_commands.Range[int, 1, limits.max_steps] | None,
        "width": app_commands.Range[int, SMALLEST_SIDE, side] | None,
        "height": app_commands.Range[int, SMALLEST_SIDE, side] | None,
        "cfg_scale": app_commands.Range[float, 0.0, LARGEST_CFG_SCALE] | None,
        "seed": app_commands.Range[int, -1, LARGEST_SEED] | None,
        "count": app_commands.Range[int, 1, min(limits.max_batch, MOST_PICTURES)] | None,
    }
    sizes = [
        app_commands.Choice(name=_word(shape, f" {width} x {height}"), value=f"{width}x{height}")
        for shape, width, height in SIZES
        if width * height <= limits.max_pixels
    ]
    return _described(
        app_commands.choices(size=sizes)(
            app_commands.autocomplete(
                sampler=_suggest(desk, lambda catalog: catalog.samplers),
                model=_suggest(desk, lambda catalog: catalog.models),
            )(imagine)
        )
    )


def _suggest(desk: Desk, names: Callable[[Catalog], tuple[str, ...]]) -> Any:
    """Autocompletion from what the painting servers have at the moment."""

    async def suggest(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        try:
            known = names(await desk.gateway.catalog())
        except SdError:
            known = ()
        found = [name for name in known if typed.lower() in name.lower() and len(name) <= LONGEST_CHOICE]
        choices = [app_commands.Choice(name=name, value=name) for name in found[:MOST_CHOICES]]
        try:
            await desk.answers.suggest(interaction, choices)
        except (Taken, discord.HTTPException, *NETWORK) as error:
            log.debug("a suggestion came too late: %s", obstacle(error))
            note_answered(interaction)  # else it is tried once more, and that is told as an error
        return choices

    return suggest


def _queue(desk: Desk) -> Any:
    async def queue(interaction: Interaction) -> None:
        desk.admit(interaction)
        locale, user = str(interaction.locale), interaction.user.id
        async with desk.answers.in_time(interaction):
            names = own_names(await desk.tickets.names(), user)
            found = await asyncio.gather(*(_own_job(desk, name, locale) for name in names[:SHOWN_JOBS]))
            status = await desk.gateway.status(caller_of(user))
        jobs = list(enumerate(filter(None, found), start=1))
        lines = [f"{number}. {line}" for number, (_, line) in jobs]
        if len(names) > SHOWN_JOBS:
            lines.append(say(locale, "queue.more", count=len(names) - SHOWN_JOBS))
        embed = discord.Embed(
            title=say(locale, "queue.own"), description="\n".join(lines) or say(locale, "queue.none")
        )
        # A job's own message has this button as well, but that may have been deleted.
        view = discord.ui.View(timeout=None)
        for number, (job, _) in jobs:
            view.add_item(Press("cancel", user, job, locale=locale, number=number))
        embed.add_field(name=say(locale, "queue.servers"), value=_servers(status, locale), inline=False)
        counts = {"waiting": status.waiting, "running": status.running, "callers": status.callers}
        embed.set_footer(text=say(locale, "queue.waiting", **counts))
        await desk.answers.show_privately(interaction, embed, view)

    return _described(queue)


async def _own_job(desk: Desk, name: str, locale: str) -> tuple[str, str] | None:
    """The id of a job that is under way, and one line about it."""
    ticket = await desk.tickets.read(name)
    if ticket is None:
        return None
    try:
        async with asyncio.timeout(PEEK), desk.gateway.attach(ticket.job) as watch:
            title = title_of(await anext(watch), locale)
    except (TimeoutError, SdError):
        title = say(locale, "state.accepted")
    return ticket.job, f"**{escape(ticket.request.prompt[:60])}**\n{title}  ·  `{ticket.job}`"


def _servers(status: Status, locale: str) -> str:
    """Their state, by number: addresses are nobody's business on Discord."""
    lines = [
        say(locale, "queue.server", number=number, state=say(locale, f"server.{each.state}"))
        for number, each in enumerate(status.backends, start=1)
    ]
    return "\n".join(lines)[:1000] or say(locale, "queue.no_server")


def _show(desk: Desk) -> Any:
    viewers = set[int]()

    async def show(interaction: Interaction, job: str) -> None:
        desk.admit(interaction)
        # Its pictures are in memory meanwhile, as text and as files, and few are packed at once.
        with _one_at_a_time(viewers, interaction.user.id):
            await tell(interaction, job)

    async def tell(interaction: Interaction, job: str) -> None:
        await desk.answers.defer(interaction, private=True)
        locale = str(interaction.locale)
        async with desk.gateway.attach(job, progress=False) as watch:
            event = await anext(watch)
            hidden = await desk.tickets.is_spoiler(watch.id)
        if isinstance(event, Failed):
            raise event.as_error()
        if not isinstance(event, Completed):
            ended = "state.cancelled" if isinstance(event, End) else "show.running"
            await interaction.edit_original_response(content=say(locale, ended))
            return
        ticket = desk.ticket(interaction, request_painted(event), spoiler=hidden, job=job)
        await show_result(interaction, event, ticket)

    show.__annotations__["job"] = app_commands.Range[str, 32, 32]
    return _described(show)


def _parameters(desk: Desk) -> Any:
    readers = set[int]()

    async def parameters(interaction: Interaction, message: discord.Message) -> None:
        desk.admit(interaction)
        with _one_at_a_time(readers, interaction.user.id):  # few pictures are read at once
            await tell(interaction, message)

    async def tell(interaction: Interaction, message: discord.Message) -> None:
        await desk.answers.defer(interaction, private=True)
        locale = str(interaction.locale)
        read, found = 0, []
        for url in pictures_of(message)[:MOST_PICTURES]:  # one by one: each may be large
            text = await desk.downloads.parameters(url)
            read += text is not None
            found += [text.strip()] if text and text.strip() else []  # Discord takes no embed of blanks
        if found:
            embeds = [embed for text in found for embed in embeds_of(parameters_page(text))]
            # Together an answer's embeds hold 6000 characters, so long texts come alone.
            shown = embeds if sum(map(len, embeds)) <= 6000 else embeds[:1]
            await interaction.edit_original_response(embeds=shown)
            return
        unread = pictures_of(message) and not read
        key = "parameters.unread" if unread else "parameters.none"
        await interaction.edit_original_response(content=say(locale, key))

    return parameters


@contextmanager
def _one_at_a_time(busy: set[int], user: int) -> Iterator[None]:
    """Raises Refused where this person has one under way: what all share is not one person's alone."""
    if user in busy:
        raise Refused("error.rate_limited")
    busy.add(user)
    try:
        yield
    finally:
        busy.discard(user)


def _described(callback: Any) -> Any:
    """The options' names and descriptions, in all languages."""
    names = [name for name in callback.__annotations__ if name not in {"interaction", "return"}]
    if not names:
        return callback
    described = app_commands.describe(**{name: _word(f"{name}.about") for name in names})(callback)
    return app_commands.rename(**{name: _word(name) for name in names})(described)


def _word(key: str, tail: str = "") -> app_commands.locale_str:
    return app_commands.locale_str(ENGLISH[key] + tail, key=key, tail=tail)
