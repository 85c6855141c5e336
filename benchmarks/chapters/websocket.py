"""The chapter of the websocket kind."""

from benchmarks.chapter import Chapter, Goal, Line, Panel, Table, cell
from benchmarks.series import Run, Series, ratio
from benchmarks.systems import OURS
from benchmarks.websocket import BARE, HTTP, WEBSOCKET

WORDS = """\
The websocket front end and the core behind it ("whole way", `python -m wsserver`) run on one core, the
clients and the simulated servers on the other. **Bare websockets** is the same library with no core behind
it. Like ours, it does not compress; the library's own keepalive pings as often as ours does. It sends the
same kinds of messages to as many clients, as often."""
CROWD_WORDS = """\
**2,000 clients.** Each is a separate caller with one prompt. `MAX_QUEUE` is raised; by default a thousand
jobs may wait. 16 servers paint (5 seconds a picture), so 16 clients get their progress twice a second, and
all the others their place in the queue once a second. The progress delay runs from the moment the painting
server reports it until the client has read it. "Positions behind" is how long after the first position of a
second the others arrive."""


def tell(run: Run) -> Chapter:
    """Tables, goals, plots."""
    return Chapter(
        "Websocket",
        WORDS,
        [_pictures(run), _idle(run), _crowd(run), _share(run)],
        _goals(run),
        [
            _bars(run, "crowd", "CPU us", "2,000 clients: processor time of a message, µs"),
            _bars(run, "idle", "KB each", "an idle connection: KB"),
        ],
        "Processor time of a message to one of 2,000 clients, and memory of an idle connection.",
    )


def _find(run: Run, scene: str, system: str, metric: str) -> Series | None:
    return run.find(scene=scene, system=system, metric=metric)


def _table(run: Run, scene: str, words: str, systems: tuple[str, ...], columns: dict[str, str]) -> Table:
    rows = [(name, *(cell(_find(run, scene, name, metric)) for metric in columns)) for name in systems]
    return Table(words, ("", *columns.values()), rows)


def _pictures(run: Run) -> Table:
    columns = {
        "requests/s": "pictures/s",
        "CPU ms": "CPU ms a picture",
        "p50 ms": "p50 ms",
        "p99 ms": "p99 ms",
    }
    words = "**Pictures of 450 KB, 16 connections**, over each of our front ends."
    return _table(run, "pictures", words, (HTTP, WEBSOCKET), columns)


def _idle(run: Run) -> Table:
    count = run.find(scene="idle", metric="connections")
    words = f"**{count.median if count else 0:,.0f} idle connections.**"
    columns = {"KB each": "KB each", "connections/s": "opened a second"}
    return _table(run, "idle", words, (OURS, BARE), columns)


def _crowd(run: Run) -> Table:
    columns = {
        "messages/s": "messages/s",
        "CPU us": "CPU µs a message",
        "system core": "core in use",
        "delay p50 ms": "progress delay p50 ms",
        "delay p99 ms": "p99 ms",
        "behind p99 ms": "positions behind p99 ms",
        "MB": "MB",
        "crowd's core": "clients' core",
    }
    return _table(run, "crowd", CROWD_WORDS, (OURS, BARE), columns)


def _share(run: Run) -> Table:
    words = (
        "**One picture of 450 KB to 200 clients at once**: time until the last one has it, memory before and "
        "at the peak."
    )
    columns = {"ms to the last": "ms to the last", "rest MB": "MB before", "peak MB": "peak MB"}
    return _table(run, "share", words, (OURS, BARE), columns)


def _goals(run: Run) -> list[Goal]:
    pictures = ratio(_find(run, "pictures", WEBSOCKET, "CPU ms"), _find(run, "pictures", HTTP, "CPU ms"))
    messages = ratio(_find(run, "crowd", OURS, "CPU us"), _find(run, "crowd", BARE, "CPU us"))
    idle = run.rounds(scene="idle", system=OURS, metric="KB each")
    delay = run.rounds(scene="crowd", system=OURS, metric="delay p99 ms")
    return [
        Goal("websocket: a picture's CPU, of HTTP's", pictures, 1.3, " x"),
        Goal("an idle websocket", idle, 20, " KB"),
        Goal("2,000 clients: CPU of a message, of bare websockets'", messages, 1.5, " x"),
        Goal("2,000 clients: p99 delay of a progress", delay, 50, " ms"),
    ]


def _bars(run: Run, scene: str, metric: str, title: str) -> Panel:
    found = [(name, _find(run, scene, name, metric)) for name in (OURS, BARE)]
    return Panel(title, "", [Line(name, [(0, series)]) for name, series in found if series])
