"""How fast one connection may talk."""

import pytest

from wsserver.pace import BURST, MESSAGES_PER_SECOND, Pace


class Clock:
    """Stands still unless it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_the_next_message_has_to_wait() -> None:
    pace = Pace(Clock())
    assert [pace.take() for _ in range(BURST)] == [0.0] * BURST
    assert pace.take() == pytest.approx(1 / MESSAGES_PER_SECOND)


def test_after_that_time_one_message_passes() -> None:
    clock = Clock()
    pace = Pace(clock)
    while not (pause := pace.take()):
        pass
    clock.now += pause * 1.001
    assert pace.take() == 0
    assert pace.take() > 0


def test_a_long_rest_gives_no_more_than_a_burst() -> None:
    clock = Clock()
    pace = Pace(clock)
    clock.now += 3600
    passed = 0
    while not pace.take():
        passed += 1
    assert passed == BURST
