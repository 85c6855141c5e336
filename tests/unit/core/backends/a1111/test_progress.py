"""A server is asked how far it is when there may be something new to tell, and by the clock."""

import asyncio
import math
from contextlib import suppress
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backends import Wishes
from core.backends.a1111.client import Client
from core.backends.a1111.progress import FASTEST_POLL, SLOWEST_POLL, TENTH, ProgressSource
from core.backends.a1111.readings import Painting
from core.events import Progress
from core.queues import Wish
from core.request import ImageRequest


def source(now: float) -> ProgressSource:
    return ProgressSource(cast(Client, None), clock=lambda: now)  # asks nobody yet


def first_poll(expected: float | None, now: float = 0.0) -> float:
    painting = Painting("task", ImageRequest(prompt="a", steps=10), 0.0, expected)
    return source(now).until_first_step(painting)


def test_a_server_is_first_asked_when_its_first_step_is_due() -> None:
    assert first_poll(5.0) == pytest.approx(0.5)
    assert first_poll(5.0, now=0.2) == pytest.approx(0.3)
    assert first_poll(5.0, now=3.0) == pytest.approx(FASTEST_POLL), "who begins in the middle is told at once"
    assert first_poll(None) == pytest.approx(FASTEST_POLL), "nothing is known of one that was never measured"
    assert first_poll(300.0) == pytest.approx(SLOWEST_POLL)


@given(now=st.floats(0, 1e6), expected=st.floats(0.01, 1e4))
def test_the_first_poll_is_not_before_the_first_step_and_soon_after_it(now: float, expected: float) -> None:
    due = min(SLOWEST_POLL, max(FASTEST_POLL, expected / 10 - now))
    assert due - 1e-6 <= first_poll(expected, now) <= due + TENTH + 1e-6


class Server:
    """Tells how far a picture is by a clock of its own, in A1111's way, and when it was asked.

    Of its seconds those of `reading` are over before its first step. With `steps` it is at one of them.
    """

    def __init__(self, began: float, seconds: float, *, reading: float = 0.0, steps: int = 0) -> None:
        self.now = self.began = began
        self.seconds = seconds
        self.reading = reading
        self.steps = steps
        self.asked: list[float] = []

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        self.asked.append(self.now)
        elapsed = self.now - self.began
        done = min(1.0, max(0.0, elapsed - self.reading) / (self.seconds - self.reading))
        if self.steps:
            done = math.floor(done * self.steps + 1e-6) / self.steps
        return {"active": True, "progress": done, "eta": elapsed / done - elapsed if done else None}


async def follow(
    server: Server, steps: int, monkeypatch: pytest.MonkeyPatch, *, expected: float | None
) -> list[Progress]:
    """All that is told of a picture of so many steps, until it is painted; `expected`: seconds."""
    told: list[Progress] = []
    ends = server.began + server.seconds

    async def sleep(seconds: float) -> None:
        server.now += max(0.0, seconds)
        if server.now >= ends:
            raise asyncio.CancelledError

    async def tell(progress: Progress) -> None:
        told.append(progress)

    source = ProgressSource(cast(Client, server), clock=lambda: server.now)
    painting = Painting("task", ImageRequest(prompt="a", steps=steps), server.began, expected)
    server.now += source.until_first_step(painting)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with suppress(asyncio.CancelledError):
        await source.follow(painting, tell, Wishes(Wish(held=True, watched=True, preview=False)))
    monkeypatch.undo()
    return told


@pytest.mark.parametrize("step", [0.2, 0.25, 0.37, 0.4, 0.5, 0.66, 0.75, 0.8, 1.0, 1.5, 1.8])
async def test_nearly_every_step_is_told_and_no_silence_is_much_longer_than_one(
    step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, gaps, shares = 20, [0.0], []
    for began in (0.0, 1000.01, 1000.05, 123456.78):
        server = Server(began, step * steps)
        told = await follow(server, steps, monkeypatch, expected=server.seconds)
        gaps += [after - before for before, after in pairwise(server.asked)]
        shares.append(len({one.step for one in told} - {0}) / (steps - 1))
    assert max(gaps) <= 1.5 * step + 1e-6
    assert min(shares) >= 0.75


async def test_servers_of_different_paces_are_polled_at_the_same_moments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for began, seconds in ((1000.0, 5.0), (1000.03, 7.7), (1003.99, 4.4)):
        server = Server(began, seconds)
        await follow(server, 10, monkeypatch, expected=server.seconds)
        assert [20 * asked for asked in server.asked] == pytest.approx(
            [round(20 * asked) for asked in server.asked]
        )


@pytest.mark.parametrize("reading", [0.0, 0.1, 0.2])
async def test_where_the_pace_is_known_the_seconds_left_never_rise(
    reading: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its first step alone, one that read the prompt for a fifth of the time says far more."""
    told = await follow(Server(1000.0, 10.0, reading=10.0 * reading), 20, monkeypatch, expected=10.0)
    left = [one.eta for one in told if one.eta is not None]
    assert len(left) == len(told) >= 15
    assert all(after <= before + 1e-6 for before, after in pairwise(left))
    assert left[0] == pytest.approx(9.5, abs=0.1)
    assert left[-1] < 1


@pytest.mark.parametrize("steps", [0, 20])
@pytest.mark.parametrize("expected", [None, 10.0])
@pytest.mark.parametrize("loading", [3.0, 8.0, 20.0, 200.0])
async def test_after_a_model_was_loaded_the_seconds_left_are_those_of_the_steps(
    loading: float, expected: float | None, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes the loading for a part of every step: after 20 s of it 380 are left, by its word."""
    server = Server(1000.0, loading + 10.0, reading=loading, steps=steps)
    told = await follow(server, 20, monkeypatch, expected=expected)
    stepping = [one for one in told if one.step]
    assert len(stepping) >= 15
    for one in stepping[1:]:
        right = 10.0 * (1 - one.fraction)
        assert one.eta is not None
        assert one.eta <= 1.6 * right, "a poll sees a step up to a step too late"
        if one.fraction >= 0.5 or loading > 10:
            assert one.eta >= 0.9 * right - 0.5, "less than a step too little"


@pytest.mark.parametrize("slower", [1.5, 2.0, 3.0, 10.0])
async def test_a_picture_that_is_slower_than_the_pace_is_told_before_half_of_it_is_done(
    slower: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await follow(Server(1000.0, 10.0 * slower), 100, monkeypatch, expected=10.0)
    for one in told:
        right = 10.0 * slower * (1 - one.fraction)
        assert one.eta is not None
        if one.fraction >= min(0.5, 1 / slower):
            assert one.eta == pytest.approx(right)
        elif one.fraction >= 0.4:
            assert one.eta > 0.6 * right
