"""`sd-b64 status`: what waits and runs at a server, and how its backends are; once, or as it changes."""

import asyncio
import os
import sys
from argparse import Namespace
from contextlib import nullcontext
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live

from cli.address import find_server
from cli.display import is_read, is_terminal, write_line
from cli.failures import Failure
from cli.messages import Status, escaped
from cli.server import Server, reach
from cli.status_table import Fitted, lost, table
from cli.stopping import begun, done_before
from core import cut_off_by_signal, forget_output, stop_signal

PERIOD = 1.0
"""Seconds between two looks of `--watch`."""
WIDE = 10_000
"""Columns of a pipe: no line is folded there."""


class View(Protocol):
    """How a status is shown, and that there is none at the moment; to be entered for as long as it lasts."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, status: Status, body: bytes) -> None: ...

    def lost(self, failure: Failure) -> None: ...


async def status(options: Namespace) -> int:
    """Show it. Raises Failure."""
    async with reach(find_server(options.server, options.key, os.environ)) as server:
        view = _view(options, server.name)
        if not options.watch:
            view.show(*await server.status())
            return 0
        async with stop_signal() as stop, begun(_watch(server, view)) as watching:
            try:
                with view:
                    if await done_before(watching, stop):
                        watching.result()
            except OSError:
                if not stop.is_set():  # else the terminal was closed
                    raise
    return 0


def _view(options: Namespace, server: str) -> View:
    if options.json:
        return Json()
    if options.watch and is_terminal(sys.stdout):
        return Redrawn(server)
    return Tables(server)


async def _watch(server: Server, view: View) -> None:
    """Go on for as long as somebody reads it. Raises Failure where the server lets nobody in."""
    async with begun(_look(server, view)) as looking:
        while not looking.done():
            if not is_read(sys.stdout):  # where nothing changes, nothing is written that would fail
                raise BrokenPipeError
            await asyncio.wait({looking}, timeout=PERIOD)
        looking.result()


async def _look(server: Server, view: View) -> None:
    """Look once a second; a server that is away is looked for. Raises Failure where it lets nobody in."""
    while True:
        try:
            seen = await server.status()
            # A pipe that nobody reads blocks the loop, which hears of no signal then; a terminal lets go.
            with nullcontext() if sys.stdout.isatty() else cut_off_by_signal():
                view.show(*seen)
        except KeyboardInterrupt:
            forget_output()  # what is left for it would hold up the end as well
            return
        except Failure as failure:
            if not failure.may_pass:
                raise
            view.lost(failure)
        await asyncio.sleep(PERIOD)


class _Printed:
    """What is printed one below the other; after the server was away also where nothing has changed."""

    def __init__(self) -> None:
        self._is_away = False
        self._last: object = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is to be taken back."""

    def lost(self, failure: Failure) -> None:
        """Tell standard error: once, until it is back."""
        if not self._is_away:
            write_line(sys.stderr, f"sd-b64: {failure}; looking for it")
        self._is_away = True

    def _is_news(self, seen: object) -> bool:
        """Whether this is to be printed; from then on it is what was seen last."""
        news = self._is_away or seen != self._last
        self._last, self._is_away = seen, False
        return news


class Json(_Printed):
    """The server's own words, a line whenever they have changed; to a terminal none that would steer it."""

    def show(self, status: Status, body: bytes) -> None:
        """Print it, unless it is as before."""
        if self._is_news(body):
            words = body.decode()
            print(escaped(words) if sys.stdout.isatty() else words, flush=True)


class Tables(_Printed):
    """A table whenever something has changed, one below the other."""

    def __init__(self, server: str) -> None:
        super().__init__()
        self._server = server
        self._lines = is_terminal(sys.stdout)
        self._console = Console(highlight=False, width=None if self._lines else WIDE)

    def show(self, status: Status, body: bytes) -> None:
        """Print it, unless it is as before."""
        is_first = self._last is None
        if self._is_news(status):
            if not is_first:
                self._console.print()
            self._console.print(table(self._server, status, lines=self._lines))


class Redrawn:
    """One table that is always the newest, with what is wrong above it; never higher than the terminal."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._live = Live(console=Console(highlight=False, force_terminal=True), auto_refresh=False)
        self._size = self._live.console.size
        self._last: Status | None = None

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, status: Status, body: bytes) -> None:
        """Draw it in the place of the one before."""
        self._last = status
        self._draw(Fitted(self._server, status))

    def lost(self, failure: Failure) -> None:
        """Draw the last one, and that it is no longer so."""
        self._draw(Fitted(self._server, self._last, failure) if self._last else lost(failure))

    def _draw(self, seen: RenderableType) -> None:
        console = self._live.console
        if console.size != self._size:  # where its lines are by now, only the terminal knows
            console.clear()
        self._size = console.size
        self._live.update(seen, refresh=True)
