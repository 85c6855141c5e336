"""Gaps and work of the painting servers, from their own records."""

from benchmarks.gpus import of_logs
from benchmarks.native import Log


def test_gaps_lie_between_an_answer_and_the_next_request() -> None:
    log = Log(arrived=[10.0, 11.5, 13.0], answered=[11.0, 12.5, 14.0], told=[])
    assert of_logs([log], 9.0, 20.0) == ([0.5, 0.5], 2.0)


def test_what_began_before_or_ended_after_the_window_does_not_count() -> None:
    log = Log(arrived=[8.0, 10.0, 11.5, 13.0], answered=[9.5, 11.0, 12.5, 14.0], told=[])
    assert of_logs([log], 9.0, 13.5) == ([0.5], 1.0)
