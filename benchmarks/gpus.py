"""gpus: how busy the painting servers are kept while jobs wait, and how long one has nothing between two.

Measured at the simulated server: from the moment that its answer has gone to the kernel until the next
request is there. Another way of connecting is one more entry in WAYS."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.native import Backends, Log, Native, build
from benchmarks.pictures import Picture, make_pictures
from benchmarks.processes import Bench, Say
from benchmarks.series import Gathering, percentile
from benchmarks.systems import Start, System, shared_queue, whole_way
from tests.valkey_server import valkey_path

MEMORY, SHARED = "one process, queue in memory", "Valkey, front end and worker apart"
WAYS: dict[str, Start] = {MEMORY: whole_way, SHARED: shared_queue}
ROUNDS = 5
CELLS = [(seconds, count) for seconds in (0.2, 1.0) for count in (1, 2, 4, 8, 16)] + [(5.0, 1), (5.0, 16)]
QUICK_CELLS = [(0.2, 1), (0.2, 16), (1.0, 1), (1.0, 16)]
WINDOWS = {0.2: 2.5, 1.0: 5.5, 5.0: 10.5}
QUICK_WINDOWS = {0.2: 2.0, 1.0: 4.5}
"""Seconds of a round, by a picture's seconds."""
WAITING = 4
"""Clients for each server, at least LEAST in all: so three jobs for each server wait."""
LEAST = 8


def measure(bench: Bench, *, quick: bool, say: Say) -> tuple[Gathering, list[str]]:
    """Each cell once a round, one after the other, and of each cell all ways in turns."""
    native, pictures = build(bench), make_pictures(bench.folder)
    cells, windows = (QUICK_CELLS, QUICK_WINDOWS) if quick else (CELLS, WINDOWS)
    gathering, notes = Gathering(), list[str]()
    ways = dict(WAYS)
    if valkey_path() is None:
        del ways[SHARED]
        notes.append("Valkey is not installed here: the shared queue is left out.")
    for seconds, count in cells:
        with ExitStack() as stack:
            farms = [stack.enter_context(native.backends(count, seconds, [pictures["small"]])) for _ in ways]
            starts = zip(ways.items(), farms, strict=True)
            systems = [(way, stack.enter_context(start(bench, farm)), farm) for (way, start), farm in starts]
            for turn in range(ROUNDS):
                say(f"{count} servers, {seconds:g} s a picture: round {turn + 1} of {ROUNDS}")
                for way, system, farm in systems[:: (-1) ** turn]:
                    figures = probe(native, system, farm, pictures["small"], windows[seconds])
                    gathering.add_all(figures, way=way, seconds=seconds, servers=count)
    return gathering, notes


def probe(
    native: Native, system: System, farm: Backends, picture: Picture, window: float
) -> dict[str, float]:
    """One way under a backlog, for one window."""
    farm.logs()
    start = time.monotonic()
    clients = max(LEAST, WAITING * len(farm.ports))
    native.ask("http", system.port, clients, window, picture.path, least=len(picture.base64), grace=0.0)
    # The load began a little later than this clock, so until then there was a backlog.
    work = of_logs(list(farm.logs().values()), start, start + window)
    return {
        "gap p50 ms": 1000 * percentile(work.gaps, 0.5),
        "gap p99 ms": 1000 * percentile(work.gaps, 0.99),
        "gaps": len(work.gaps),
        "busy %": 100 * work.painting / work.lasted,
    }


@dataclass(frozen=True, slots=True)
class Work:
    """What all servers did in a time, in seconds."""

    gaps: list[float]
    """Each time between two pictures."""
    painting: float
    lasted: float
    """How long they could have painted, all together."""


def of_logs(logs: Sequence[Log], start: float, end: float) -> Work:
    """What they did between these two moments, while there was a backlog.

    A server's first picture only begins its row: its time counts from then on, to the end. What it paints at
    the end counts as far as it has come, and so does a gap. A server that got nothing was idle since another
    one got something.
    """
    rows = [[picture for picture in log.pictures if start <= picture[0] < end] for log in logs]
    first = min((row[0][0] for row in rows if row), default=end)
    gaps, painting, lasted = list[float](), 0.0, 0.0
    for row in rows:
        free = min(row[0][1], end) if row else first
        lasted += end - free
        for arrived, done in row[1:]:
            gaps.append(arrived - free)
            free = min(done, end)
            painting += free - arrived
        if free < end:
            gaps.append(end - free)
    return Work(gaps, painting, lasted)
