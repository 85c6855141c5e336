"""Delays, from what the clients heard and what the painting servers told."""

from pathlib import Path

import pytest

from benchmarks import websocket
from benchmarks.machine import Cores
from benchmarks.native import Log
from benchmarks.processes import Bench, BenchmarkError
from benchmarks.websocket import Words, behind, delays


def test_a_progress_is_paired_with_its_telling_by_server_and_fraction() -> None:
    logs = [{7860: Log([], [], [0.1, 50.0, 0.2, 51.0]), 7861: Log([], [], [0.1, 40.0])}]
    heard = [(50.003, Words("progress", id="a", progress=0.1)), (51.5, Words("queued", id="a"))]
    assert [round(delay, 4) for delay in delays(heard, {"a": 7860}, logs)] == [0.003]


def test_a_fraction_that_comes_again_is_the_latest_before() -> None:
    logs = [{7860: Log([], [], [0.1, 50.0])}, {7860: Log([], [], [0.1, 60.0])}]
    heard = [(60.25, Words("progress", id="a", progress=0.1))]
    assert list(delays(heard, {"a": 7860}, logs)) == [0.25]


def test_each_position_is_as_late_as_it_is_behind_the_first_of_its_second() -> None:
    assert behind([1.0, 1.125, 1.25, 2.0, 2.125]) == [0.0, 0.125, 0.25, 0.0, 0.125]


def test_where_too_few_files_may_be_open_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crowd comes last, after minutes."""
    monkeypatch.setattr(websocket, "raise_open_files", lambda: 1024)
    with pytest.raises(BenchmarkError, match="3000 open files are needed, and 1024 allowed"):
        websocket.measure(Bench(tmp_path, Cores(0, 0)), quick=True, say=lambda words: None)
