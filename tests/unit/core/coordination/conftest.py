"""The contract runs in every home."""

from collections.abc import AsyncIterator, Callable

import pytest

from core.coordination import Coordination
from tests.unit.core.coordination.homes import HOMES, Home


@pytest.fixture(params=HOMES)
async def home(request: pytest.FixtureRequest, valkey_url: Callable[[], str]) -> AsyncIterator[Home]:
    async with HOMES[request.param](valkey_url) as opened:
        yield opened


@pytest.fixture
def coordination(home: Home) -> Coordination:
    return home.coordination
