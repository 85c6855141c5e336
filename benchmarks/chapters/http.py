"""The chapter of the http kind."""

from benchmarks.chapter import Chapter, Goal, Line, Panel, Table, cell
from benchmarks.series import Run, Series, difference, ratio

OURS, BARE, NGINX, ORIGINAL, DIRECT = "whole way", "bare aiohttp proxy", "nginx", "the original", "direct"
SIZES = {"small": "450 KB", "large": "2 MB"}
WORDS = """\
A client asks `GET /text?input=...`, 16 simulated servers paint instantly, and the picture comes back as
base64. The systems compared, each running entirely on one core:

- **whole way**: our HTTP front end, the fair queue and the workers (`python -m httpserver`).
- **bare aiohttp proxy**: no queue, no checks, no events. Like ours, it cuts the picture out of the answer's
  bytes.
- **nginx**: `proxy_pass` with buffers that fit a picture. It passes on the server's answer as it is.
- **the original**: nginx, two gunicorns with two sync workers each, Flask, `requests.post().json()`,
  `jsonify`, `prompt.txt`. Rebuilt, with large nginx buffers that the original did not have.
- **direct**: the load generator asks the simulated server itself. What it reaches alone is the limit of the
  measurement. The load generator and the simulated servers share the second core: "core of the load" is how
  much of it they use, and at 1 they would be the bottleneck.

Each figure is the median of the rounds; parentheses give the smallest and the largest. "Added" is a system's
p50 or p99 delay minus that of direct requests over as many connections. Each connection asks again as soon as
it has its picture, so with 16 and 64 connections most of the delay is waiting for a turn. Ratios compare
figures of the same round.

Peak memory is the sum over all processes of a system; pages that they share count for each. It includes what
a process has kept since an earlier, heavier load, so only the last table, with the heaviest load, shows what
its own load takes."""


def tell(run: Run) -> Chapter:
    """Tables, goals, plots."""
    return Chapter(
        "HTTP",
        WORDS,
        [_table(run, word, connections) for word, connections in _cells(run)],
        _goals(run),
        [
            _bars(run, "requests/s", "450 KB, 16 connections: requests a second"),
            _bars(run, "CPU ms", "450 KB, 16 connections: processor time of a picture, ms"),
        ],
        "Requests a second, and processor time of a picture, with 16 connections.",
    )


def _cells(run: Run) -> list[tuple[str, int]]:
    return [
        (word, connections)
        for word in SIZES
        for connections in sorted(run.values("connections"))
        if run.find(system=OURS, picture=word, connections=connections, metric="p50 ms")
    ]


def _find(run: Run, system: str, word: str, connections: int, metric: str) -> Series | None:
    return run.find(system=system, picture=word, connections=connections, metric=metric)


def _systems(run: Run) -> list[str]:
    return [name for name in (OURS, BARE, NGINX, ORIGINAL, DIRECT) if name in run.values("system")]


def _table(run: Run, word: str, connections: int) -> Table:
    many = "one connection" if connections == 1 else f"{connections} connections"
    rows = [
        (
            system,
            *(
                cell(_find(run, system, word, connections, metric))
                for metric in ("requests/s", "CPU ms", "p50 ms", "p99 ms")
            ),
            cell(_added(run, system, word, connections, "p50 ms"), spread=False),
            cell(_added(run, system, word, connections, "p99 ms"), spread=False),
            cell(_find(run, system, word, connections, "peak MB"), spread=False),
            cell(_find(run, system, word, connections, "load core"), spread=False),
        )
        for system in _systems(run)
    ]
    head = (
        *("", "requests/s", "CPU ms a picture", "p50 ms", "p99 ms"),
        *("added p50 ms", "added p99 ms", "peak MB", "core of the load"),
    )
    return Table(f"**{SIZES[word]}, {many}**", head, rows)


def _added(run: Run, system: str, word: str, connections: int, metric: str) -> Series | None:
    """What a system adds to the delay, round by round."""
    through = _find(run, system, word, connections, metric)
    added = difference(through, _find(run, DIRECT, word, connections, metric))
    return Series({}, added) if added and system != DIRECT else None


def _goals(run: Run) -> list[Goal]:
    def of(theirs: str, word: str = "small", metric: str = "requests/s") -> list[float]:
        return ratio(_find(run, OURS, word, 16, metric), _find(run, theirs, word, 16, metric))

    added = ratio(_added(run, OURS, "small", 1, "p50 ms"), _added(run, NGINX, "small", 1, "p50 ms"))
    peak, size = _find(run, OURS, "large", 64, "peak MB"), run.find(picture="large", metric="base64 MB")
    held = [value / (64 * size.median) for value in peak.rounds] if peak and size else []
    rate = "requests/s, 450 KB, 16 connections: of"
    return [
        Goal(f"{rate} the original", of(ORIGINAL), 10, " x", at_least=True),
        Goal(f"{rate} nginx", of(NGINX), 0.4, " x", at_least=True),
        Goal(f"{rate} the bare aiohttp proxy", of(BARE), 0.95, " x", at_least=True),
        Goal("requests/s, 2 MB, 16 connections: of nginx", of(NGINX, "large"), 0.65, " x", at_least=True),
        Goal("CPU of a 450 KB picture, 16 connections: of nginx", of(NGINX, metric="CPU ms"), 2.4, " x"),
        Goal("added p50, one connection: of what nginx adds", added, 3, " x"),
        Goal("peak memory, 64 connections x 2 MB: of the pictures' base64", held, 3, " x"),
    ]


def _bars(run: Run, metric: str, title: str) -> Panel:
    systems = [name for name in _systems(run) if name != DIRECT]
    found = [(name, _find(run, name, "small", 16, metric)) for name in systems]
    return Panel(title, "", [Line(name, [(0, series)]) for name, series in found if series])
