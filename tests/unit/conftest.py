"""The Valkey that the contracts run against: one for the whole run, started when it is first asked for."""

from collections.abc import Callable, Iterator

import pytest

from tests.valkey_server import ValkeyServer


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
