"""What the http kind tells of its figures."""

from benchmarks.chapter import markdown
from benchmarks.chapters.http import BARE, DIRECT, NGINX, ORIGINAL, OURS, tell
from benchmarks.series import Run, Series


def run_of(figures: dict[str, dict[str, list[float]]], *, connections: int) -> Run:
    """These rounds of each system, with small pictures."""
    series = [
        Series({"system": system, "picture": "small", "connections": connections, "metric": metric}, rounds)
        for system, metrics in figures.items()
        for metric, rounds in metrics.items()
    ]
    return Run("http", True, "2026-01-01", 1.0, "2 cores", {}, series)


def test_what_a_system_adds_is_told_for_p50_and_p99_and_taken_round_by_round() -> None:
    run = run_of(
        {
            OURS: {"p50 ms": [3.0, 5.0, 4.0], "p99 ms": [9.0, 11.0, 10.0]},
            NGINX: {"p50 ms": [2.0, 3.0, 2.5], "p99 ms": [4.0, 5.0, 4.5]},
            DIRECT: {"p50 ms": [1.0, 1.0, 1.0], "p99 ms": [2.0, 3.0, 2.0]},
        },
        connections=1,
    )
    chapter = tell(run)
    ours = next(line for line in markdown(chapter.tables[0]).splitlines() if OURS in line)
    assert [cell.strip() for cell in ours.split("|")][6:8] == ["3.00", "8.00"]
    (added,) = (goal for goal in chapter.goals if goal.what.startswith("added p50"))
    assert list(added.rounds) == [2.0, 2.0, 2.0]


def test_ratios_are_those_of_a_round() -> None:
    """The machine was twice as slow in the second one."""
    speeds = {OURS: [50.0, 25.0], BARE: [100.0, 50.0], NGINX: [200.0, 100.0], ORIGINAL: [5.0, 2.5]}
    run = run_of({name: {"requests/s": rounds} for name, rounds in speeds.items()}, connections=16)
    goals = {goal.what.rpartition(": of ")[2]: list(goal.rounds) for goal in tell(run).goals[:3]}
    assert goals == {
        "the original": [10.0, 10.0],
        "nginx": [0.25, 0.25],
        "the bare aiohttp proxy": [0.5, 0.5],
    }
