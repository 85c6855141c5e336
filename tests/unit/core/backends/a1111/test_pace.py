"""A server's pace: what its pictures tell of it, and which of them tell nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backends.a1111.pace import MEASURED, Pace
from core.request import ImageRequest

OVERHEAD, UNIT = 0.4, 2.0
"""Seconds of a server that are the same for any picture, and for a cost unit of steps beside them."""


def paint(pace: Pace, *, side: int = 512, steps: int = 20, batch_size: int = 1) -> None:
    """Have such a server paint."""
    request = ImageRequest(prompt="a", width=side, height=side, steps=steps, batch_size=batch_size)
    pace.learn(request, OVERHEAD + UNIT * steps / 20 * (side / 512) ** 2)


SMALL = {
    "tiny": {"side": 64, "steps": 2},
    "many tiny ones at once": {"side": 64, "steps": 2, "batch_size": 8},
    "tiny, in many steps": {"side": 64, "steps": 150},
    "few steps": {"steps": 2},
    "large, in few steps": {"side": 1024, "steps": 2},
}


@pytest.mark.parametrize("small", SMALL.values(), ids=SMALL.keys())
def test_small_pictures_do_not_spoil_a_pace_that_is_known_from_larger_ones(small: dict[str, int]) -> None:
    pace = Pace()
    paint(pace)
    for _ in range(2 * MEASURED):
        paint(pace, **small)
    assert pace.seconds == pytest.approx(2.4)


@pytest.mark.parametrize("small", SMALL.values(), ids=SMALL.keys())
def test_small_pictures_give_a_first_pace_which_the_first_larger_one_replaces(small: dict[str, int]) -> None:
    pace = Pace()
    assert pace.seconds is None
    for _ in range(MEASURED):
        paint(pace, **small)
    assert pace.seconds is not None
    paint(pace)
    assert pace.seconds == pytest.approx(2.4)


def test_a_server_that_paints_nothing_but_small_pictures_has_their_pace() -> None:
    pace, quick = Pace(), ImageRequest(prompt="a", steps=4)
    for seconds in (5.0, 0.8, 0.8):  # the first one loads the model
        pace.learn(quick, seconds)
    assert pace.seconds == pytest.approx(4.0)


def test_what_another_worker_measured_counts_like_a_picture_of_ones_own() -> None:
    pace = Pace(2.0)
    paint(pace, side=64, steps=2)
    assert pace.seconds == 2.0
    paint(pace)
    assert pace.seconds == pytest.approx(2.2)


@given(st.permutations([2.0, 2.1, 2.2, 30.0, 60.0]))
def test_two_pictures_of_five_may_wait_behind_somebody_elses(seconds: list[float]) -> None:
    pace = Pace()
    for each in seconds:
        pace.learn(ImageRequest(prompt="a"), each)
    assert pace.seconds == pytest.approx(2.2)


def test_small_pictures_that_are_quicker_than_the_pace_show_that_it_is_wrong() -> None:
    """It was of another model, or of a picture that waited; where all are small, it stayed for ever."""
    pace, quick = Pace(30.0), ImageRequest(prompt="a", steps=4, width=1024, height=1024)
    for _ in range(MEASURED):
        pace.learn(quick, 0.8)
    assert pace.seconds == pytest.approx(1.0)
