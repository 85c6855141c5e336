"""The chapter of the start kind."""

from benchmarks.chapter import Chapter, Goal, Table, cell
from benchmarks.series import Run
from benchmarks.start import SERVE

COLUMNS = {
    "import ms": "imports ms",
    "first answer s": "first answer s",
    "MB at rest": "MB at rest",
    "first picture s": "first picture s",
    "MB after it": "MB after it",
}
WORDS = """\
The time from the command to the first answer (a 200 from `/readyz`: a server can paint), on one core, with
everything installed and its files in the system's cache. `sd-b64 serve` is one process with HTTP, websocket,
core and demo painter. "At rest" is 1.5 seconds after the first answer. The first picture is one step of the
demo painter, without its artificial delay (`ENGINE_STEP_SECONDS=0`)."""


def tell(run: Run) -> Chapter:
    """Tables, goals, plots."""
    commands = run.values("command")
    rows = [
        (f"`{command}`", *(cell(run.find(command=command, metric=metric)) for metric in COLUMNS))
        for command in commands
    ]
    packages = [
        (f"`{package}`", cell(run.find(package=package, metric="import ms"), spread=False))
        for package in run.values("package")
    ]
    return Chapter(
        "Start",
        WORDS,
        [
            Table("", ("", *COLUMNS.values()), rows),
            Table("The heaviest imports by `-X importtime`, which itself takes time:", ("", "ms"), packages),
        ],
        [
            Goal(f"`{SERVE}`: the first answer", run.rounds(command=SERVE, metric="first answer s"), 2, " s"),
            Goal(f"`{SERVE}`: memory at rest", run.rounds(command=SERVE, metric="MB at rest"), 120, " MB"),
        ],
    )
