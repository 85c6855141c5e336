"""Gaps and work of the painting servers, from their own records."""

from benchmarks.gpus import Work, of_logs
from benchmarks.native import Log


def test_gaps_lie_between_an_answer_and_the_next_request() -> None:
    log = Log(arrived=[10.0, 11.5, 13.0], answered=[11.0, 12.5, 14.0], told=[])
    assert of_logs([log], 9.0, 14.0) == Work([0.5, 0.5], painting=2.0, lasted=3.0)


def test_what_began_before_the_window_does_not_count() -> None:
    log = Log(arrived=[8.0, 10.0, 11.5], answered=[9.5, 11.0, 12.5], told=[])
    assert of_logs([log], 9.0, 12.5) == Work([0.5], painting=1.0, lasted=1.5)


def test_what_is_painted_at_the_end_counts_as_far_as_it_has_come() -> None:
    """Whether it is finished later, or cut off because the clients have gone."""
    finished = Log(arrived=[10.0, 11.5], answered=[11.0, 12.5], told=[])
    unfinished = Log(arrived=[10.0], answered=[11.0], told=[], painting=11.5)
    for log in (finished, unfinished):
        assert of_logs([log], 9.0, 12.0) == Work([0.5], painting=0.5, lasted=1.0)


def test_a_server_that_gets_nothing_more_is_idle_until_the_end() -> None:
    """Or nothing at all: since others were given work. It must not vanish from the figures."""
    busy = Log(arrived=[10.0, 11.0], answered=[11.0, 14.0], told=[])
    left = Log(arrived=[10.0], answered=[11.0], told=[])
    starved = Log(arrived=[], answered=[], told=[])
    assert of_logs([busy, left], 9.0, 14.0) == Work([0.0, 3.0], painting=3.0, lasted=6.0)
    assert of_logs([busy, starved], 9.0, 14.0) == Work([0.0, 4.0], painting=3.0, lasted=7.0)
