"""What holds on Valkey alone: its memory may be full."""

import pytest
from redis.asyncio import Redis

from core.coordination.valkey import ValkeyCoordination
from core.errors import QueueUnavailable
from core.queues.valkey.store import Store
from core.settings import Settings
from tests.valkey_server import ValkeyServer


async def test_leases_are_kept_although_memory_is_full() -> None:
    """Else all of them would end meanwhile, and whoever asked first afterwards had what others are at."""
    async with ValkeyServer() as server, Redis.from_url(server.url) as admin:
        store = Store(Settings(redis_url=server.url))
        coordination = ValkeyCoordination(store)
        try:
            assert await coordination.hold("lease", "a", ttl=60)
            assert await coordination.claim("once", "a", ttl=60)
            await admin.config_set("maxmemory", "100kb")
            assert await coordination.hold("lease", "a", ttl=3600)
            assert not await coordination.hold("lease", "b", ttl=60)
            assert await admin.pttl("{sd}:lease:lease") > 60_000
            assert await coordination.claim("once", "a", ttl=60), "as where the first answer was lost"
            assert not await coordination.claim("once", "b", ttl=60)
            with pytest.raises(QueueUnavailable):
                await coordination.hold("another", "a", ttl=60)
            await coordination.release("lease", "a")
        finally:
            await store.close()
