"""The bot for tests: real sockets to a loopback Discord, the real core, and the A1111 double behind it.

    async with serving() as served:
        asked = await served.imagine(prompt="a monkey")
        message = await served.discord.settled(asked)

Keyword arguments of `serving` are settings.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from bot.client import Bot, listen
from bot.ticket import Ticket
from core import BackendAddress, End, Expired, Gateway, NotFound, Settings, connect
from tests.doubles.a1111 import A1111Double
from tests.doubles.discord import TOKEN, Asked, Channel, LoopbackDiscord, Message, User

ANSWER_SECONDS = 6.0
"""Twice what Discord waits for an answer: a machine may stand still for seconds with all of them on it."""


@dataclass
class Served:
    """A running bot, and all that stands around it: one person in one channel to begin with."""

    discord: LoopbackDiscord
    double: A1111Double
    gateway: Gateway
    settings: Settings
    bot: Bot
    ann: User
    channel: Channel

    async def imagine(
        self,
        prompt: str = "a monkey",
        *,
        by: User | None = None,
        where: Channel | None = None,
        **options: Any,
    ) -> Asked:
        """Somebody asks for a picture."""
        person, channel = by or self.ann, where or self.channel
        return await self.discord.command(person, channel, "imagine", prompt=prompt, **options)

    async def painted(self, prompt: str = "a monkey", **options: Any) -> Message:
        """A picture from beginning to end."""
        return await self.discord.settled(await self.imagine(prompt, **options))

    async def shown(self, asked: Asked) -> Message:
        """Wait until the message of an interaction shows the job."""
        await self.discord.until(lambda: asked.original and asked.original.embeds)
        return asked.message

    async def hold_one(self, prompt: str = "the one that holds", **options: Any) -> Asked:
        """Ask for a picture that is painted and does not get on."""
        self.double.hold(at=1)
        asked = await self.imagine(prompt, **options)
        await self.double.until(lambda: self.double.active and self.double.active.prompt == prompt)
        await self.shown(asked)
        return asked

    async def hold_one_by_token(self) -> Asked:
        """The same in a server without the bot, for somebody who takes no direct messages."""
        self.ann.takes_direct = False
        return await self.hold_one(where=self.discord.channel(has_bot=False))

    async def ticket(self) -> Ticket:
        """The one of the only job under way."""
        (name,) = await self.bot.desk.tickets.names()
        ticket = await self.bot.desk.tickets.read(name)
        assert ticket is not None
        return ticket

    async def nothing_left(self) -> None:
        """Wait until no job is under way, and no ticket left."""
        await self.at_most_left(0)

    async def at_most_left(self, count: int) -> None:
        """Wait until no more tickets than these are left."""
        async with asyncio.timeout(10):
            while len(await self.bot.desk.tickets.names()) > count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def result_gone(self, job: str) -> None:
        """Wait until nobody can have this job's result any more."""
        with suppress(Expired, NotFound):
            async with asyncio.timeout(10):
                while True:
                    async with self.gateway.attach(job):
                        await asyncio.sleep(0)

    async def gateway_end(self, job: str) -> End:
        """How a job ended."""
        async with self.gateway.attach(job) as watch:
            return await watch.end()

    @property
    def prompts(self) -> list[str]:
        """What reached the painting server, in order."""
        return [request["prompt"] for request in self.double.txt2img_requests]


def settings_of(discord: LoopbackDiscord, double: A1111Double, **settings: Any) -> Settings:
    """Settings of a bot for these two."""
    chosen: dict[str, Any] = {
        "prompt_file": "",
        "max_attempts": 1,
        "discord_token": TOKEN,
        "discord_api_base": discord.api_base,
        "discord_gateway_url": discord.gateway_url,
        **settings,
    }
    return Settings(sd_backends=(BackendAddress(double.url),), **chosen)


@asynccontextmanager
async def serving(
    *, discord: LoopbackDiscord | None = None, double: A1111Double | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """A bot that is logged in."""
    async with discord or LoopbackDiscord() as discord, double or A1111Double() as double:
        discord.answer_seconds = ANSWER_SECONDS
        chosen = settings_of(discord, double, **settings)
        async with connect(chosen) as gateway, listen(gateway, chosen) as bot:
            await discord.ready()
            await bot.wait_until_ready()
            yield Served(discord, double, gateway, chosen, bot, discord.person(), discord.channel())


def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """discord.py itself pauses seconds before it repeats a request that got a 5xx."""
    sleep = asyncio.sleep

    async def shorter(seconds: float, result: object = None) -> None:
        await sleep(0 if seconds in {1, 3, 5, 7, 9} else seconds)

    monkeypatch.setattr("discord.webhook.async_.asyncio.sleep", shorter)


async def until(condition: Any) -> None:
    """Wait for something that nobody tells of."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)
