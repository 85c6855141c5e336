"""Who has which backend, by the scripts on a real Valkey: nobody shares one, all end even to within one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from core.queues.valkey.ownership import ValkeyOwnership
from core.queues.valkey.store import Store
from core.settings import Settings
from core.worker.fleet import SOON, TURN
from tests.unit.core.queues.homes import standing_clock
from tests.valkey_server import flush

LEASE_TTL = Settings().lease_ttl
ALL = [f"gpu:{number}" for number in range(8)]


class Workers:
    """Worker processes as the script sees them, with a clock that the tests move on."""

    def __init__(self, url: str) -> None:
        self.passed = 0.0
        self.url = url
        self.store = Store(Settings(redis_url=url), skew=lambda: self.passed)
        self.has: dict[str, set[str]] = {}
        self.wants: dict[str, Sequence[str]] = {}

    def come(self, name: str, wanted: Sequence[str] = ALL) -> None:
        self.has[name], self.wants[name] = set(), wanted

    def die(self, name: str) -> None:
        del self.has[name], self.wants[name]

    async def ask(self, name: str) -> tuple[list[str], float]:
        """One turn of one worker, who lets go of what it is told to: that, and when it should ask again."""
        ownership = ValkeyOwnership(self.store, name)
        owned, given, seconds = await ownership.own(self.wants[name], [])
        await ownership.disown(given)
        self.has[name] = owned - set(given)
        return given, seconds

    async def turn(self) -> int:
        """Each asks once, and lets go of what it is told to; how many backends changed hands."""
        changes = 0
        for name in self.has:
            before = self.has[name]
            given, _ = await self.ask(name)
            changes += len((self.has[name] | set(given)) ^ before) + len(given)
        taken = [backend for owned in self.has.values() for backend in owned]
        assert len(taken) == len(set(taken)), "two have the same backend"
        self.passed += 1
        return changes

    async def settle(self) -> dict[str, int]:
        """Turns until nothing changes; how many each has."""
        quiet = 0
        for _ in range(16):
            quiet = 0 if await self.turn() else quiet + 1
            if quiet == 2:  # in the first one a newcomer has just made itself known
                return {name: len(owned) for name, owned in self.has.items()}
        raise AssertionError(f"they never come to rest: {self.has}")


@pytest.fixture
async def workers(valkey_url: Callable[[], str]) -> AsyncIterator[Workers]:
    await flush(valkey_url())
    opened = Workers(valkey_url())
    with standing_clock():
        yield opened
    await opened.store.close()


async def test_workers_that_come_and_go_share_the_backends_evenly(workers: Workers) -> None:
    workers.come("a")
    assert await workers.settle() == {"a": 8}
    workers.come("b")
    assert await workers.settle() == {"a": 4, "b": 4}
    workers.come("c")
    assert sorted((await workers.settle()).values()) == [2, 3, 3]
    workers.die("a")
    for _ in range(3):
        await workers.turn()
    assert await workers.settle() == {"b": 4, "c": 4}


async def test_what_a_dead_worker_had_is_shared_in_one_turn_however_much_that_is(workers: Workers) -> None:
    """Each of the others takes its whole share at once, not one after the other."""
    many = [f"gpu:{number}" for number in range(60)]
    workers.come("dead", many)
    await workers.turn()
    workers.die("dead")
    workers.come("a", many)
    workers.come("b", many)
    for _ in range(2):
        await workers.turn()
    assert {name: len(owned) for name, owned in workers.has.items()} == {"a": 0, "b": 0}
    await workers.turn()  # three seconds: its leases have ended
    assert {name: len(owned) for name, owned in workers.has.items()} == {"a": 30, "b": 30}


async def test_a_backend_that_nobody_asks_for_any_more_is_forgotten(workers: Workers) -> None:
    """As where each new container names its own server."""
    workers.come("lives on", ["gpu:1"])
    for number, seconds in ((1, 70), (2, 4)):
        workers.come("dies", [f"container-{number}:7860"])
        await workers.turn()
        workers.die("dies")
        for _ in range(seconds):
            await workers.turn()
    async with Redis.from_url(workers.url) as client:
        assert await client.hkeys("{sd}:lapsed") == [b"container-2:7860"]


async def test_nothing_is_left_for_a_worker_that_has_died_too(workers: Workers) -> None:
    """As when a machine with two of them loses its power, or one dies shortly after the other."""
    for name in "abc":
        workers.come(name, ALL[:6])
    assert await workers.settle() == {"a": 2, "b": 2, "c": 2}
    workers.die("a")
    await workers.turn()
    workers.die("b")
    await workers.turn()
    await workers.turn()
    assert len(workers.has["c"]) == 4, "those of the first, as soon as its leases have ended"
    assert await workers.settle() == {"c": 6}


async def test_what_was_left_for_one_that_died_just_then_is_taken_before_it_is_known_to_be_dead(
    workers: Workers,
) -> None:
    """Nobody waits for its next turn when a lease ends, nor for the second one to be missed."""
    for name in "abc":
        workers.come(name, ALL[:6])
    assert await workers.settle() == {"a": 2, "b": 2, "c": 2}
    for name in "abc":
        await workers.ask(name)
    began = workers.passed
    workers.die("a")
    while len(workers.has["c"]) < 4:
        assert workers.passed < began + LEASE_TTL + 0.5
        if workers.passed < began + LEASE_TTL - 0.1:
            await workers.ask("b")
        _, seconds = await workers.ask("c")
        workers.passed += min(TURN, max(SOON, seconds))
    workers.die("b")
    for _ in range(3):
        await workers.turn()
    assert len(workers.has["c"]) == 6


async def test_a_worker_with_a_backend_of_its_own_gives_what_the_other_one_wants(workers: Workers) -> None:
    """And comes to rest: what nobody else wants is not given away and taken back for ever."""
    workers.come("a", ["own:1", "own:2", "own:3", "gpu:1", "gpu:2"])
    await workers.settle()
    workers.come("b", ["gpu:1", "gpu:2"])
    assert await workers.settle() == {"a": 3, "b": 2}


async def test_a_worker_that_is_about_to_stop_leaves_its_backends_to_the_others(workers: Workers) -> None:
    workers.come("a")
    await workers.settle()
    workers.come("b")
    await workers.settle()
    busy = sorted(workers.has["a"])[:1]
    await ValkeyOwnership(workers.store, "a").disown(sorted(workers.has["a"])[1:])
    workers.wants["a"] = busy
    assert await workers.settle() == {"a": 1, "b": 7}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wants=st.lists(st.sets(st.sampled_from(ALL), min_size=1), min_size=1, max_size=5))
def test_whatever_they_want_they_come_to_rest_and_nothing_wanted_is_left(
    wants: list[set[str]], valkey_url: Callable[[], str]
) -> None:
    async def tell() -> None:
        await flush(valkey_url())
        workers = Workers(valkey_url())
        try:
            for number, wanted in enumerate(wants):
                workers.come(f"w{number}", sorted(wanted))
            await workers.settle()
            taken = {backend for owned in workers.has.values() for backend in owned}
            assert taken == set().union(*wants)
        finally:
            await workers.store.close()

    with standing_clock():
        asyncio.run(tell())
