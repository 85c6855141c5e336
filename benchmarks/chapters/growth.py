"""The chapter of the growth kind."""

from benchmarks.chapter import Chapter, Goal, Line, Panel, Table, cell, number
from benchmarks.series import Run, Series, exponent

STEPS = ("submit", "claim", "position", "cancel")
AXES = {"waiting": "jobs waiting", "callers": "callers", "backends": "backends"}
WORDS = """\
The core alone, in one process, with the queue in memory. The figures are microseconds of processor time for
one step, the median of 4,000 in each round (1,000 with `--quick`):

- **Submit** accepts a job.
- **Claim** gives a worker the next job.
- **Position** tells a newly arrived watcher where a job stands.
- **Cancel** ends a waiting job. The next look at the order moves up its caller's later jobs, which counts
  here.

Submit, claim and position are taken in turns. So whatever an estimate is based on is calculated afresh for
each position, as for a watcher who comes alone; of many who come within 10 ms, while no job is claimed and
none ends, only the first waits for that. Each hundred turns are followed by a hundred cancels, or by fewer
of both where fewer than 400 jobs wait.

While one thing grows, the others stay at 10,000 waiting jobs of 100 callers and 16 backends. The exponent is
the slope of a log-log fit: 0 is constant, 1 is linear. At small sizes the fixed cost of a step hides its
growth, so the last row gives the exponent of the last two sizes alone. The longest step is one during which
Python's garbage collector looked at everything."""


def tell(run: Run) -> Chapter:
    """Tables, goals, plots."""
    return Chapter(
        "Growth",
        WORDS,
        [_table(run, axis) for axis in AXES],
        _goals(run),
        [_panel(run, axis) for axis in AXES],
        "Microseconds of a step as jobs, callers and backends grow; both scales are logarithmic.",
    )


def _points(run: Run, axis: str, step: str) -> list[tuple[int, Series]]:
    """The series of a step, smallest size first."""
    return sorted(
        (
            (int(series.labels["size"]), series)
            for series in run.series
            if series.labels["axis"] == axis and series.labels["metric"] == step
        ),
        key=lambda point: point[0],
    )


def _table(run: Run, axis: str) -> Table:
    points = {step: _points(run, axis, step) for step in (*STEPS, "longest")}
    sizes = [size for size, _ in points["submit"]]
    rows = [
        (f"{size:,}", *(cell(dict(points[step]).get(size)) for step in (*STEPS, "longest"))) for size in sizes
    ]
    for words, first in {"exponent": 0, "of the last two": -2}.items():
        rows.append((words, *(_exponent(points[step][first:]) for step in STEPS), ""))
    head = (AXES[axis], *(f"{step} µs" for step in STEPS), "longest step µs")
    return Table("", head, rows)


def _exponent(points: list[tuple[int, Series]]) -> str:
    return number(exponent([(size, series.median) for size, series in points])) if len(points) > 1 else "-"


def _goals(run: Run) -> list[Goal]:
    bounds = {"submit": 50, "claim": 50, "position": 100}
    words = "fair queue, 100,000 waiting"
    return [
        Goal(f"{words}: {step}", run.rounds(axis="waiting", size=100_000, metric=step), bound, " µs")
        for step, bound in bounds.items()
    ]


def _panel(run: Run, axis: str) -> Panel:
    lines = [Line(step, _points(run, axis, step)) for step in STEPS]
    return Panel("", "microseconds", lines, AXES[axis])
