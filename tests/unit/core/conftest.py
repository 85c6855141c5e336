from collections.abc import AsyncIterator, Callable

import pytest

from core.queues import Queue
from tests.unit.core.queues.homes import HOMES, Home


@pytest.fixture(params=HOMES)
async def home(request: pytest.FixtureRequest, valkey_url: Callable[[], str]) -> AsyncIterator[Home]:
    """Where the queue lives. A further home is one more entry of HOMES."""
    async with HOMES[request.param](valkey_url) as opened:
        yield opened


@pytest.fixture
async def queue(home: Home) -> Queue:
    """A queue with the default settings."""
    return await home.open()
