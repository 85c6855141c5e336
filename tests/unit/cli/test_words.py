"""What a person reads."""

import pytest

from cli.messages import Picture
from cli.words import duration, place, summary


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (0.1, "1 s"),
        (59.5, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3600, "1 h 0 min"),
        (3780, "1 h 3 min"),
    ],
)
def test_durations_are_said_as_one_says_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_place_is_the_number_of_jobs_ahead() -> None:
    assert [place(position) for position in (0, 1, 12)] == ["next", "1 ahead", "12 ahead"]


def test_a_summary_tells_what_is_known() -> None:
    """And leaves out what is not."""
    known = Picture("1", b"", 0, 1, 7, "png", "", "alpha", "Euler", 512, 768, 20, 3.21, "gpu:7860")
    assert summary([known]) == "512x768, 20 steps, seed 7, alpha, 3.2 s on gpu:7860"
    assert summary([Picture("1", b"", 0, 2, 7), Picture("1", b"", 1, 2, 8)]) == "2 pictures, seeds 7, 8"
    assert summary([Picture("1", b"", 0, 1, steps=1)]) == "1 step"
    assert summary([Picture("1", b"", 0, 1)]) == ""
