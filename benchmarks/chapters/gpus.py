"""The chapter of the gpus kind."""

from benchmarks.chapter import Chapter, Goal, Line, Panel, Table, cell
from benchmarks.gpus import SHARED
from benchmarks.series import Run, Series

WORDS = """\
Simulated servers take 0.2, 1 or 5 seconds for a picture of 450 KB, and there are always enough clients for a
backlog (four for each server, at least eight). The gap is measured at the server: from the moment its answer
has gone to its kernel until the next request is there. With fewer than a hundred gaps in a round, p99 is the
longest. "Busy" is the share of the time that a server paints, from the end of its first picture to the end of
the round; a server that gets nothing counts as idle. The gateway has one core, with Valkey beside it where
there is one (append-only file on, as the docs ask); the simulated servers and the clients share the other."""


def tell(run: Run) -> Chapter:
    """Tables, goals, plots."""
    ways = run.values("way")
    return Chapter(
        "Painting servers",
        WORDS,
        [_table(run, way) for way in ways],
        [goal for way in ways for goal in _goals(run, way)],
        [_panel(run, ways, "gap p50 ms", "idle gap p50, ms"), _panel(run, ways, "gap p99 ms", "p99, ms")],
        "The idle gap between two pictures at a server, p50 and p99, by the number of servers.",
    )


def _cells(run: Run) -> list[tuple[float, int]]:
    return [
        (seconds, servers)
        for seconds in run.values("seconds")
        for servers in run.values("servers")
        if any(item.labels["seconds"] == seconds and item.labels["servers"] == servers for item in run.series)
    ]


def _find(run: Run, way: str, seconds: float, servers: int, metric: str) -> Series | None:
    return run.find(way=way, seconds=seconds, servers=servers, metric=metric)


def _table(run: Run, way: str) -> Table:
    columns = {
        "busy %": "busy %",
        "gap p50 ms": "gap p50 ms",
        "gap p99 ms": "gap p99 ms",
        "gaps": "gaps in a round",
    }
    rows = [
        (
            f"{seconds:g} s",
            str(servers),
            *(cell(_find(run, way, seconds, servers, metric)) for metric in columns),
        )
        for seconds, servers in _cells(run)
    ]
    return Table(f"**{way.capitalize()}**", ("a picture", "servers", *columns.values()), rows)


def _goals(run: Run, way: str) -> list[Goal]:
    """The worst cell decides."""
    gaps = [found for at in _cells(run) if (found := _find(run, way, *at, "gap p50 ms"))]
    busy = [found for at in _cells(run) if at[0] == 1 and (found := _find(run, way, *at, "busy %"))]
    slowest = max(gaps, key=lambda series: series.median, default=None)
    laziest = min(busy, key=lambda series: series.median, default=None)
    return [
        Goal(
            f"idle gap with a backlog, p50 ({_where(slowest)}; {way})",
            slowest.rounds if slowest else [],
            6 if way == SHARED else 2,
            " ms",
        ),
        Goal(
            f"busy with a backlog, 1 s a picture ({_where(laziest)}; {way})",
            laziest.rounds if laziest else [],
            99 if way == SHARED else 99.5,
            " %",
            at_least=True,
        ),
    ]


def _where(series: Series | None) -> str:
    """The cell that decided."""
    if series is None:
        return "-"
    count = series.labels["servers"]
    return f"the worst: {count} server{'s' * (count != 1)} at {series.labels['seconds']:g} s"


def _panel(run: Run, ways: list[str], metric: str, title: str) -> Panel:
    lines = []
    for way in ways:
        for seconds in run.values("seconds"):
            servers = [count for pace, count in _cells(run) if pace == seconds]
            found = [(count, _find(run, way, seconds, count, metric)) for count in servers]
            name = f"{seconds:g} s a picture" + (f", {way}" if len(ways) > 1 else "")
            lines.append(Line(name, [(count, series) for count, series in found if series]))
    return Panel(title, "milliseconds", lines, "servers")
