"""Real containers: `pytest -m compose`. Skipped where no Docker engine answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.stack import Stack, need_engine, run, stack

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.compose)


@pytest.fixture(scope="session")
def image() -> str:
    """The image, built by the README's command; its name."""
    need_engine()
    run("docker", "build", "-t", "sd-b64-api", ".")
    return "sd-b64-api"


@pytest.fixture(scope="session")
def service(image: str) -> Iterator[Stack]:
    """All services, three front ends of each kind and two workers, on two engines."""
    with stack(
        SD_BACKENDS="http://engine:7861,http://engine2:7861", ENGINE_STEP_SECONDS="0.05", SHUTDOWN_GRACE="10"
    ) as opened:
        yield opened
