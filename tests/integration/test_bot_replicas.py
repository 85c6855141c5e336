"""Three processes of one bot on one Valkey: every interaction is answered once, whatever becomes of them."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core import BackendAddress, Coordination, Settings, connect, work
from tests.doubles.a1111 import A1111Double
from tests.doubles.discord import TOKEN, Asked, Channel, LoopbackDiscord, Message, User
from tests.doubles.discord_fixture import ANSWER_SECONDS
from tests.doubles.pictures import prompt_of
from tests.doubles.program import ROOT, environment
from tests.valkey_server import ValkeyServer

PROGRAM = """
import os
import bot.client
bot.client.IDENTIFY_SECONDS = float(os.environ["IDENTIFY_SECONDS"])
from bot.__main__ import main
main()
"""
"""A bot that may open sessions faster than Discord lets one; the loopback Discord is more patient."""
IDENTIFY_SECONDS = 0.35


@dataclass
class Replica:
    """One process, and the name by which it claims."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def owner(self) -> str:
        found = re.search(r"this replica is (\w+)", self.said)
        assert found is not None, self.said
        return found[1]

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@dataclass
class Fleet:
    """Replicas, and all that they share."""

    server: ValkeyServer
    discord: LoopbackDiscord
    doubles: list[A1111Double]
    coordination: Coordination
    environ: dict[str, str]
    folder: Path
    replicas: list[Replica] = field(default_factory=list)

    async def start(self, count: int = 3) -> None:
        """Start so many more, and wait until all are connected."""
        alive = sum(each.process.returncode is None for each in self.replicas)
        for _ in range(count):
            log = self.folder / f"replica-{len(self.replicas)}.log"
            with log.open("wb") as file:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-W", "ignore", "-c", PROGRAM),
                    cwd=self.folder,
                    env=self.environ,
                    stdout=file,
                    stderr=file,
                )
            self.replicas.append(Replica(process, log))
        await self.discord.ready(alive + count)

    async def stop(self) -> None:
        """End all that still run, as a restart does."""
        running = [each for each in self.replicas if each.process.returncode is None]
        for each in running:
            each.tell(signal.SIGCONT)
            each.tell(signal.SIGTERM)
        for each in running:
            assert await asyncio.wait_for(each.process.wait(), 20) == 0, each.said

    async def imagine(self, prompt: str, by: User, where: Channel) -> Asked:
        """Somebody asks for a picture."""
        return await self.discord.command(by, where, "imagine", prompt=prompt)

    async def begun(self, prompt: str, by: User, where: Channel) -> Asked:
        """The same, seen to wait or to be painted while the servers are held."""
        asked = await self.imagine(prompt, by, where)
        await self.discord.until(lambda: asked.original and asked.original.embeds)
        return asked

    def hold(self) -> None:
        """Let no server get beyond the first step."""
        for double in self.doubles:
            double.hold(at=1)

    def release(self) -> None:
        """Let them paint on."""
        for double in self.doubles:
            double.release()

    async def forgotten(self) -> None:
        """Wait until no job is left that has to be delivered."""
        async with asyncio.timeout(10):
            while await self.coordination.names("discord:ticket"):
                await asyncio.sleep(0.05)

    async def winner(self, asked: Asked) -> Replica:
        """Who answered this interaction."""
        await self.discord.answered(asked)
        async with asyncio.timeout(5):
            while (owner := await self.coordination.get("discord:answered", str(asked.id))) is None:
                await asyncio.sleep(0.01)
        return next(each for each in self.replicas if each.owner == owner.decode())

    def check_logs(self) -> None:
        """No process told of an error, and none of an interaction that another one had."""
        for each in self.replicas:
            assert "ERROR" not in each.said, each.said
            assert "Traceback" not in each.said, each.said

    @property
    def prompts(self) -> list[str]:
        """What was painted."""
        return [request["prompt"] for double in self.doubles for request in double.txt2img_requests]


@asynccontextmanager
async def fleet(folder: Path, **environ: str) -> AsyncIterator[Fleet]:
    """Three replicas, two painting servers with their workers in this process, one Valkey."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ValkeyServer())
        discord = await stack.enter_async_context(LoopbackDiscord())
        discord.gateway.identify_seconds = IDENTIFY_SECONDS
        discord.answer_seconds = ANSWER_SECONDS
        doubles = [await stack.enter_async_context(A1111Double()) for _ in range(2)]
        addresses = tuple(BackendAddress(double.url) for double in doubles)
        settings = Settings(sd_backends=addresses, redis_url=server.url, prompt_file="")
        await stack.enter_async_context(work(settings))
        gateway = await stack.enter_async_context(connect(settings))
        async with asyncio.timeout(10):
            while not (await gateway.catalog()).takes_work:
                await asyncio.sleep(0.01)
        chosen = {
            "PYTHONPATH": str(ROOT),
            "REDIS_URL": server.url,
            "DISCORD_TOKEN": TOKEN,
            "DISCORD_API_BASE": discord.api_base,
            "DISCORD_GATEWAY_URL": discord.gateway_url,
            "DISCORD_MAX_JOBS_PER_USER": "100",
            "DISCORD_MAX_JOBS_PER_SERVER": "1000",
            "IDENTIFY_SECONDS": "0.55",
        }
        flock = Fleet(
            server, discord, doubles, gateway.coordination, environment(**{**chosen, **environ}), folder
        )
        try:
            await flock.start()
            yield flock
        finally:
            for replica in flock.replicas:
                if replica.process.returncode is None:
                    replica.tell(signal.SIGKILL)
                await replica.process.wait()


def done(asked: list[Asked]) -> list[Message]:
    """The messages that show a finished picture."""
    return [each.original for each in asked if each.original and each.original.title == "Done"]


@pytest.mark.slow
async def test_sixty_interactions_are_sixty_pictures(tmp_path: Path) -> None:
    """No duplicate, no answer that was refused told as an error; the sessions were opened one by one."""
    # Discord judges by when it hears of a session: nobody stands still for so long in between.
    async with fleet(tmp_path, IDENTIFY_SECONDS="3.55") as flock:
        discord = flock.discord
        assert len(discord.gateway.identifies) == 3
        assert discord.gateway.refused_identifies == 0
        assert discord.syncs == 1
        people = [discord.person(f"person {number}") for number in range(20)]
        channel = discord.channel()
        asked = [await flock.imagine(f"picture {n}", people[n % 20], channel) for n in range(60)]
        await discord.until(lambda: len(done(asked)) == 60, within=40)
        assert len(channel.messages) == 60
        assert sorted(flock.prompts) == sorted(f"picture {n}" for n in range(60))
        for number, each in enumerate(asked):
            assert prompt_of(each.message.pictures[0]) == f"picture {number}"
            assert each.answered_after is not None
            assert each.answered_after < ANSWER_SECONDS
        winners = {(await flock.winner(each)).owner for each in asked}
        async with asyncio.timeout(20):
            # The work is shared; but who was late in the burst stands back for a while.
            while len(winners) < 2:
                asked.append(await flock.imagine("one more", people[0], channel))
                winners.add((await flock.winner(asked[-1])).owner)
                await discord.until(lambda: done(asked[-1:]))
        await flock.stop()
        flock.check_logs()


@pytest.mark.slow
async def test_the_replica_that_took_a_job_is_killed_and_its_result_arrives_once(tmp_path: Path) -> None:
    async with fleet(tmp_path) as flock:
        discord = flock.discord
        ann, channel = discord.person(), discord.channel()
        flock.hold()
        asked = await flock.begun("the one that lives on", ann, channel)
        winner = await flock.winner(asked)
        winner.tell(signal.SIGKILL)
        await winner.process.wait()
        flock.release()
        await discord.until(lambda: done([asked]), within=20)
        await flock.forgotten()
        assert len(channel.messages) == 1
        assert flock.prompts == ["the one that lives on"]
        assert discord.pictures == 1
        await flock.stop()
        flock.check_logs()


@pytest.mark.slow
async def test_a_replica_that_is_killed_before_it_answers_is_replaced_in_time(tmp_path: Path) -> None:
    """The others look again after 0.8 s: here nobody but the killed one could claim it first."""
    async with fleet(tmp_path) as flock:
        discord = flock.discord
        ann, channel = discord.person(), discord.channel()
        first, *others = flock.replicas
        for each in others:
            each.tell(signal.SIGSTOP)
        discord.fault("POST", "/callback", 502, times=1)  # it has claimed, and repeats its answer in a second
        asked = await flock.imagine("taken over", ann, channel)
        await discord.until(lambda: discord.count("POST", "/callback"))
        first.tell(signal.SIGKILL)
        for each in others:
            each.tell(signal.SIGCONT)
        await discord.until(lambda: done([asked]), within=20)
        assert asked.answered_after is not None
        assert asked.answered_after < ANSWER_SECONDS
        assert discord.pictures == 1
        assert flock.prompts == ["taken over"]


@pytest.mark.slow
async def test_a_replica_hangs_for_ten_seconds_in_a_burst(tmp_path: Path) -> None:
    """Every interaction is answered in time, and once; when it wakes up it disturbs nobody."""
    async with fleet(tmp_path) as flock:
        discord = flock.discord
        channel = discord.channel()
        people = [discord.person(f"person {number}") for number in range(10)]
        asked = []
        for number in range(40):
            if number == 10:
                flock.replicas[0].tell(signal.SIGSTOP)
                stopped_at = discord.now()
            asked.append(await flock.imagine(f"picture {number}", people[number % 10], channel))
            await asyncio.sleep(0.02)  # a burst, not one instant: the hang comes in its middle
        await discord.until(lambda: len(done(asked)) == 40, within=30)
        await asyncio.sleep(max(0.0, stopped_at + 10 - discord.now()))
        flock.replicas[0].tell(signal.SIGCONT)
        last = await flock.imagine("after it woke up", people[0], channel)
        await discord.until(lambda: done([last]), within=20)
        assert max(each.answered_after or 99.0 for each in asked) < ANSWER_SECONDS
        assert len(channel.messages) == 41
        assert len(flock.prompts) == 41
        await flock.stop()
        flock.check_logs()


@pytest.mark.slow
async def test_a_replica_that_hung_does_not_bring_back_what_its_owner_deleted(tmp_path: Path) -> None:
    """Another one took over from it and delivered; when it wakes up nobody holds the lease."""
    async with fleet(tmp_path) as flock:
        discord = flock.discord
        ann, channel = discord.person(), discord.channel()
        flock.hold()
        asked = await flock.begun("deleted", ann, channel)
        hung = await flock.winner(asked)
        hung.tell(signal.SIGSTOP)
        flock.release()
        await discord.until(lambda: done([asked]), within=20)
        await flock.forgotten()
        await discord.press(ann, asked.message, "Delete")
        await discord.until(lambda: not channel.messages)
        hung.tell(signal.SIGCONT)
        async with asyncio.timeout(10):
            while "another replica" not in hung.said and not channel.messages:
                await asyncio.sleep(0.05)
        assert not channel.messages
        await flock.stop()
        flock.check_logs()


@pytest.mark.slow
async def test_all_replicas_are_restarted_and_go_on_with_what_was_in_progress(tmp_path: Path) -> None:
    """The job lived on, its message is edited to the end, and the buttons of old messages answer."""
    async with fleet(tmp_path) as flock:
        discord = flock.discord
        ann, channel = discord.person(), discord.channel()
        old = await flock.imagine("before the restart", ann, channel)
        await discord.until(lambda: done([old]), within=20)
        flock.hold()
        running = await flock.begun("in progress", ann, channel)
        await flock.stop()
        await discord.until(lambda: not discord.gateway.connected)
        await flock.start()
        flock.release()
        await discord.until(lambda: done([running]), within=20)
        again = await discord.press(ann, old.message, "Again")
        await discord.until(lambda: done([again]), within=20)
        deleted = await discord.press(ann, old.message, "Delete")
        await discord.until(lambda: deleted.answer and old.message.id not in channel.messages)
        assert sorted(flock.prompts) == ["before the restart", "before the restart", "in progress"]
        assert len(channel.messages) == 2
        await flock.stop()
        flock.check_logs()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [3])
async def test_valkey_is_away_for_a_while(tmp_path: Path, seconds: float) -> None:
    """What is asked meanwhile is refused in time, to the caller alone; what was accepted is delivered."""
    async with fleet(tmp_path) as flock:
        discord = flock.discord
        ann, channel = discord.person(), discord.channel()
        flock.hold()
        running = await flock.begun("accepted", ann, channel)
        flock.server.freeze()
        meanwhile = await flock.imagine("meanwhile", ann, channel)
        await discord.answered(meanwhile)
        assert meanwhile.answered_after is not None
        assert meanwhile.answered_after < ANSWER_SECONDS
        assert "queue is away" in meanwhile.said
        await asyncio.sleep(max(0.0, seconds - meanwhile.answered_after))
        flock.server.thaw()
        flock.release()
        await discord.until(lambda: done([running]), within=20)
        assert discord.pictures == 1
        await flock.stop()
        flock.check_logs()
