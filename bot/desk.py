"""Desk: takes orders, and everything that may be asked of a job afterwards.

An order is stored as a ticket, then submitted, then answered: so whatever dies in between, another replica
has all that it needs. What is refused is refused before the answer, to the caller alone.
"""

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import Any, cast

import discord
from msgspec.structs import replace

from bot.answers import NETWORK, Answers, Taken, obstacle
from bot.buttons import LONGEST_INPUT, EditForm, Press, view_of
from bot.deliveries import Deliveries
from bot.downloads import Downloads
from bot.infotext import prompts_in
from bot.messages import lost_page, request_in
from bot.policy import Refused, check_counts, check_place, check_prompt, is_spoiler
from bot.reading import (
    Interaction,
    embeds_in,
    inputs_of,
    is_hidden,
    is_late,
    pictures_of,
    place_of,
    prompt_files,
)
from bot.showing import submit
from bot.ticket import Ticket, caller_of, fields_of, key_of, own_names
from bot.tickets import Tickets
from core import (
    LARGEST_SEED,
    Cancelled,
    Catalog,
    Expired,
    Gateway,
    ImageRequest,
    NotFound,
    QueueUnavailable,
    Settings,
    ShuttingDown,
    parse_request,
)

log = logging.getLogger(__name__)

FETCH_SECONDS = 1.0
"""Seconds to read a message's pictures while an interaction waits for its answer."""


class Desk:
    """One a process; holds all that the commands and buttons need."""

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        answers: Answers,
        tickets: Tickets,
        deliveries: Deliveries,
        downloads: Downloads,
    ) -> None:
        self.gateway = gateway
        self.settings = settings
        self.answers = answers
        self.tickets = tickets
        self.deliveries = deliveries
        self.downloads = downloads

    def admit(self, interaction: Interaction) -> None:
        """Raises Refused where the bot may not be used, or not by this person."""
        check_place(place_of(interaction), self.settings)

    async def take(self, interaction: Interaction, request: ImageRequest, *, spoiler: bool = False) -> None:
        """Accept a job, answer, and have its message followed. Raises Refused, SdError."""
        self.admit(interaction)
        check_prompt(request, self.settings)
        ticket = self.ticket(interaction, request, spoiler=spoiler)
        with self.deliveries.accepting(ticket):
            held, first = await self._accept(interaction, ticket), False
            try:
                first = await self.answers.defer(interaction)
            except Taken:
                log.debug("job %s: too late for an answer, its picture comes as a new message", ticket.job)
            except (discord.HTTPException, *NETWORK) as error:
                log.warning(
                    "job %s was accepted, and that could not be said: %s", ticket.job, obstacle(error)
                )
            if not first and self.settings.shares_queue:
                # Another replica may have refused it in time, while the store was away, and could not say so.
                was_told = partial(self.answers.refusal_was_told, interaction)
                self.deliveries.refuse(ticket, was_told, submitted=True)
            elif held:
                self.deliveries.begin(ticket)

    async def _accept(self, interaction: Interaction, ticket: Ticket) -> bool:
        """Store and submit. Returns whether its lease is held here. Raises Refused, SdError."""
        # Once it is stored it is accepted: if the queue goes now, who follows the ticket submits it.
        # So does another replica if this one is about to stop.
        passing = (QueueUnavailable, ShuttingDown) if self.settings.shares_queue else (QueueUnavailable,)
        held = False
        try:
            async with self.answers.in_time(interaction):
                held = await self.tickets.hold(ticket.name)
                await self.tickets.store(ticket)
            with suppress(*passing):
                async with self.answers.in_time(interaction):
                    check_counts(await self.tickets.names(), ticket.name, self.settings)
                    async with submit(ticket, self.gateway, progress=False):
                        pass
        except Exception:
            if held:  # else another replica has heard it as well, and the ticket is that one's
                self.deliveries.refuse(ticket, partial(self.answers.refusal_was_told, interaction))
            raise
        return held

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
                request = await self._repeatable(interaction)
                await self.take(
                    interaction, replace(request, seed=-1), spoiler=is_hidden(interaction.message)
                )
            case "edit":
                self.admit(interaction)
                request = await self._request_of(interaction)
                if max(len(request.prompt), len(request.negative_prompt)) > LONGEST_INPUT:
                    raise Refused("refused.cut")
                await self.answers.open_form(interaction, EditForm(request, str(interaction.locale)))
            case "delete":
                _check_owner(interaction, press.owner)
                await self.answers.acknowledge(interaction)
                with suppress(discord.NotFound):  # somebody was faster
                    await interaction.delete_original_response()

    async def edited(self, interaction: Interaction) -> None:
        """A form came back: the message's own request, with what was changed. Raises Refused, SdError."""
        inputs = inputs_of(interaction)
        seed = inputs.pop("seed", "").strip() or "-1"
        if not seed.removeprefix("-").isdecimal() or not -1 <= int(seed) <= LARGEST_SEED:
            raise Refused("refused.seed", most=LARGEST_SEED)
        fields = fields_of(await self._repeatable(interaction))
        del fields["prompt"]
        fields |= {"negative_prompt": inputs.get("negative_prompt", ""), "seed": int(seed)}
        request = parse_request(inputs.get("prompt", ""), fields, self.settings.limits)
        await self.take(interaction, request, spoiler=is_hidden(interaction.message))

    async def _cancel(self, interaction: Interaction, press: Press) -> None:
        _check_owner(interaction, press.owner)
        try:
            async with self.answers.in_time(interaction):
                cancelled = await self._cancelled(interaction, press)
        except (NotFound, Expired) as error:
            if isinstance(error, NotFound) and await self._is_under_way(interaction, press):
                raise QueueUnavailable("this job is about to be put into the queue") from None
            await self._say_lost(interaction, press)
            return
        if is_late(interaction) and embeds_in(interaction):
            await self._say_lost(interaction, press, "state.ended")
        elif cancelled:
            await self.answers.acknowledge(interaction)  # who follows the job shows its end
        else:
            raise Refused("refused.ended")

    async def _cancelled(self, interaction: Interaction, press: Press) -> bool:
        """Cancel. Returns whether this press did it, also through another replica that heard it as well."""
        if await self.gateway.cancel(press.job, caller_of(press.owner)):
            return True
        if self.answers.is_sole(interaction):
            return False
        async with self.gateway.attach(press.job, progress=False) as watch:
            return isinstance(await anext(watch), Cancelled)

    async def _is_under_way(self, interaction: Interaction, press: Press) -> bool:
        """Whether somebody follows this job: what the queue lost, or was not told of, is put again."""
        async with self.answers.in_time(interaction):
            names = own_names(await self.tickets.names(), press.owner)
            found = [await self.tickets.read(name) for name in names]
        return any(ticket is not None and ticket.job == press.job for ticket in found)

    async def _say_lost(self, interaction: Interaction, press: Press, key: str = "state.lost") -> None:
        """The queue was in memory, and is gone, or the end is elsewhere: the message says how to go on."""
        embeds = embeds_in(interaction)
        # What the caller alone sees is the answer of /queue, which tells of other jobs as well.
        if not embeds or (interaction.message and interaction.message.flags.ephemeral):
            raise NotFound("no job has this id")
        locale = str(interaction.locale)
        page = lost_page(embeds[0], locale, key)
        view = view_of(page.buttons, press.owner, press.job, locale, hidden=press.hidden)
        await self.answers.rewrite(interaction, discord.Embed.from_dict(cast(Any, page.embeds[0])), view)

    async def _repeatable(self, interaction: Interaction) -> ImageRequest:
        """What the message of this button shows, as far as it can still be painted."""
        request = await self._request_of(interaction)
        async with self.answers.in_time(interaction):
            return without_unknown(request, await self.gateway.catalog())

    async def _request_of(self, interaction: Interaction) -> ImageRequest:
        """What the message of this button shows, read from its words, or else from its files."""
        embeds = embeds_in(interaction)
        if not embeds:  # a moderator may remove them
            raise Refused("refused.unread")
        if (request := request_in(embeds, self.settings.limits)) is not None:
            return request
        try:
            async with asyncio.timeout(min(FETCH_SECONDS, self.answers.seconds_left(interaction))):
                text = await self._prompts_below(interaction.message)
        except TimeoutError:
            text = None
        if text is None:
            raise Refused("refused.unread")
        request = request_in(embeds, self.settings.limits, prompts=prompts_in(text)) if text else None
        if request is None:
            raise Refused("refused.cut")
        return request

    async def _prompts_below(self, message: discord.Message | None) -> str | None:
        """The prompts that stand in a message's file, or in the first picture that tells any.

        "" if none does; None where that is not known, since one could not be fetched.
        """
        for file in prompt_files(message):
            data = await self.downloads.fetch(file.url)
            return None if data is None else data.decode(errors="replace")
        texts = []
        for url in pictures_of(message):
            if text := await self.downloads.parameters(url):
                return text
            texts.append(text)
        return None if None in texts else ""


def without_unknown(request: ImageRequest, catalog: Catalog) -> ImageRequest:
    """Leave model and sampler to the server where none has them any more.

    A page names them also where nobody had chosen them: else nothing could be done with what the demo, or a
    model that has another name now, had painted. Where no server paints, that is what is wrong.
    """
    if not catalog.takes_work:
        return request
    model = request.model and catalog.model_named(request.model)
    sampler = request.sampler_name and (catalog.sampler_named(request.sampler_name) or request.sampler_name)
    offers = [offer for offer in catalog.offers if not model or model in offer.models]
    # A server that is down has no list either; one that paints without a list may be asked for any.
    taken = any(sampler in offer.samplers or (offer.takes_work and not offer.samplers) for offer in offers)
    return replace(request, model=model or None, sampler_name=sampler if taken else None)


def _check_owner(interaction: Interaction, owner: int) -> None:
    if interaction.user.id != owner and not interaction.permissions.manage_messages:
        raise Refused("refused.owner")
