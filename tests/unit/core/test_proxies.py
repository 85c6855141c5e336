"""The trusted proxies that are named: who is one is looked up again, and never forgotten for a moment."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core import proxies
from core.access import Access
from core.addresses import address_of
from core.settings import Settings
from tests.unit.core.examples import Clock, soon


async def name_of(ours: Access, peer: str, **values: str) -> str:
    """What the caller is called that comes from this peer with these headers."""
    found = {name.replace("_", "-"): [value] for name, value in values.items()}
    return (await ours.visitor(lambda name: found.get(name, ()), peer)).caller.name


def behind_nginx(monkeypatch: pytest.MonkeyPatch, addresses: set[str]) -> tuple[Access, Clock, list[str]]:
    """A service that trusts the proxy of that name, which has these addresses; and what was looked up."""
    asked: list[str] = []

    async def resolve(name: str) -> set[Any]:
        asked.append(name)
        return {address_of(address) for address in addresses}

    monkeypatch.setattr(proxies, "_resolve", resolve)
    clock = Clock()
    ours = Access(Settings(trusted_proxies=("nginx",)), clock=clock)
    return ours, clock, asked


async def test_a_proxys_host_name_is_looked_up_again_as_its_replicas_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    addresses = {"10.0.0.1"}
    ours, clock, asked = behind_nginx(monkeypatch, addresses)
    assert await name_of(ours, "10.0.0.1", X_Forwarded_For="203.0.113.7") == "ip:203.0.113.7"
    assert await name_of(ours, "10.0.0.2", X_Forwarded_For="203.0.113.7") == "ip:10.0.0.2"
    assert asked == ["nginx"], "a name is not looked up for every request"

    addresses.add("10.0.0.2")
    clock.advance(proxies.LOOKUP_SECONDS)
    assert await name_of(ours, "10.0.0.2", X_Forwarded_For="203.0.113.7") == "ip:203.0.113.7"
    assert asked == ["nginx", "nginx"]


async def test_a_proxy_that_has_just_come_back_is_no_stranger(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else its clients would be one caller for a while. What it reports costs no look-up of its own."""
    addresses: set[str] = set()
    ours, clock, asked = behind_nginx(monkeypatch, addresses)
    assert await name_of(ours, "10.0.0.2", X_Forwarded_For="203.0.113.7") == "ip:10.0.0.2"
    assert caplog.text == "", "nobody is told to list what is listed"
    addresses.add("10.0.0.2")
    clock.advance(0.001)
    assert await name_of(ours, "10.0.0.2", X_Forwarded_For="203.0.113.7") == "ip:203.0.113.7"
    clock.advance(0.001)
    assert await name_of(ours, "10.0.0.2", X_Forwarded_For="203.0.113.8") == "ip:203.0.113.8"
    assert len(asked) == 2


def names_from(monkeypatch: pytest.MonkeyPatch, look_up: Callable[[], Awaitable[list[str]]]) -> None:
    """Let whoever knows the names answer so."""

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 0)) for address in await look_up()]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_proxy_is_known_while_nobody_tells_its_address(
    hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all its clients would be one caller, and what they repeat another one's."""
    monkeypatch.setattr(proxies, "LOOKUP_SECONDS", 0.05)
    answers = iter([["10.0.0.1"]])

    async def look_up() -> list[str]:
        if (answer := next(answers, None)) is not None:
            return answer
        if hangs:
            await asyncio.Future()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    names_from(monkeypatch, look_up)
    clock = Clock()
    ours = Access(Settings(trusted_proxies=("nginx",)), clock=clock)
    for client in ("203.0.113.7", "203.0.113.8"):
        assert await name_of(ours, "10.0.0.1", X_Forwarded_For=client) == f"ip:{client}"
        clock.advance(1)
    clock.advance(proxies.BELIEVED_SECONDS)
    assert await name_of(ours, "10.0.0.1", X_Forwarded_For="203.0.113.7") == "ip:10.0.0.1"


async def test_a_proxy_whose_name_is_gone_is_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([["10.0.0.1"]])

    async def look_up() -> list[str]:
        if (answer := next(answers, None)) is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answer

    names_from(monkeypatch, look_up)
    clock = Clock()
    ours = Access(Settings(trusted_proxies=("nginx",)), clock=clock)
    assert await name_of(ours, "10.0.0.1", X_Forwarded_For="203.0.113.7") == "ip:203.0.113.7"
    clock.advance(proxies.LOOKUP_SECONDS)
    assert await name_of(ours, "10.0.0.1", X_Forwarded_For="203.0.113.7") == "ip:10.0.0.1"


async def test_a_slow_look_up_holds_up_nobody_behind_a_proxy_that_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proxies, "LOOKUP_SECONDS", 3600.0)  # none of them is over meanwhile
    asked, answer = asyncio.Event(), asyncio.Event()
    answer.set()

    async def look_up() -> list[str]:
        asked.set()
        await answer.wait()
        return ["10.0.0.1"]

    names_from(monkeypatch, look_up)
    clock = Clock()
    ours = Access(Settings(trusted_proxies=("nginx",)), clock=clock)
    assert await name_of(ours, "10.0.0.1", X_Forwarded_For="203.0.113.7") == "ip:203.0.113.7"
    clock.advance(proxies.LOOKUP_SECONDS)
    asked.clear()
    answer.clear()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(name_of(ours, "10.0.0.1", X_Forwarded_For="203.0.113.7"))
        await asked.wait()
        assert await name_of(ours, "10.0.0.1", X_Forwarded_For="203.0.113.8") == "ip:203.0.113.8"
        assert not slow.done()
        answer.set()


async def test_a_look_up_takes_no_longer_where_there_are_several_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A websocket's handshake would be over before each of them had its time to stay silent."""
    monkeypatch.setattr(proxies, "LOOKUP_SECONDS", 3600.0)  # none of them is over meanwhile
    names, asked, all_asked = ("nginx", "haproxy", "caddy"), list[str](), asyncio.Event()

    async def look_up() -> list[str]:
        asked.append(f"10.0.0.{len(asked) + 1}")
        if len(asked) == len(names):
            all_asked.set()
        address = asked[-1]
        await all_asked.wait()
        return [address]

    names_from(monkeypatch, look_up)
    ours = Access(Settings(trusted_proxies=names), clock=Clock())
    for peer in ("10.0.0.3", "10.0.0.1"):
        caller = await soon(name_of(ours, peer, X_Forwarded_For="203.0.113.7"))
        assert caller == "ip:203.0.113.7"


async def test_a_name_that_nobody_answers_for_is_not_asked_for_beside_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each look-up holds a thread until the system gives it up: with all of them Valkey's name waits."""
    monkeypatch.setattr(proxies, "LOOKUP_SECONDS", 0.05)
    asked, answer = list[None](), asyncio.Event()

    async def look_up() -> list[str]:
        asked.append(None)
        await answer.wait()
        return ["10.0.0.1"]

    names_from(monkeypatch, look_up)
    ours = Access(Settings(trusted_proxies=("nginx", "haproxy")), clock=(clock := Clock()))
    for _ in range(3):
        assert await name_of(ours, "10.0.0.1", X_Forwarded_For="203.0.113.7") == "ip:10.0.0.1"
        clock.advance(1)
    assert len(asked) == 2
    answer.set()
    assert await name_of(ours, "10.0.0.1", X_Forwarded_For="203.0.113.7") == "ip:203.0.113.7"


async def test_a_look_up_that_was_cut_off_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client hung up, and whoever waited behind it hears the answer.

    The thread that asks cannot be cut off: strangers who come and go would hold all of them.
    """
    looked_up, begun, answer, clock = list[None](), asyncio.Event(), asyncio.Event(), Clock()

    async def look_up() -> list[str]:
        looked_up.append(None)
        if len(looked_up) == 1:
            return ["10.0.0.1"]
        begun.set()
        await answer.wait()
        return ["10.0.0.2"]

    names_from(monkeypatch, look_up)
    ours = Access(Settings(trusted_proxies=("nginx",)), clock=clock)
    assert await name_of(ours, "203.0.113.9") == "ip:203.0.113.9"
    clock.advance(0.001)
    stranger = asyncio.create_task(name_of(ours, "203.0.113.8"))
    proxy = asyncio.create_task(name_of(ours, "10.0.0.2", X_Forwarded_For="203.0.113.7"))
    await begun.wait()
    stranger.cancel()
    await asyncio.wait({stranger})
    answer.set()
    assert await proxy == "ip:203.0.113.7"
    assert len(looked_up) == 2
