"""The race for an interaction: one answers, another takes over in time, and nobody waits for the dead."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from bot import answers
from bot.answers import ANSWER_KIND, AT_LEAST, HEAD_START, IN_TIME, LOOK_AGAIN, TURNS, Answers, obstacle
from core import QueueUnavailable
from core.coordination.memory import MemoryCoordination


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "LOOK_AGAIN", 0.02)


def interaction(id: int = 1) -> Any:
    return SimpleNamespace(id=id, extras={})


def test_what_is_asked_before_an_answer_leaves_time_for_it() -> None:
    """Discord waits 3 s, also for the winner of the last race."""
    last_race = HEAD_START + (TURNS - 1) * LOOK_AGAIN
    assert max(IN_TIME, last_race + AT_LEAST) < 2.5


async def test_one_wins_and_the_others_see_that_it_answered() -> None:
    shared = MemoryCoordination()
    one, two, three = (Answers(shared, name) for name in ("one", "two", "three"))
    assert await one.wins(interaction())
    await shared.put(ANSWER_KIND, "1", b"one", ttl=60)
    assert not any(await asyncio.gather(two.wins(interaction()), three.wins(interaction())))


async def test_who_hung_for_minutes_leaves_alone_what_was_answered_meanwhile() -> None:
    """Its session resumes, and Discord tells it all that it has missed."""
    now = 0.0
    shared = MemoryCoordination(clock=lambda: now)
    one, hung = Answers(shared, "one"), Answers(shared, "hung")
    heard = interaction()
    assert await one.wins(heard)
    await one._answer(heard, asyncio.sleep(0))
    now += 15 * 60
    assert not await hung.wins(interaction())


async def test_what_a_session_is_told_twice_is_answered_once() -> None:
    """Also while the answer is on its way: its repeat would paint a failed job anew."""
    one = Answers(MemoryCoordination(), "one")
    heard, repeated = interaction(), asyncio.Event()

    async def answer() -> None:
        await repeated.wait()

    assert await one.wins(heard)
    answering = asyncio.create_task(one._answer(heard, answer()))
    repeat = asyncio.create_task(one.wins(interaction()))
    await asyncio.sleep(0)
    repeated.set()
    await answering
    assert not await repeat


async def test_exactly_one_takes_over_from_a_winner_that_does_not_answer() -> None:
    shared = MemoryCoordination()
    assert await Answers(shared, "dead").wins(interaction())
    taken: list[str] = []

    async def race(name: str) -> None:
        if await Answers(shared, name).wins(interaction()):
            taken.append(name)
            await shared.put(ANSWER_KIND, "1", name.encode(), ttl=60)

    await asyncio.gather(race("two"), race("three"))
    assert len(taken) == 1


async def test_the_third_follows_where_the_second_does_not_answer_either() -> None:
    shared = MemoryCoordination()
    names = ("one", "two", "three")
    won = await asyncio.gather(*(Answers(shared, name).wins(interaction()) for name in names))
    assert list(won) == [True, True, True]


def test_no_obstacle_quotes_the_address_which_holds_a_token() -> None:
    address = "https://discord.com/api/v10/interactions/12345/SECRET/callback"
    for error in (
        aiohttp.ConnectionTimeoutError(f"Connection timeout to host {address}"),
        aiohttp.InvalidURL(address),
        OSError(f"no way to {address}"),
    ):
        assert obstacle(error) == type(error).__name__
    key = SimpleNamespace(host="discord.com", port=443, ssl=True, is_ssl=True)
    refused = aiohttp.ClientConnectorError(cast(Any, key), ConnectionRefusedError(111, "Connection refused"))
    assert "discord.com:443" in obstacle(refused), "what helps is told"


async def slow_replica(shared: MemoryCoordination) -> Answers:
    """One whose own answer has just come late."""
    now = 0.0
    slow = Answers(shared, "slow", clock=lambda: now)
    heard = interaction()
    assert await slow.wins(heard)

    async def answer() -> None:
        nonlocal now
        now += answers.LATE + 0.1

    await slow._answer(heard, answer())
    return slow


async def test_a_slow_replica_leaves_the_first_race_to_others() -> None:
    shared = MemoryCoordination()
    slow = await slow_replica(shared)
    other = asyncio.create_task(slow.wins(interaction(2)))
    await asyncio.sleep(0)
    assert await Answers(shared, "fast").wins(interaction(2))
    await shared.put(ANSWER_KIND, "2", b"fast", ttl=60)
    assert not await other


async def test_a_slow_replica_that_has_no_others_does_not_wait_for_a_second_race(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a slow line, which makes all of them late: Discord waits 3 s in all."""
    monkeypatch.setattr(answers, "LOOK_AGAIN", 60)
    async with asyncio.timeout(5):
        assert await (await slow_replica(MemoryCoordination())).wins(interaction(2))


async def test_who_took_over_late_is_not_slow_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waited for another one, that was dead; the next interaction it takes at once."""
    monkeypatch.setattr(answers, "HEAD_START", 60)
    now, shared = 0.0, MemoryCoordination()
    assert await Answers(shared, "dead").wins(interaction())
    other, heard = Answers(shared, "other", clock=lambda: now), interaction()
    assert await other.wins(heard)
    now += answers.LATE + 0.1
    await other._answer(heard, asyncio.sleep(0))
    async with asyncio.timeout(5):
        assert await other.wins(interaction(2))


async def test_where_nobody_can_be_asked_everybody_answers() -> None:
    class Away(MemoryCoordination):
        async def claim(self, name: str, owner: str, *, ttl: float) -> bool:
            raise QueueUnavailable("away")

    shared = Away()
    assert [await Answers(shared, name).wins(interaction()) for name in ("one", "two")] == [True, True]


async def test_a_place_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "STORE_SECONDS", 0.02)

    class Hung(MemoryCoordination):
        async def claim(self, name: str, owner: str, *, ttl: float) -> bool:
            return await asyncio.Future()

    assert await Answers(Hung(), "one").wins(interaction())


async def test_a_replica_that_is_about_to_stop_leaves_everything_to_the_others() -> None:
    shared = MemoryCoordination()
    assert not await Answers(shared, "one", stands_aside=lambda: True).wins(interaction())
    assert await Answers(shared, "two").wins(interaction())
