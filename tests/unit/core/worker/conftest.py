"""A fixture of the slot's tests."""

import pytest

from core.worker import health, slot, standing


@pytest.fixture
def short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker rests for milliseconds."""
    monkeypatch.setattr(health, "FIRST_REST", 0.001)
    monkeypatch.setattr(health, "LONGEST_REST", 0.004)
    monkeypatch.setattr(slot, "AFTER_FAULT", 0.001)
    monkeypatch.setattr(standing, "LOOK_SOON", 0.001)
