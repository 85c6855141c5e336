import pytest

from core.queues import Queue
from tests.unit.core.queues.homes import HOMES, Home


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest) -> Home:
    """Where the queue lives. A further home is one more entry of HOMES."""
    return HOMES[request.param]()


@pytest.fixture
def queue(home: Home) -> Queue:
    """A queue with the default settings."""
    return home.open()
