"""Display: how far a job is, for a person: a bar on a terminal, plain lines in a pipe, nothing if so wished.

All of it goes to standard error, so that standard output holds nothing but what was asked for.
"""

import os
import select
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, Self, TextIO

from cli.failures import Failure
from cli.messages import Event, Progress, Queued, Started, plain
from cli.words import duration, place

PAUSE = 2.0
"""Seconds between two lines of progress."""


class Display(Protocol):
    """Entered while a job is followed; leaving it takes away what moves."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def told(self, event: Event) -> None:
        """Show what has happened to the job."""

    def lost(self, failure: Failure, pause: float) -> None:
        """Show that the server is lost, and asked again after this pause."""

    def done(self, text: str) -> None:
        """Show how it ended, once it was left."""


class Lines:
    """A line whenever something has changed that is worth one: the place, the server, a tenth of the way.

    Also whether the end is in sight: where all backends have died, it no longer is. Of progress not more than
    one every PAUSE seconds.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._key: object = None
        self._said = 0.0
        self._heard = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def told(self, event: Event) -> None:
        """Write a line, or none."""
        self._heard = True
        match event:
            case Queued(_, position, eta, attempt):
                again = "again " if attempt > 1 else ""
                about = f", about {duration(eta)}" if eta is not None else ""
                key = (Queued, position, attempt, eta is None)
                self._say(key, f"waiting {again}in line: {place(position)}{about}")
            case Started(_, backend, attempt):
                self._say((Started, attempt), f"painting on {plain(backend)}")
            case Progress(_, fraction, step, steps, eta):
                left = f", {duration(eta)} left" if eta is not None else ""
                if self._clock() >= self._said + PAUSE:
                    self._say((Progress, int(fraction * 10)), f"{fraction:.0%}, step {step} of {steps}{left}")

    def lost(self, failure: Failure, pause: float) -> None:
        """Say it once for each reason, not for each try."""
        # Before the server has told of the job, nobody knows whether it has it.
        rest = ", the job is not lost" if self._heard else ""
        self._say(failure.message, f"{failure.message}; trying again{rest}")

    def done(self, text: str) -> None:
        """Write it."""
        write_line(self._stream, text)

    def _say(self, key: object, line: str) -> None:
        if key != self._key:
            self._key, self._said = key, self._clock()
            write_line(self._stream, line)


class Silence:
    """Nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def told(self, event: Event) -> None:
        """Say nothing."""

    def lost(self, failure: Failure, pause: float) -> None:
        """Say nothing."""

    def done(self, text: str) -> None:
        """Say nothing."""


def choose_display(stream: TextIO, *, quiet: bool) -> Display:
    """The display for this stream."""
    if quiet:
        return Silence()
    if not is_terminal(stream):
        return Lines(stream)
    from cli.bar import Bar  # its library is loaded only where it is seen

    return Bar(stream)


def is_terminal(stream: TextIO) -> bool:
    """Whether a cursor can be moved there, and may be (TERM, TTY_INTERACTIVE)."""
    if not stream.isatty():
        return False
    from rich.console import Console  # what it does not take for one it draws nothing on

    return Console(file=stream, force_terminal=True).is_interactive


def is_read(stream: TextIO) -> bool:
    """Whether somebody may still read it. Only a pipe tells, and none on Windows; else it is yes."""
    found = _polled(stream)
    return not found or not found & (select.POLLERR | select.POLLHUP)


def write_line(stream: TextIO, line: str) -> None:
    """Tell a person. A line is left out where it would go nowhere: the pipe is full, or nobody reads it.

    Neither is to cost a script its picture or its exit code.
    """
    if _polled(stream) != 0:
        with suppress(OSError):
            print(line, file=stream, flush=True)


def _polled(stream: TextIO) -> int | None:
    """What is found of a pipe that is to be written to: 0 if it is full. None where that is not known."""
    with suppress(OSError):  # there is no file behind it
        number = stream.fileno()
        if hasattr(select, "poll") and stat.S_ISFIFO(os.fstat(number).st_mode):
            pipe = select.poll()
            pipe.register(number, select.POLLOUT)
            return next((found for _, found in pipe.poll(0)), 0)
    return None
