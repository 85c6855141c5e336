"""Who reads nothing is cut off, who reads slowly is not: judged by what a transport still holds."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from core.stall import STALL_SECONDS, Stall


class Transport(asyncio.Transport):
    """Holds `unsent` bytes, until the test says that the peer took some."""

    unsent = 1_000_000
    aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.aborted = True


class Clock:
    """Stands in for the loop's: `pass_by` is the time after which the next judgement comes."""

    due: Callable[[], None] | None = None

    def call_later(self, delay: float, judge: Callable[[], None]) -> "Clock":
        assert delay == STALL_SECONDS
        assert self.due is None, "one timer at a time"
        self.due = judge
        return self

    def cancel(self) -> None:
        self.due = None

    def pass_by(self) -> None:
        judge, self.due = self.due, None
        assert judge is not None
        judge()


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stall(transport: Transport, clock: Clock) -> Stall:
    return Stall(transport, cast(Any, clock))


def test_who_takes_nothing_is_cut_off(stall: Stall, transport: Transport, clock: Clock) -> None:
    stall.begin()
    clock.pass_by()
    assert transport.aborted


def test_who_takes_a_byte_is_waited_for_and_not_for_ever(
    stall: Stall, transport: Transport, clock: Clock
) -> None:
    stall.begin()
    for _ in range(20):
        transport.unsent -= 1
        clock.pass_by()
        assert not transport.aborted
    clock.pass_by()
    assert transport.aborted


def test_who_has_caught_up_is_watched_no_more(stall: Stall, clock: Clock) -> None:
    stall.begin()
    stall.end()
    stall.end()
    assert clock.due is None


def test_what_is_written_meanwhile_neither_hides_what_was_taken_nor_counts_as_taken(
    stall: Stall, transport: Transport, clock: Clock
) -> None:
    stall.begin()
    transport.unsent += 100 - 1
    stall.grow(100)
    clock.pass_by()
    assert not transport.aborted
    transport.unsent += 100
    stall.grow(100)
    clock.pass_by()
    assert transport.aborted
