"""The chapters of docs/performance.md: what each kind measured, as tables, goals and plots. Pure."""

from collections.abc import Callable

from benchmarks.chapter import Chapter
from benchmarks.chapters import gpus, growth, http, queue, start, websocket
from benchmarks.series import Run

CHAPTERS: dict[str, Callable[[Run], Chapter]] = {
    "http": http.tell,
    "websocket": websocket.tell,
    "growth": growth.tell,
    "queue": queue.tell,
    "gpus": gpus.tell,
    "start": start.tell,
}
"""In the order in which they stand in the docs."""
