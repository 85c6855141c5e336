"""The Valkey that the contracts run against: one for the whole run, started when it is first asked for.

And the profile of Hypothesis, which only counts for tests that are loaded after it.
"""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from tests.valkey_server import ValkeyServer

settings.register_profile("unit", deadline=None)  # a shared machine may be slow at any moment
settings.load_profile("unit")


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[Callable[[], str]]:
    servers: list[ValkeyServer] = []

    def url() -> str:
        if not servers:
            server = ValkeyServer("--appendonly", "no")
            server.start_now()
            servers.append(server)
        return servers[0].url

    yield url
    for server in servers:
        server.close()
