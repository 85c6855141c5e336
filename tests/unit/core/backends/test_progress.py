"""What servers say of their progress, whatever that is, becomes a Progress that can be told."""

import json
from typing import Any, cast

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


def test_a_server_is_first_asked_when_its_first_step_is_due() -> None:
    def first_poll(expected: float | None, elapsed: float = 0.0) -> float:
        painting = Painting("task", ImageRequest(prompt="a", steps=10), 0.0, expected)
        source = ProgressSource(cast(Client, None), clock=lambda: elapsed)  # asks nobody yet
        return source.until_first_step(painting)

    assert first_poll(5.0) == 0.5
    assert first_poll(5.0, elapsed=0.2) == 0.3
    assert first_poll(5.0, elapsed=3.0) == FASTEST_POLL, "who begins to watch in the middle is told at once"
    assert first_poll(None) == FASTEST_POLL, "nothing is known of a server that was never measured"
    assert first_poll(300.0) == SLOWEST_POLL
