"""What is shown of a job in a pipe."""

import io
import os
import select
from pathlib import Path

import pytest

from cli.display import Lines, Silence, choose_display, is_read
from cli.failures import Failure
from cli.messages import Event, Progress, Queued, Started


class Clock:
    """Goes on by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def said(clock: Clock, *events: tuple[float, Event]) -> list[str]:
    """The lines, with these seconds before each event."""
    stream = io.StringIO()
    with Lines(stream, clock) as lines:
        for pause, event in events:
            clock.now += pause
            lines.told(event)
    return stream.getvalue().splitlines()


def test_a_place_is_told_when_it_changes(clock: Clock) -> None:
    """An estimate that moves is no line."""
    assert said(
        clock,
        (0, Queued("1", 2, 20.0)),
        (1, Queued("1", 2, 19.0)),
        (1, Queued("1", 1, 12.2)),
        (1, Queued("1", 0, 5.0, 2)),
    ) == [
        "waiting in line: 2 ahead, about 20 s",
        "waiting in line: 1 ahead, about 13 s",
        "waiting again in line: next, about 5 s",
    ]


def test_an_estimate_that_goes_or_comes_is_a_line(clock: Clock) -> None:
    """It goes when all backends have died; the promise of a few seconds is not left standing."""
    assert said(
        clock,
        (0, Queued("1", 0, 7.0, 2)),
        (1, Queued("1", 0, None, 2)),
        (1, Queued("1", 0, None, 2)),
        (60, Queued("1", 0, 6.0, 2)),
    ) == [
        "waiting again in line: next, about 7 s",
        "waiting again in line: next",
        "waiting again in line: next, about 6 s",
    ]


def test_progress_is_told_by_the_tenth_and_not_too_often(clock: Clock) -> None:
    assert said(
        clock,
        (0, Started("1", "gpu:7860")),
        (1, Progress("1", 0.1, 2, 20, 9.0)),
        (1, Progress("1", 0.15, 3, 20, 8.5)),
        (3, Progress("1", 0.19, 3, 20, 8.0)),
        (1, Progress("1", 0.25, 5, 20, 8.0)),
        (1, Progress("1", 0.30, 6, 20, None)),
    ) == ["painting on gpu:7860", "15%, step 3 of 20, 9 s left", "25%, step 5 of 20, 8 s left"]


def test_a_lost_server_is_told_once(clock: Clock) -> None:
    """Not at every try."""
    stream = io.StringIO()
    lines = Lines(stream, clock)
    lines.told(Started("1", "gpu"))
    for _ in range(3):
        lines.lost(Failure("unreachable", "http://a is not reached"), 1.0)
    assert stream.getvalue().splitlines()[1:] == [
        "http://a is not reached; trying again, the job is not lost"
    ]


def test_of_a_job_that_the_server_never_told_of_nothing_is_promised(clock: Clock) -> None:
    stream = io.StringIO()
    Lines(stream, clock).lost(Failure("connection_lost", "http://a: the connection broke"), 1.0)
    assert stream.getvalue() == "http://a: the connection broke; trying again\n"


def test_what_a_backend_calls_itself_does_not_steer_the_terminal(clock: Clock) -> None:
    assert said(clock, (0, Started("1", "\x1b[2Jgpu"))) == ["painting on  [2Jgpu"]


def test_the_display_fits_where_it_goes() -> None:
    """A pipe gets lines, who wants quiet gets nothing."""
    assert isinstance(choose_display(io.StringIO(), quiet=False), Lines)
    assert isinstance(choose_display(io.StringIO(), quiet=True), Silence)


@pytest.mark.skipif(not hasattr(select, "poll"), reason="Windows does not tell")
def test_a_pipe_that_nobody_reads_is_noticed_before_anything_is_written() -> None:
    """Also one that is full: whoever reads it may be slow."""
    reading, writing = os.pipe()
    with open(writing, "w") as stream:
        assert is_read(stream)
        os.set_blocking(writing, False)
        os.write(writing, b" " * 2**20)  # as much as goes in
        assert is_read(stream)
        os.close(reading)
        assert not is_read(stream)


def test_what_is_no_pipe_is_always_read(tmp_path: Path) -> None:
    assert is_read(io.StringIO())
    with open(tmp_path / "out", "w") as file:
        assert is_read(file)
