"""The chapter of the queue kind."""

import math

from benchmarks.chapter import Chapter, Goal, Table, cell
from benchmarks.queue import INSIDE, MEMORY, PICTURES, SHARED
from benchmarks.series import Run, difference, ratio

STEPS = ("submit", "claim", "finish")
WORDS = """\
The queue in memory and the queue on Valkey (append-only file on, as the docs ask), without front ends and
servers. A step's microseconds are the time its caller waits, the median of a round; "in Valkey" is the time
that Valkey itself spends on it, by its own count. A round submits a thousand jobs (200 with `--quick`), then
claims as many, then finishes them, each with a picture of 1 KB. "Waiting" is the number halfway through the
submits, and through the claims.

In the second table one idle worker paints instantly; jobs/s are measured with fifty clients, four such
workers and pictures of 1 KB. The front half, the worker half and the clients share one process, so what
Valkey adds is an upper bound."""


def tell(run: Run) -> Chapter:
    """Tables, goals."""
    return Chapter("Shared queue", WORDS, [_steps(run), _way(run), _watchers(run)], _goals(run))


def _steps(run: Run) -> Table:
    names = [*STEPS, *(step + INSIDE for step in STEPS)]
    rows = [
        (
            home,
            f"{waiting:,}",
            *(cell(run.find(home=home, waiting=waiting, metric=name)) for name in names),
        )
        for waiting in run.values("waiting")
        for home in (MEMORY, SHARED)
    ]
    return Table("", ("queue", "waiting", *(f"{name} µs" for name in names)), rows)


def _way(run: Run) -> Table:
    rows = [
        (
            home,
            *(
                cell(run.find(home=home, kilobytes=size, metric=metric))
                for size in PICTURES
                for metric in ("p50", "p99")
            ),
            cell(run.find(home=home, metric="jobs/s")),
        )
        for home in (MEMORY, SHARED)
    ]
    head = [f"{size} KB: {metric} ms" for size in PICTURES for metric in ("p50", "p99")]
    return Table("From submit to the picture:", ("queue", *head, "jobs/s"), rows)


def _watchers(run: Run) -> Table:
    rows = [
        (f"{watchers:,}", *(cell(run.find(watchers=watchers, metric=metric)) for metric in METRICS))
        for watchers in run.values("watchers")
    ]
    return Table(
        "Waiting clients, all in one process. Then Valkey is killed and restarted, and four workers paint "
        "for them instantly:",
        ("watchers", *METRICS.values()),
        rows,
    )


METRICS = {
    "idle %": "nothing happens: % of a core",
    "changing %": "a job more each second: % of a core",
    "seconds": "all painted after s",
    "lost": "without a picture",
}


def _goals(run: Run) -> list[Goal]:
    sizes = run.values("waiting") or [10]
    least, most = min(sizes), max(sizes)
    logarithm = math.log(most) / math.log(least)
    goals = [
        Goal(
            f"shared queue, {size} KB: what Valkey adds from submit to the picture, p50",
            difference(
                run.find(home=SHARED, kilobytes=size, metric="p50"),
                run.find(home=MEMORY, kilobytes=size, metric="p50"),
            ),
            5,
            " ms",
        )
        for size in PICTURES
    ]
    goals += [
        Goal(
            f"shared queue, {step} with {most:,} waiting: of that with {least:,} (as the logarithm)",
            ratio(
                run.find(home=SHARED, waiting=most, metric=step + INSIDE),
                run.find(home=SHARED, waiting=least, metric=step + INSIDE),
            ),
            logarithm,
            " x",
        )
        for step in ("submit", "claim")
    ]
    for watchers in run.values("watchers"):
        idle = run.rounds(watchers=watchers, metric="idle %")
        lost = run.rounds(watchers=watchers, metric="lost")
        goals += [
            Goal(f"{watchers:,} watchers: of a core while idle", idle, 25, " %"),
            Goal(f"{watchers:,} watchers, Valkey killed: lost", lost, 0),
        ]
    return goals
