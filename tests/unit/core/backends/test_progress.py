"""What servers say of their progress, whatever that is, becomes a Progress that can be told."""

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backends.a1111 import progress
from core.backends.a1111.client import Client
from core.backends.a1111.progress import FASTEST_POLL, SLOWEST_POLL, Painting, ProgressSource
from core.events import Progress
from core.request import ImageRequest
from core.wire import encode, event_words

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = ("progress", "eta", "live_preview", "id_live_preview", "eta_relative", "current_image")
STATES = st.dictionaries(st.sampled_from(["sampling_step", "job_count"]), ANYTHING)


@given(
    words=st.dictionaries(st.sampled_from(NAMES), ANYTHING),
    state=STATES | ANYTHING,
    preview=st.booleans(),
    elapsed=st.floats(0, 1e4),
)
def test_whatever_a_server_says_can_be_told(
    words: dict[str, Any], state: Any, preview: bool, elapsed: float
) -> None:
    by_task, _ = progress._by_task(words, 20, elapsed, preview, -1)
    by_state = progress._by_state({**words, "state": state}, 20, elapsed, preview)
    for told in (by_task, by_state):
        assert isinstance(told, Progress)
        assert 0 <= told.fraction <= 1
        assert 0 <= told.step <= told.steps == 20
        assert told.eta is None or told.eta >= 0
        assert preview or told.preview is None
        assert json.loads(encode(event_words(told, "id")))["type"] == "progress"


def source(now: float) -> ProgressSource:
    return ProgressSource(cast(Client, None), clock=lambda: now)  # asks nobody yet


def first_poll(expected: float | None, now: float = 0.0) -> float:
    painting = Painting("task", ImageRequest(prompt="a", steps=10), 0.0, expected)
    return source(now).until_first_step(painting)


def test_a_server_is_first_asked_when_its_first_step_is_due() -> None:
    assert first_poll(5.0) == 0.5
    assert first_poll(5.0, now=0.2) == pytest.approx(0.3)
    assert FASTEST_POLL <= first_poll(5.0, now=3.0) < 0.15, "who begins in the middle is told at once"
    assert FASTEST_POLL <= first_poll(None) < 0.15, "nothing is known of a server that was never measured"
    assert first_poll(300.0) == SLOWEST_POLL


@given(now=st.floats(0, 1e6), expected=st.floats(0.01, 1e4))
def test_the_first_poll_is_never_before_the_first_step_and_soon_after_it(now: float, expected: float) -> None:
    due = min(SLOWEST_POLL, max(FASTEST_POLL, expected / 10 - now))
    assert due - 1e-6 <= first_poll(expected, now) <= 1.55 * due + 1e-6


@given(now=st.floats(0, 1e6), pause=st.floats(FASTEST_POLL, SLOWEST_POLL))
def test_polls_come_about_as_often_as_they_should(now: float, pause: float) -> None:
    assert 0.44 * pause < source(now)._until_next(pause) + 1e-6 < 1.6 * pause


@given(
    nows=st.lists(st.floats(1000, 1000.2), min_size=2, max_size=9),
    pauses=st.lists(st.floats(0.46, 0.52), min_size=9, max_size=9),
)
def test_servers_of_about_one_pace_are_polled_at_the_same_moments(
    nows: list[float], pauses: list[float]
) -> None:
    moments = {now + source(now)._until_next(pause) for now, pause in zip(nows, pauses, strict=False)}
    assert max(moments) - min(moments) == pytest.approx(0, abs=1e-9)
