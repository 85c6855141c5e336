"""Fixtures of the tests of the bot's deliveries."""

import asyncio
from types import SimpleNamespace

import pytest

from bot import deliveries, pace, showing, tickets
from tests.doubles.discord_fixture import without_pauses


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits longer than it must."""
    monkeypatch.setattr(showing, "EVERY", 0.02)
    monkeypatch.setattr(pace, "FIRST_PAUSE", 0.02)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """discord.py itself pauses seconds before it repeats a request that got a 5xx."""
    without_pauses(monkeypatch)


@pytest.fixture
def brisk_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are renewed all the time, and last as long as ever."""
    sleep = asyncio.sleep

    async def briskly(seconds: float) -> None:
        await sleep(0.01 if seconds == tickets.LEASE / 3 else seconds)

    monkeypatch.setattr(deliveries, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": briskly}))
