"""A server's status as a table for people. Pure."""

from rich import box
from rich.console import Group, RenderableType
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
    owned = any(backend.owner for backend in status.backends)
    if others:
        rows.add_column("Other models", overflow="fold")
    if owned:
        rows.add_column("Worker", overflow="fold")
    for backend in status.backends:
        more = [first_of(_others(backend))] * others + [plain(backend.owner or "")] * owned
        rows.add_row(*_row(backend), *map(Text, more))
    note = Text("s/picture: seconds for one of 512x512 in 20 steps, as measured", style="dim")
    parts: list[RenderableType] = [Text(f"{server}  {counts(status)}")]
    if len(status.waiting_by_caller) > 1:
        parts.append(
            Text("waiting by caller: " + first_of([str(number) for number in status.waiting_by_caller]))
        )
    if owned:
        parts.append(Text("1 worker" if status.workers == 1 else f"{status.workers} workers"))
    parts += [Text(), rows]
    if any(backend.seconds_per_unit is not None for backend in status.backends):
        parts += [Text(), note]
    return Group(*parts)


def lost(server: str, last: Status | None, failure: Failure) -> RenderableType:
    """What was known last, and that the server is away."""
    note = Text(f"{failure}; looking for it", style="red")
    return Group(table(server, last), Text(), note) if last else note


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


def _others(backend: Backend) -> list[str]:
    return [model for model in backend.models if model != backend.loaded]


def _row(backend: Backend) -> tuple[RenderableType, ...]:
    name = plain(backend.name) + (" (demo painter)" if backend.demo else "")
    state = plain(backend.state) + (f": {plain(backend.problem)}" if backend.problem else "")
    pace = "" if backend.seconds_per_unit is None else f"{backend.seconds_per_unit:.1f}"
    style = STYLES.get(backend.state, "")
    texts = (name, Text(state, style=style), plain(backend.loaded or ""), pace)
    return tuple(Text(text) if isinstance(text, str) else text for text in texts)
