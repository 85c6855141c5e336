"""The line that moves, in terminals of any width."""

import io

import pytest
from rich.console import Console
from rich.progress_bar import ProgressBar

from cli.bar import Bar, Fitted, Told
from cli.failures import Failure
from cli.messages import Event, Progress, Queued, Started

SPINNER = 2
"""Columns that it takes, with the blank behind it."""
PAINTING = Told("painting", "55%, step 11/20", "55%")
WAITING = Told("waiting", "2 ahead", seconds="about {}")
LOST = Told("lost", "no connection", seconds="trying again in {}", brief_seconds="trying again")


def drawn(told: Told, left: str | None, columns: int) -> str:
    """The line without its spinner, in a terminal with so many columns."""
    stream = io.StringIO()
    bar = ProgressBar(total=1.0, completed=0.55)
    Console(file=stream, width=columns - SPINNER, highlight=False).print(Fitted(told, left, bar))
    return stream.getvalue().removesuffix("\n").rstrip()


@pytest.mark.parametrize(
    ("told", "left", "columns", "line"),
    [
        (PAINTING, "9 s", 48, "painting ━━━━     55%, step 11/20, 9 s left"),
        (PAINTING, "9 s", 40, "painting 55%, step 11/20, 9 s left"),
        (PAINTING, "1 min 5 s", 40, "painting 55%, 1 min 5 s left"),
        (PAINTING, "9 s", 24, "painting 55%, 9 s left"),
        (PAINTING, "9 s", 20, "painting 55%, 9 s"),
        (PAINTING, "1 min 5 s", 20, "55%, 1 min 5 s"),
        (PAINTING, None, 20, "painting 55%"),
        (WAITING, "9 s", 30, "waiting 2 ahead, about 9 s"),
        (WAITING, "9 s", 20, "waiting, about 9 s"),
        (WAITING, None, 20, "waiting 2 ahead"),
        (LOST, "5 s", 56, "lost     ━━━━     no connection, trying again in 5 s"),
        (LOST, "5 s", 42, "lost no connection, trying again in 5 s"),
        (LOST, "5 s", 40, "lost, trying again in 5 s"),
        (LOST, "5 s", 20, "lost, trying again"),
        (Told("connecting"), None, 20, "connecting"),
    ],
)
def test_where_it_is_narrow_the_bar_goes_first(told: Told, left: str | None, columns: int, line: str) -> None:
    """Then what is said beside percent and seconds; those stay."""
    assert drawn(told, left, columns) == line


def test_a_long_reason_is_cut_before_it_is_left_out() -> None:
    told = Told("lost", "all painting servers are away at the moment", seconds="trying again in {}")
    assert drawn(told, "5 s", 60) == "lost all painting servers are away a…, trying again in 5 s"
    assert drawn(told, "5 s", 40) == "lost, trying again in 5 s"


@pytest.mark.parametrize("columns", range(8, 120, 7))
@pytest.mark.parametrize("told", [PAINTING, WAITING, LOST])
def test_it_is_one_line(told: Told, columns: int) -> None:
    line = drawn(told, "12 min 34 s", columns)
    assert "\n" not in line
    assert len(line) <= columns - SPINNER


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Queued("1", 2, 9.0), "waiting, about 9 s"),
        (Queued("1", 2, 9.0, 2), "waiting again, 9 s"),
        (Started("1", "gpu"), "painting on gpu"),
        (Progress("1", 0.55, 11, 20, 9.0), "painting 55%, 9 s"),
        (Failure("unreachable", "http://a is not reached"), "lost, trying again"),
    ],
)
def test_what_20_columns_tell_of_each_event(
    event: Event | Failure, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    with Bar(stream) as bar:
        if isinstance(event, Failure):
            bar.lost(event, 5.0)
        else:
            bar.told(event)
    assert f" {line}" in stream.getvalue()
