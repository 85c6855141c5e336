"""The store: what Valkey cannot do now is tried again, and told as what it is."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Connection, Redis

from core.environment import load
from core.errors import QueueUnavailable
from core.queues.valkey.store import AT_ONCE, CALL_SECONDS, Store
from core.settings import Settings, SettingsError
from tests.doubles.relay import Relay
from tests.doubles.tls import own_certificate
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
                await store.call("claim_once", "a name", "an owner", 60_000)
            with pytest.raises(QueueUnavailable):
                await store.command("set", "a", b"b")
            waiting = asyncio.create_task(store.insist("claim_once", "a name", "an owner", 60_000))
            await asyncio.sleep(0)
            await admin.config_set("maxmemory", "0")
            await admin.slaveof()
            assert await soon(waiting) == 1
        finally:
            await store.close()


@pytest.mark.slow
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


async def test_who_is_cut_off_while_redis_py_closes_a_connection_leaves_none_in_use(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when people hang up while Valkey stands still: with the last one it would be away for good."""
    pool: Any = store._client.connection_pool
    release, disconnect = pool.release, Connection.disconnect
    all_answered, closed = asyncio.Event(), asyncio.Event()
    answered = 0

    async def count(connection: Connection) -> None:
        nonlocal answered
        answered += 1
        if answered == AT_ONCE:
            all_answered.set()
        await release(connection)

    async def close(connection: Connection, *args: Any, **options: Any) -> None:
        await closed.wait()
        await disconnect(connection, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(pool, "release", count)
        patch.setattr(Connection, "should_reconnect", lambda _: True)
        patch.setattr(Connection, "disconnect", close)
        calls = [asyncio.create_task(store.call("status")) for _ in range(AT_ONCE)]
        await soon(all_answered.wait())
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        closed.set()
        async with pool._condition:  # it lets everybody have his turn
            pass
    assert await store.call("status")
    assert [in_use for in_use, state in pool.get_connection_count() if "used" in state.values()] == [0]


@pytest.mark.slow
async def test_a_valkey_behind_tls_that_hangs_is_away_as_soon_as_any_other(
    valkey_url: Callable[[], str], tmp_path: Path
) -> None:
    """Connections that nobody uses are closed then, and over TLS it would have to agree to that."""
    context, trusted = await own_certificate(tmp_path)
    port = urlsplit(valkey_url()).port or 0
    async with Relay(port, tls=context) as tls, Relay(tls.port) as line:
        store = Store(Settings(redis_url=f"rediss://127.0.0.1:{line.port}?ssl_ca_certs={trusted}"))
        await asyncio.gather(*(store.call("status") for _ in range(3)))
        line.freeze()
        with pytest.raises(QueueUnavailable):
            async with asyncio.timeout(1.75 * CALL_SECONDS):
                await store.call("status")
        line.thaw()
        assert await store.call("status")
        await store.close()
