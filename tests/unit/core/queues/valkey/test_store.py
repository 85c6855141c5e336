"""The store: what Valkey cannot do now is tried again, and told as what it is."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
from redis.asyncio import Redis

from core.errors import QueueUnavailable
from core.queues.valkey.store import AGAIN_SECONDS, CALL_SECONDS, LONGEST_PICTURE, Store
from core.settings import Settings, SettingsError, load
from tests.ports import free_port
from tests.unit.core.examples import soon
from tests.valkey_server import ValkeyServer

WORD = b"1" * 32


@pytest.mark.parametrize("state", ["no memory is left", "it is a replica"])
async def test_work_waits_while_valkey_takes_no_writes_and_goes_on_when_it_does(state: str) -> None:
    """Short of memory, or in the middle of a failover: a front end says so, a worker loses no picture."""
    async with ValkeyServer() as server, Redis.from_url(server.url) as admin:
        store = Store(Settings(redis_url=server.url))
        try:
            if state == "no memory is left":
                await admin.config_set("maxmemory", "100kb")
            else:
                await admin.slaveof("127.0.0.1", 1)
            with pytest.raises(QueueUnavailable):
                await store.call("agreed", "a word", WORD)
            with pytest.raises(QueueUnavailable):
                await store._within(lambda: admin.set("a", "b"))
            waiting = asyncio.create_task(store.insist("agreed", "a word", WORD))
            await asyncio.sleep(0)
            await admin.config_set("maxmemory", "0")
            await admin.slaveof()
            assert await soon(waiting) == WORD
        finally:
            await store.close()


@pytest.mark.parametrize("cluster", ["yes", "no"])
async def test_a_valkey_that_is_full_of_clients_is_away_for_a_while(cluster: str) -> None:
    """In a cluster it says so in words of its own."""
    others = str(free_port())  # else ten thousand above its own, where the system hands out ports
    full = ValkeyServer("--maxclients", "1", "--cluster-enabled", cluster, "--cluster-port", others)
    async with full as server, Redis.from_url(server.url) as admin:
        await admin.ping()
        store = Store(Settings(redis_url=server.url))
        with pytest.raises(QueueUnavailable):
            await store.call("agreed", "a word", WORD)
        await store.close()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://127.0.0.1/0?db=abc", "Invalid value for 'db'"),
        ("rediss://127.0.0.1/0?ssl_cert_reqs=CERT_NONE", "Flag: CERT_NONE"),
        ("rediss://127.0.0.1/0?ssl_ca_certs=/nowhere/ca.crt", "No such file"),
        ("rediss://127.0.0.1/0?ssl_foo=bar", "unexpected keyword argument 'ssl_foo'"),
        ("unix:///valkey.sock?socket_keepalive=true", "unexpected keyword argument 'socket_keepalive'"),
    ],
)
async def test_an_address_of_which_no_connection_can_be_made_is_told_at_once(url: str, problem: str) -> None:
    """Also while Valkey is away. redis-py would say so with each connection, or take it for an outage."""
    with pytest.raises(SettingsError, match=f"^REDIS_URL: no connection can be made of it: .*{problem}"):
        Store(load({"REDIS_URL": url}, dotenv=None))


@pytest.fixture
async def store(valkey_url: Callable[[], str]) -> AsyncIterator[Store]:
    opened = Store(Settings(redis_url=valkey_url()))
    try:
        yield opened
    finally:
        await opened.close()


async def test_a_picture_gets_the_time_that_a_slow_line_needs(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large picture from a GPU at home takes longer than any other call may; it is no outage.

    The next one is begun once: a try that is broken off has filled the line for nothing.
    """
    tries = []
    monkeypatch.setattr("core.queues.valkey.store.CALL_SECONDS", 0.05)
    monkeypatch.setattr("core.queues.valkey.store.AGAIN_SECONDS", 0.001)

    async def slow(move: Callable[..., Awaitable[object]], *args: object, **more: object) -> object:
        tries.append(args[0])
        await asyncio.sleep(0.12)  # the line
        return await move(*args, **more)

    for name in ("set", "get"):
        monkeypatch.setattr(store._client, name, partial(slow, getattr(store._client, name)))
    await soon(store.store_pictures(["i:0", "i:1"], [b"zero", b"one"]))
    assert await soon(store.pictures(["i:0", "i:none", "i:1"])) == [b"zero", None, b"one"]
    assert len(tries) < 10


async def test_large_pictures_that_share_a_slow_line_arrive(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two of 40 seconds each, here in hundredths: neither arrives in the time that it would take alone."""
    monkeypatch.setattr("core.queues.valkey.store.CALL_SECONDS", CALL_SECONDS / 100)
    monkeypatch.setattr("core.queues.valkey.store.LONGEST_PICTURE", LONGEST_PICTURE / 100)
    monkeypatch.setattr("core.queues.valkey.store.AGAIN_SECONDS", AGAIN_SECONDS / 100)
    on_the_line = 0
    move = store._client.set

    async def line(*args: object, **more: object) -> object:
        nonlocal on_the_line
        on_the_line += 1
        try:
            left, now = 0.4, time.monotonic()
            while left > 0:
                await asyncio.sleep(0.01)
                left, now = left - (time.monotonic() - now) / on_the_line, time.monotonic()
        finally:
            on_the_line -= 1
        return await move(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(store._client, "set", line)
    await soon(asyncio.gather(*(store.store_pictures([f"i:{name}"], [b"large"]) for name in "ab")))
    assert "has not come through to or from the shared queue in 0.02 s; it gets more time" in caplog.text


async def test_a_picture_outlasts_a_network_that_answers_nothing(
    valkey_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packets that nobody refuses: redis-py gives a connection up before the picture's own time is over."""
    tries = []

    async def nobody_answers(*args: object, **more: object) -> None:
        tries.append(args)
        if len(tries) == 12:  # redis-py has given up after 11
            monkeypatch.setattr(asyncio, "open_connection", connect)
        await asyncio.Event().wait()

    connect = asyncio.open_connection
    monkeypatch.setattr("core.queues.valkey.store.CALL_SECONDS", 0.01)
    monkeypatch.setattr(asyncio, "open_connection", nobody_answers)
    store = Store(Settings(redis_url=valkey_url()))
    store._picture_took = 60.0  # it may take long
    try:
        await soon(store.store_pictures(["i:2"], [b"two"]))
        assert len(tries) == 12
    finally:
        await store.close()


async def test_a_new_connection_asks_for_nothing_but_the_answer(
    store: Store, valkey_url: Callable[[], str]
) -> None:
    """Over a satellite four questions in a row last longer than a call may: it would never come through."""
    async with Redis.from_url(valkey_url()) as admin:
        await admin.config_resetstat()
        assert await store.call("agreed", "one more word", WORD) == WORD
        asked = {name.removeprefix("cmdstat_") for name in await admin.info("commandstats")}
    assert "eval" in asked or "evalsha" in asked
    assert not {name for name in asked if name.startswith(("hello", "client", "select"))}


async def test_no_other_call_waits_behind_pictures(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of them are on a slow line: else the pulse that holds their claims would."""
    go = asyncio.Event()

    async def slow(*args: object, **more: object) -> None:
        await go.wait()

    monkeypatch.setattr(store._client, "set", slow)
    many = asyncio.gather(*(store.store_pictures([f"i:{number}"], [b"picture"]) for number in range(40)))
    await asyncio.sleep(0)
    assert await soon(store.call("agreed", "another word", WORD)) == WORD
    go.set()
    await soon(many)
