"""Desk: takes orders, and everything that may be asked of a job afterwards.

An order is stored as a ticket, then submitted, then answered: so whatever dies in between, another replica
has all that it needs. What is refused is refused before the answer, to the caller alone.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import discord

from bot.answers import Answers, Interaction, Taken
from bot.buttons import EditForm, Press, inputs_of, is_hidden, view_of
from bot.deliveries import Deliveries, caller_of, key_of
from bot.downloads import Downloads
from bot.messages import Words, lost_page, prompts_in, request_in
from bot.pictures import read_parameters
from bot.policy import Place, Refused, check_counts, check_place, check_prompt, is_spoiler
from bot.ticket import Ticket, fields_of
from core import (
    LARGEST_SEED,
    Expired,
    Gateway,
    ImageRequest,
    NotFound,
    QueueUnavailable,
    Settings,
    parse_request,
)

PATIENCE = 1.0
"""Seconds for the queue to take a job before the interaction is answered: Discord waits 3 s in all."""
FETCH_SECONDS = 1.5
"""Seconds to read a picture's parameters while an interaction waits for its answer."""


class Desk:
    """One a process; holds all that the commands and buttons need."""

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        answers: Answers,
        deliveries: Deliveries,
        downloads: Downloads,
    ) -> None:
        self.gateway = gateway
        self.settings = settings
        self.answers = answers
        self.deliveries = deliveries
        self.downloads = downloads

    def admit(self, interaction: Interaction) -> None:
        """Raises Refused where the bot may not be used, or not by this person."""
        check_place(place_of(interaction), self.settings)

    async def take(self, interaction: Interaction, request: ImageRequest, *, spoiler: bool = False) -> None:
        """Accept a job, answer, and have its message followed. Raises Refused, SdError."""
        self.admit(interaction)
        check_prompt(request.prompt, self.settings)
        ticket = self.ticket(interaction, request, spoiler=spoiler)
        held = await self._store(ticket)
        try:
            check_counts(await self._names(), ticket.name, self.settings)
            await self._submit(ticket)
        except Exception:
            await self.deliveries.drop(ticket)
            raise
        # Whoever answered: the message is the same, and the lease says who follows it.
        with suppress(Taken):
            await self.answers.defer(interaction)
        if held:
            self.deliveries.begin(ticket)

    async def _store(self, ticket: Ticket) -> bool:
        """Make the job known to all replicas; whether this one is to follow it. Raises QueueUnavailable."""
        try:
            async with asyncio.timeout(PATIENCE):
                held = await self.deliveries.hold(ticket.name)
                await self.deliveries.store(ticket)
        except TimeoutError:
            raise QueueUnavailable("the shared queue does not answer at the moment") from None
        return held

    async def _names(self) -> list[str]:
        """The jobs under way; none where that cannot be known: the ticket is stored, so it is accepted."""
        try:
            return await self.deliveries.names()
        except QueueUnavailable:
            return []

    async def _submit(self, ticket: Ticket) -> None:
        """Put the job into the queue. Where that takes long, who follows the ticket submits it again."""
        submitted = self.gateway.submit(
            ticket.request, caller_of(ticket.user), key=key_of(ticket.interaction), keep=True, progress=False
        )
        try:
            async with asyncio.timeout(PATIENCE), submitted:
                pass
        except (TimeoutError, QueueUnavailable):
            return

    def ticket(
        self, interaction: Interaction, request: ImageRequest, *, spoiler: bool = False, job: str = ""
    ) -> Ticket:
        """All that is needed to show this request's job; `job` is another one's than this interaction's."""
        place = place_of(interaction)
        caller, key = caller_of(interaction.user.id), key_of(interaction.id)
        return Ticket(
            job=job or self.gateway.id_of(caller, key),
            interaction=interaction.id,
            application=interaction.application_id,
            token=interaction.token,
            user=interaction.user.id,
            guild=place.guild,
            channel=place.channels[0] if place.channels else 0,
            locale=str(interaction.locale),
            spoiler=is_spoiler(spoiler, place, self.settings),
            most_bytes=min(interaction.filesize_limit, self.settings.discord_max_file_bytes),
            fields=fields_of(request),
        )

    # --- buttons

    async def press(self, interaction: Interaction, press: Press) -> None:
        """Do what a button says. Raises Refused, SdError."""
        match press.deed:
            case "cancel":
                await self._cancel(interaction, press)
            case "again":
                request = await self._request_of(interaction)
                await self.take(
                    interaction, replace(request, seed=-1), spoiler=is_hidden(interaction.message)
                )
            case "edit":
                self.admit(interaction)
                request = await self._request_of(interaction)
                await self.answers.ask(interaction, EditForm(request, str(interaction.locale)))
            case "delete":
                _check_owner(interaction, press.owner)
                await self.answers.acknowledge(interaction)
                await interaction.delete_original_response()

    async def edited(self, interaction: Interaction) -> None:
        """A form came back: the message's own request, with what was changed. Raises Refused, SdError."""
        inputs = inputs_of(interaction)
        seed = inputs.pop("seed", "").strip() or "-1"
        if not seed.removeprefix("-").isdecimal() or not -1 <= int(seed) <= LARGEST_SEED:
            raise Refused("refused.seed", most=LARGEST_SEED)
        fields = fields_of(await self._request_of(interaction))
        del fields["prompt"]
        fields |= {"negative_prompt": inputs.get("negative_prompt", ""), "seed": int(seed)}
        request = parse_request(inputs.get("prompt", ""), fields, self.settings.limits)
        await self.take(interaction, request, spoiler=is_hidden(interaction.message))

    async def _cancel(self, interaction: Interaction, press: Press) -> None:
        _check_owner(interaction, press.owner)
        try:
            cancelled = await self.gateway.cancel(press.job, caller_of(press.owner))
        except (NotFound, Expired):
            await self._say_lost(interaction, press)
            return
        if not cancelled:
            raise Refused("refused.ended")
        await self.answers.acknowledge(interaction)  # who follows the job shows its end

    async def _say_lost(self, interaction: Interaction, press: Press) -> None:
        """The queue was in memory, and is gone: the message says how to go on."""
        embeds = _embeds_of(interaction)
        if not embeds:
            raise NotFound("no job has this id")
        locale = str(interaction.locale)
        page = lost_page(embeds[0], locale)
        view = view_of(page.buttons, press.owner, press.job, locale, hidden=press.hidden)
        await self.answers.rewrite(interaction, discord.Embed.from_dict(cast(Any, page.embeds[0])), view)

    async def _request_of(self, interaction: Interaction) -> ImageRequest:
        """What the message of this button shows, read from its words, or else from its picture."""
        embeds = _embeds_of(interaction)
        request = request_in(embeds, self.settings.limits)
        if request is not None:
            return request
        for url in pictures_of(interaction.message):
            data = await self.downloads.fetch(url, seconds=FETCH_SECONDS)
            text = await asyncio.to_thread(read_parameters, data) if data else ""
            if text:
                request = request_in(embeds, self.settings.limits, prompts=prompts_in(text))
                if request is not None:
                    return request
        raise Refused("refused.cut")


def place_of(interaction: Interaction) -> Place:
    """Where this interaction was made."""
    channel = cast(Any, interaction.channel)
    channels = [id for id in (getattr(channel, "id", None), getattr(channel, "parent_id", None)) if id]
    # `Member.roles` needs the guilds' cache, which a bot for interactions alone does without.
    roles = tuple(getattr(interaction.user, "_roles", ()))
    restricted = bool(getattr(channel, "nsfw", False))
    return Place(interaction.guild_id or 0, tuple(channels), roles, restricted)


def pictures_of(message: discord.Message | None) -> list[str]:
    """Addresses of a message's pictures. Those that an embed shows are no attachments of it."""
    if message is None:
        return []
    attached = [
        attachment.url
        for attachment in message.attachments
        if (attachment.content_type or "image/").startswith("image/")
    ]
    shown = [embed.image.url for embed in message.embeds if embed.image and embed.image.url]
    return list(dict.fromkeys([*attached, *shown]))


def _check_owner(interaction: Interaction, owner: int) -> None:
    if interaction.user.id != owner and not interaction.permissions.manage_messages:
        raise Refused("refused.owner")


def _embeds_of(interaction: Interaction) -> Sequence[Words]:
    message = interaction.message
    return [cast(Words, embed.to_dict()) for embed in message.embeds] if message else []
