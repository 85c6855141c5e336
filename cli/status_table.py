"""A server's status as a table for people. Pure."""

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment, SegmentLines
from rich.table import Table
from rich.text import Text

from cli.failures import Failure
from cli.messages import Backend, Status, plain

SHOWN_MODELS = 8
"""Names of models that a row shows; some servers have hundreds."""
STYLES = {"painting": "yellow", "idle": "green", "down": "red"}


def table(server: str, status: Status, *, lines: bool = True) -> RenderableType:
    """Counts, and a row for each backend; `lines` for the eye, none for a program."""
    rows = Table(box=box.SIMPLE_HEAD if lines else None, pad_edge=False, show_edge=False)
    for head in ("Backend", "State", "Model"):
        rows.add_column(head, overflow="fold")
    rows.add_column("s/picture", justify="right")
    others = any(_others(backend) for backend in status.backends)
    owned = _is_owned(status)
    if others:
        rows.add_column("Other models", overflow="fold")
    if owned:
        rows.add_column("Worker", overflow="fold")
    for backend in status.backends:
        more = [first_of(_others(backend))] * others + [plain(backend.owner or "")] * owned
        rows.add_row(*_row(backend), *map(Text, more))
    note = Text("s/picture: seconds for one of 512x512 in 20 steps, as measured", style="dim")
    parts: list[RenderableType] = [*_head(server, status), Text(), rows]
    if any(backend.seconds_per_unit is not None for backend in status.backends):
        parts += [Text(), note]
    return Group(*parts)


class Fitted:
    """The table where the terminal is high enough; else a line for each backend, as many as it holds.

    That the server is away stands above it: there nothing is cut off.
    """

    def __init__(self, server: str, status: Status, failure: Failure | None = None) -> None:
        self._server = server
        self._status = status
        self._notes = [lost(failure)] if failure else []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called at each drawing, with the size that the terminal has by then."""
        notes = [part for note in self._notes for part in (note, Text())]
        whole = Group(*notes, table(self._server, self._status))
        lines = console.render_lines(whole, options, pad=False)
        if len(lines) > options.max_height:
            lines = self._short(console, options)
        yield SegmentLines(lines, new_lines=True)

    def _short(self, console: Console, options: ConsoleOptions) -> list[list[Segment]]:
        backends = self._status.backends
        parts = Group(*self._notes, *_head(self._server, self._status), _short_rows(self._status))
        lines = console.render_lines(parts, options, pad=False)
        if len(lines) <= options.max_height:
            return lines
        kept = options.max_height - 1
        above = len(lines) - len(backends)
        missing = Text(rest(backends[max(0, kept - above) :]), no_wrap=True, overflow="ellipsis")
        return lines[:kept] + console.render_lines(missing, options, pad=False)


def lost(failure: Failure) -> Text:
    """That the server is away."""
    return Text(f"{failure}; looking for it", style="red")


def rest(backends: list[Backend]) -> str:
    """How many there are that are not shown."""
    down = sum(backend.state == "down" for backend in backends)
    return f"and {len(backends)} more" + (f", {down} of them down" if down else "")


def counts(status: Status) -> str:
    """How much there is to do, and whose it is."""
    callers = "1 caller" if status.callers == 1 else f"{status.callers} callers"
    return (
        f"{status.waiting} waiting, {status.running} running, {callers}"
        f" (yours: {status.own.waiting} waiting, {status.own.running} running)"
    )


def first_of(names: list[str]) -> str:
    """The names (or numbers), or the first of them and how many more there are."""
    more = len(names) - SHOWN_MODELS
    shown = ", ".join(plain(name) for name in names[:SHOWN_MODELS])
    return f"{shown} and {more} more" if more > 0 else shown


def _head(server: str, status: Status) -> list[Text]:
    """What stands above the rows."""
    parts = [Text(f"{server}  {counts(status)}")]
    if len(status.waiting_by_caller) > 1:
        numbers = [str(number) for number in status.waiting_by_caller]
        parts.append(Text(f"waiting by caller: {first_of(numbers)}"))
    if _is_owned(status):
        parts.append(Text("1 worker" if status.workers == 1 else f"{status.workers} workers"))
    return parts


def _short_rows(status: Status) -> Table:
    """A line for each backend: what is too long for it is cut, the longest first."""
    owned = _is_owned(status)
    rows = Table(box=None, pad_edge=False)
    for head in ("Backend", "State", "Model", "s/picture", *["Worker"] * owned):
        rows.add_column(Text(head, no_wrap=True), justify="right" if head == "s/picture" else "left")
    for backend in status.backends:
        cells = [*_row(backend), *[Text(plain(backend.owner or ""))] * owned]
        for cell in cells:
            cell.no_wrap = True  # of a whole column it would be cut by as much as any other
        rows.add_row(*cells)
    return rows


def _is_owned(status: Status) -> bool:
    """Whether it matters which worker has a backend."""
    return any(backend.owner for backend in status.backends)


def _others(backend: Backend) -> list[str]:
    return [model for model in backend.models if model != backend.loaded]


def _row(backend: Backend) -> tuple[Text, ...]:
    name = plain(backend.name) + (" (demo painter)" if backend.demo else "")
    state = plain(backend.state) + (f": {plain(backend.problem)}" if backend.problem else "")
    pace = "" if backend.seconds_per_unit is None else f"{backend.seconds_per_unit:.1f}"
    styled = Text(state, style=STYLES.get(backend.state, ""))
    return Text(name), styled, Text(plain(backend.loaded or "")), Text(pace)
