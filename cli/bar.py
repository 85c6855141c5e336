"""Bar: the display on a terminal: place and seconds left while it waits, then a bar that fills.

The seconds count down by the clock between two messages of the server.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli import messages
from cli.exit_codes import CONNECTION_LOST, UNREACHABLE
from cli.failures import Failure
from cli.messages import plain
from cli.words import duration, place

SHORTEST, LONGEST = 8, 30
"""Columns of the bar."""
WORDS = 46
"""Columns beside a bar that is longer than the shortest."""
READABLE = 20
"""Columns of a detail that may be cut: with fewer it tells nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a job, and in how few words it can be."""

    state: str
    detail: str = ""
    brief: str = ""
    """What matters of the detail."""
    seconds: str = "{} left"
    brief_seconds: str = "{}"
    until: float | None = None
    """When those seconds are over, by the clock."""


class Bar:
    """One line that moves, gone when it is left."""

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream, highlight=False, force_terminal=True)
        spinner = "dots" if console.encoding.startswith("utf") else "line"
        self._progress = Progress(SpinnerColumn(spinner), _Line(), console=console, transient=True)
        self._task = self._progress.add_task("", total=None, told=Told("connecting"))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # the terminal was closed
            self._progress.stop()

    def told(self, event: messages.Event) -> None:
        """Show it."""
        match event:
            case messages.Queued(_, position, eta, attempt):
                what = "waiting" if attempt == 1 else "waiting again"
                self._show(Told(what, place(position), seconds="about {}", until=_after(eta)))
            case messages.Started(_, backend):
                until = self._progress.tasks[0].fields["told"].until
                self._show(Told("painting", f"on {plain(backend)}", seconds="about {}", until=until))
            case messages.Progress(_, fraction, step, steps, eta):
                percent = f"{fraction:3.0%}"
                told = Told("painting", f"{percent}, step {step}/{steps}", percent, until=_after(eta))
                self._show(told, fraction)

    def lost(self, failure: Failure, pause: float) -> None:
        """Show that, and when it is tried again."""
        gone = failure.code in {UNREACHABLE, CONNECTION_LOST}
        detail = "no connection" if gone else failure.message
        again = {"seconds": "trying again in {}", "brief_seconds": "trying again"}
        self._show(Told("lost", detail, until=_after(pause), **again))

    def done(self, text: str) -> None:
        """Leave it on the screen."""
        with suppress(OSError):
            self._progress.console.print(Text(text, style="dim"))

    def _show(self, told: Told, fraction: float | None = None) -> None:
        total = None if fraction is None else 1.0
        self._progress.update(self._task, total=total, completed=fraction or 0.0, told=told)


def _after(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds


class _Line(ProgressColumn):
    """All but the spinner."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = BarColumn(complete_style="cyan", finished_style="green", pulse_style="cyan")

    def render(self, task: Task) -> "Fitted":
        told: Told = task.fields["told"]
        left = None if told.until is None else duration(told.until - time.monotonic())
        return Fitted(told, left, self._bar.render(task))


@dataclass(frozen=True, slots=True)
class Fitted:
    """As much as there is room for: the bar goes first, then the steps; state, percent and seconds stay."""

    told: Told
    left: str | None
    """The seconds, as one says them."""
    bar: ProgressBar

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called at each drawing, with the width that the terminal has by then."""
        width = options.max_width
        state, detail = f"{self.told.state:8}", self._words("", self.told.detail, self.told.seconds)
        self.bar.width = max(SHORTEST, min(LONGEST, width - WORDS))
        if len(state) + 1 + self.bar.width + 1 + detail.cell_len > width:
            yield self._without_bar(width)
            return
        line = Table.grid(padding=(0, 1))
        line.add_row(Text(state), self.bar, detail)
        yield line

    def _without_bar(self, width: int) -> Text:
        line = next((line for line in self._shorter(width) if line.cell_len <= width), None)
        if line is None:
            line = self._words(self.told.state, self.told.brief, self.told.brief_seconds)
            line.truncate(width, overflow="ellipsis")
        return line

    def _shorter(self, width: int) -> Iterator[Text]:
        """The line in ever fewer words."""
        told = self.told
        yield self._words(told.state, told.detail, told.seconds)
        room = width - self._words(told.state, "", told.seconds).cell_len - 1
        if room >= READABLE:
            detail = Text(told.detail)
            detail.truncate(room, overflow="ellipsis")
            yield self._words(told.state, detail.plain, told.seconds)
        yield self._words(told.state, told.brief, told.seconds)
        yield self._words(told.state, told.brief, told.brief_seconds)
        yield self._words("", told.brief, told.brief_seconds)

    def _words(self, state: str, detail: str, seconds: str) -> Text:
        parts = [Text(f"{state} {detail}".rstrip() if state else detail)]
        if self.left is not None:
            parts.append(Text(seconds.format(self.left), style="cyan"))
        return Text(", ").join(part for part in parts if part)
