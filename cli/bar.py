"""Bar: the display on a terminal: place and seconds left while it waits, then a bar that fills.

The seconds count down by the clock between two messages of the server.
"""

import time
from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from cli import messages
from cli.exit_codes import CONNECTION_LOST, UNREACHABLE
from cli.failures import Failure
from cli.messages import plain
from cli.words import duration, place


class Bar:
    """One line that moves, gone when it is left."""

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream, highlight=False, force_terminal=True)
        width = max(8, min(30, console.width - 48))
        spinner = "dots" if console.encoding.startswith("utf") else "line"
        self._progress = Progress(
            SpinnerColumn(spinner),
            TextColumn("{task.fields[what]}", markup=False),
            BarColumn(bar_width=width, complete_style="cyan", finished_style="green", pulse_style="cyan"),
            _Detail(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task(
            "", total=None, what="connecting", detail="", seconds="", until=None
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # the terminal was closed
            self._progress.stop()

    def told(self, event: messages.Event) -> None:
        """Show it."""
        match event:
            case messages.Queued(_, position, eta, attempt):
                what = "waiting" if attempt == 1 else "waiting again"
                self._show(what, place(position), "about {}", eta)
            case messages.Started(_, backend):
                self._show("painting", f"on {plain(backend)}", "about {}", self._eta())
            case messages.Progress(_, fraction, step, steps, eta):
                self._show("painting", f"{fraction:3.0%}, step {step}/{steps}", "{} left", eta, fraction)

    def lost(self, failure: Failure, pause: float) -> None:
        """Show that, and when it is tried again."""
        gone = failure.code in {UNREACHABLE, CONNECTION_LOST}
        self._show("lost", "no connection" if gone else failure.message, "trying again in {}", pause)

    def done(self, text: str) -> None:
        """Leave it on the screen."""
        with suppress(OSError):
            self._progress.console.print(Text(text, style="dim"))

    def _show(
        self, what: str, detail: str, seconds: str, eta: float | None, fraction: float | None = None
    ) -> None:
        self._progress.update(
            self._task,
            total=None if fraction is None else 1.0,
            completed=fraction or 0.0,
            what=f"{what:8}",
            detail=detail,
            seconds=seconds,
            until=None if eta is None else time.monotonic() + eta,
        )

    def _eta(self) -> float | None:
        until = self._progress.tasks[0].fields["until"]
        return None if until is None else until - time.monotonic()


class _Detail(ProgressColumn):
    """How far it is, and the seconds that are left, as a whole: on a narrow terminal the end is cut off."""

    def render(self, task: Task) -> Text:
        text = Text(task.fields["detail"], no_wrap=True, overflow="ellipsis")
        if task.fields["until"] is not None:
            left = duration(task.fields["until"] - time.monotonic())
            text.append(", " + task.fields["seconds"].format(left), style="cyan")
        return text
