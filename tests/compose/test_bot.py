"""The bot's service against a loopback Discord: two replicas, no duplicates, also when one of them dies."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

from tests.compose.stack import Stack, commands_of_a_new_version, inspect, is_unhealthy, run, send, until
from tests.doubles.discord import TOKEN, Asked, LoopbackDiscord
from tests.doubles.pictures import prompt_of
from tests.doubles.relay import Relay

DISCORD = ("--profile", "discord")


@asynccontextmanager
async def two_bots(service: Stack) -> AsyncIterator[LoopbackDiscord]:
    """Two replicas of the bot that have opened their sessions."""
    await asyncio.to_thread(service.settle)
    async with (
        LoopbackDiscord() as discord,
        Relay(urlsplit(discord.api_base).port or 0, host="0.0.0.0") as relay,  # as containers reach it
    ):
        discord.answer_seconds = 8.0  # a dozen programs start beside it, which takes 2 s of them at times
        service.environ |= {
            "DISCORD_TOKEN": TOKEN,
            "DISCORD_API_BASE": f"http://discord:{relay.port}/api/v10",
            "DISCORD_GATEWAY_URL": f"ws://discord:{relay.port}/gateway",
            "DISCORD_MAX_JOBS_PER_USER": "100",
        }
        try:
            await asyncio.to_thread(
                service.compose, *DISCORD, "up", "-d", "--no-deps", "--no-recreate", "--scale=bot=2", "bot"
            )
            await discord.ready(2)
            yield discord
        except BaseException:
            logs = (*DISCORD, "logs", "--timestamps", "--tail=100", "bot", "valkey")
            print(await asyncio.to_thread(partial(service.compose, *logs, check=False)))
            raise
        finally:
            await asyncio.to_thread(service.compose, *DISCORD, "rm", "-s", "-f", "bot")


def done(asked: list[Asked]) -> int:
    """How many messages show a finished picture."""
    return sum(each.original is not None and each.original.title == "Done" for each in asked)


async def test_two_replicas_answer_each_interaction_once_and_one_of_them_may_die(service: Stack) -> None:
    """What hangs is unhealthy, as every service."""
    async with two_bots(service) as discord:
        people = [discord.person(f"person {number}") for number in range(10)]
        channel = discord.channel()
        asked = [
            await discord.command(people[n % 10], channel, "imagine", prompt=f"picture {n}", steps=8)
            for n in range(20)
        ]
        await discord.until(lambda: done(asked) >= 3, within=40)
        bots = service.containers("bot")
        await asyncio.to_thread(send, bots[0], signal.SIGKILL)
        assert done(asked) < 20, "it died during the load"
        await discord.until(lambda: done(asked) == 20, within=60)
        assert len(channel.messages) == 20
        assert discord.pictures == 20
        shown = [prompt_of(each.message.pictures[0]).split("\n")[0] for each in asked]
        assert shown == [f"picture {n}" for n in range(20)]
        await discord.ready(2)  # the restart policy brings it back

        await asyncio.to_thread(service.settle)
        await asyncio.to_thread(send, bots[0], signal.SIGSTOP)
        await asyncio.to_thread(until, lambda: is_unhealthy(bots[0]), "unhealthy")
        assert not is_unhealthy(bots[1])
        await asyncio.to_thread(send, bots[0], signal.SIGCONT)
        await asyncio.to_thread(service.settle)


async def test_a_new_version_of_the_bot_comes_without_a_gap_by_the_commands_of_the_docs(
    service: Stack,
) -> None:
    """Every command is answered, once. What is new here is a setting.

    And nginx, which was told of it, is still started again should it die.
    """
    async with two_bots(service) as discord:
        person, channel, asked = discord.person(), discord.channel(), list[Asked]()
        old = service.containers("bot")
        service.environ["RESULT_TTL"] = "902"
        commands = commands_of_a_new_version().replace("--scale app", "--scale bot=4 --scale app")
        told = f"export COMPOSE_PROFILES=discord\n{commands}"
        update = asyncio.create_task(asyncio.to_thread(service.shell, told))
        while not update.done():
            prompt = f"picture {len(asked)}"
            asked.append(await discord.command(person, channel, "imagine", prompt=prompt, steps=8))
            await discord.answered(asked[-1])
            await discord.until(lambda: done(asked) > len(asked) - 4, within=60)
        await update
        await discord.until(lambda: done(asked) == len(asked), within=60)
        assert discord.pictures == len(channel.messages) == len(asked)
        new = service.containers("bot")
        assert len(new) == 2
        assert not set(new) & set(old)
        (nginx,) = service.containers("nginx")
        await asyncio.to_thread(send, nginx, signal.SIGKILL)
        await asyncio.to_thread(until, lambda: inspect(nginx)["RestartCount"] == 1, "its restart")


def test_without_a_token_the_bot_says_so_and_a_plain_up_has_none(image: str) -> None:
    stack = Stack("docker-compose.yml")
    try:
        said = stack.compose(*DISCORD, "run", "--rm", "--no-deps", "-T", "bot", check=False)
        assert "sd-b64: DISCORD_TOKEN: " in said
        assert "bot" not in stack.compose("config", "--services").split()
    finally:
        stack.close()


def test_the_command_is_the_readmes(image: str) -> None:
    """`--profile discord up --scale ...` names services that there are."""
    words = "--profile discord --dry-run up --scale app=3 --scale ws=3 --scale bot=2 --scale worker=2"
    stack = Stack("docker-compose.yml")
    said = run("docker", "compose", "-p", stack.project, *words.split(), environ=stack.environ)
    for replica in ("app-3", "ws-3", "bot-2", "worker-2", "nginx-1"):
        assert f"{stack.project}-{replica}" in said
