"""What servers say of their progress, whatever that is, becomes a Progress that can be told."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.backends.a1111.readings import by_state, by_task, seconds_left
from core.events import Progress
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
    known, _ = by_task(words, 20, elapsed, preview, -1)
    for told in (known, by_state({**words, "state": state}, 20, elapsed, preview)):
        assert isinstance(told, Progress)
        assert 0 <= told.fraction <= 1
        assert 0 <= told.step <= told.steps == 20
        assert told.eta is None or told.eta >= 0
        assert preview or told.preview is None
        assert json.loads(encode(event_words(told, "id")))["type"] == "progress"


@given(
    fraction=st.floats(0, 1),
    by_steps=st.floats(0, 1e6),
    expected=st.floats(0.1, 1e4),
    elapsed=st.floats(0, 1e4),
)
def test_the_seconds_left_lie_between_those_of_the_pace_and_of_the_steps_and_end_with_the_steps(
    fraction: float, by_steps: float, expected: float, elapsed: float
) -> None:
    """Whether those of the steps were reckoned or are, before two were seen, the server's own word."""

    def left(fraction: float, by_steps: float | None, expected: float | None) -> float | None:
        return seconds_left(Progress(fraction, 0, 20, 7.0), expected, elapsed, by_steps)

    def told(fraction: float, eta: float | None, expected: float | None) -> float | None:
        return seconds_left(Progress(fraction, 0, 20, eta), expected, elapsed, None)

    by_pace = max(0.0, expected - elapsed)
    for found, bounds in (
        (left(fraction, by_steps, expected), (by_steps, by_pace)),
        (told(fraction, by_steps, expected), (by_steps, by_pace, expected * (1 - fraction))),
    ):
        assert found is not None
        assert min(bounds) - 1e-6 <= found <= max(bounds) + 1e-6
    for either in left, told:
        assert either(1.0, by_steps, expected) == either(fraction, by_steps, None) == by_steps
    assert told(fraction, None, None) is None
