"""The queue kind, in small: all that it tells is measured, on a real Valkey."""

import pytest

from benchmarks import queue
from benchmarks.chapters import CHAPTERS
from benchmarks.report import printed
from benchmarks.series import Run
from tests.valkey_server import valkey_path


@pytest.mark.slow
async def test_every_figure_of_the_chapter_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    if valkey_path() is None:
        pytest.skip("no Valkey")
    monkeypatch.setattr(queue, "OFFER_AGAIN", 0.1)
    plan = queue.Plan(sizes=(3, 30), times=10, rounds=2, seconds=0.02, watchers=20, idle_seconds=0.01)
    gathering = await queue.gather(plan, lambda words: None)
    run = Run("queue", True, "2026-11-25", 0.1, "a machine", {}, gathering.series)
    goals = CHAPTERS["queue"](run).goals
    assert all(goal.rounds for goal in goals)
    assert goals[-1].reached, "nobody is left without a picture over a kill of Valkey"
    assert "not measured" not in printed(run)
    assert run.values("waiting") == [8, 35], "so many wait in the middle of ten submits"
    growth = [goal for goal in goals if "(as the logarithm)" in goal.what]
    assert "submit with 35 waiting: of that with 8" in growth[0].what
    assert [round(goal.bound, 2) for goal in growth] == [1.71, 1.71]
