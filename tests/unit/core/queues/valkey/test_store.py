"""The store: what Valkey cannot do now is tried again, and told as what it is."""

import asyncio

import pytest
from redis.asyncio import Redis

from core.errors import QueueUnavailable
from core.queues.valkey.store import Store
from core.settings import Settings
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
