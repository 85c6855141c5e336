"""The contract runs in every home."""

from collections.abc import AsyncIterator

import pytest

from core.coordination import Coordination
from tests.unit.core.coordination.homes import HOMES, Home


@pytest.fixture(params=HOMES)
async def home(request: pytest.FixtureRequest) -> AsyncIterator[Home]:
    async with HOMES[request.param]() as opened:
        yield opened


@pytest.fixture
def coordination(home: Home) -> Coordination:
    return home.coordination
