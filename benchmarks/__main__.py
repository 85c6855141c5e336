"""`python -m benchmarks KIND [--quick]`: measure one kind, print it, renew its chapter of the docs."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import gpus, growth, http, machine, queue, report, start, websocket
from benchmarks.chapters import CHAPTERS
from benchmarks.plots import draw
from benchmarks.processes import ROOT, Bench, BenchmarkError, to_be_broken_off
from benchmarks.series import Gathering, Run

Measure = Callable[..., tuple[Gathering, list[str]]]
KINDS: dict[str, Measure] = {
    "http": http.measure,
    "websocket": websocket.measure,
    "growth": growth.measure,
    "queue": queue.measure,
    "gpus": gpus.measure,
    "start": start.measure,
}
RESULTS, REMARKS = ROOT / "benchmarks" / "results", ROOT / "benchmarks" / "remarks"
DOCS = ROOT / "docs"


def main() -> None:
    """Measure what the command line names; `docs` only writes the page anew, of what is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and write the docs.")
    parser.add_argument(
        "kind", choices=[*KINDS, "docs"], help="what to measure; docs: only write the page anew"
    )
    parser.add_argument("--quick", action="store_true", help="at most three minutes, with wider spreads")
    parser.add_argument("--dry", action="store_true", help="print only: keep nothing, leave the docs alone")
    options = parser.parse_args()
    if options.kind == "docs":
        with _writing():
            write_docs()
        return
    try:
        with to_be_broken_off():
            run = measure(options.kind, quick=options.quick)
    except BenchmarkError as error:
        raise SystemExit(f"benchmarks: {error}") from error
    print(report.printed(run))
    if not options.dry:
        with _writing():
            report.keep(run, RESULTS)
            write_docs(run.kind)


def measure(kind: str, *, quick: bool) -> Run:
    """One run, in a folder of its own that is gone afterwards."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
            bench = Bench(Path(folder), machine.cores())
            gathering, notes = KINDS[kind](bench, quick=quick, say=_say)
    finally:
        _say("")  # what is said next begins a line
    return Run(
        kind,
        quick,
        datetime.now(UTC).strftime("%Y-%m-%d"),
        (time.monotonic() - began) / 60,
        machine.describe(),
        machine.versions(),
        gathering.series,
        notes,
    )


def write_docs(*kinds: str) -> None:
    """The page of all that is kept, and the plots of these kinds (none given: of all)."""
    runs = report.kept(RESULTS)
    (DOCS / "performance.md").write_text(report.page(runs, REMARKS), encoding="utf-8")
    for run in runs:
        panels = CHAPTERS[run.kind](run).panels
        if panels and run.kind in (kinds or KINDS):
            try:
                draw(panels, DOCS / "images" / report.plot_name(run))
            except ImportError:
                print("no plots: matplotlib is not installed (pip install -e '.[bench]')", file=sys.stderr)


@contextmanager
def _writing() -> Iterator[None]:
    """Ends the program where the checkout cannot be written; what was measured has been printed."""
    try:
        yield
    except OSError as error:
        raise SystemExit(f"benchmarks: nothing is kept: {error}") from error


def _say(words: str) -> None:
    """How far it is, on one line of the terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{words}")
        sys.stderr.flush()


if __name__ == "__main__":
    main()
