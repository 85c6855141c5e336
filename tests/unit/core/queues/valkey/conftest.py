"""What the tests of the home on Valkey begin with: one process, and a client that sees what Valkey holds."""

from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from core.queues.valkey import ValkeyQueue
from core.queues.valkey.store import Store
from core.settings import Settings
from tests.unit.core.examples import usable
from tests.unit.core.queues.homes import ValkeyHome, valkey


@pytest.fixture
async def home(valkey_url: Callable[[], str]) -> AsyncIterator[ValkeyHome]:
    async with valkey(valkey_url) as opened:
        assert isinstance(opened, ValkeyHome)
        yield opened


@pytest.fixture
async def queue(home: ValkeyHome) -> ValkeyQueue:
    queue = await home.open()
    await queue.offer(usable("gpu:1"))
    return queue


@pytest.fixture
async def client(valkey_url: Callable[[], str]) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey_url()) as opened:
        yield opened


@pytest.fixture
async def store(valkey_url: Callable[[], str]) -> AsyncIterator[Store]:
    opened = Store(Settings(redis_url=valkey_url()))
    try:
        yield opened
    finally:
        await opened.close()
