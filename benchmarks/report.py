"""Report: keeps what each kind measured, and writes docs/performance.md of all of it.

One file a kind in `results/`: running one kind renews its chapter and leaves the others as they are.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.chapter import Chapter, goal_table, markdown
from benchmarks.chapters import CHAPTERS
from benchmarks.series import Run

HEAD = """\
# Performance

What the service costs, and how it compares with the alternatives. `.venv/bin/python -m benchmarks KIND`
measures one kind and updates this page; with `--dry` it only prints. `KIND` is one of
{kinds}.
A kind takes at most twenty minutes, or three with `--quick`. You need Linux, two cores, a C compiler and
`.venv/bin/pip install -e '.[bench]'`. If nginx is not installed, nginx and the original design are left out.

Everything runs on one machine over the loopback interface: what is measured on one core, all that measures
it on another. The systems compared run side by side in turns, for at least five rounds. **Only ratios within
one run tell you anything about another machine.**

## Goals

"""


def keep(run: Run, folder: Path) -> None:
    """Replace what is kept of this kind."""
    text = msgspec.json.format(msgspec.json.encode(_rounded(run)), indent=1)
    folder.mkdir(exist_ok=True)
    (folder / f"{run.kind}.json").write_bytes(text + b"\n")


def kept(folder: Path) -> list[Run]:
    """What is kept, in the order of the chapters."""
    files = [folder / f"{kind}.json" for kind in CHAPTERS]
    return [msgspec.json.decode(file.read_bytes(), type=Run) for file in files if file.exists()]


def page(runs: Sequence[Run], remarks: Path) -> str:
    """The whole page. `remarks` holds a file `KIND.md` where there is more to say about one."""
    told = [(run, CHAPTERS[run.kind](run)) for run in runs]
    goals = [goal for _, chapter in told for goal in chapter.goals]
    parts = [
        HEAD.format(kinds=", ".join(f"`{kind}`" for kind in CHAPTERS)) + markdown(goal_table(goals)),
        *(_chapter(run, chapter, remarks / f"{run.kind}.md") for run, chapter in told),
    ]
    return "\n\n".join(parts) + "\n"


def printed(run: Run) -> str:
    """What a terminal shows of one run."""
    chapter = CHAPTERS[run.kind](run)
    tables = [markdown(table) for table in (*chapter.tables, goal_table(chapter.goals))]
    return "\n\n".join([*tables, *run.notes])


def _chapter(run: Run, chapter: Chapter, remarks: Path) -> str:
    parts = [f"## {chapter.title}", chapter.words, *run.notes]
    parts += [markdown(table) for table in chapter.tables]
    if chapter.panels:
        parts.append(f"![{chapter.caption}](images/{plot_name(run)})")
    if remarks.exists():
        parts.append(remarks.read_text(encoding="utf-8").strip())
    parts.append(_how(run))
    return "\n\n".join(parts)


def plot_name(run: Run) -> str:
    """The file of a chapter's plots."""
    return f"performance-{run.kind}.png"


def _how(run: Run) -> str:
    command = f"python -m benchmarks {run.kind}" + (" --quick" if run.quick else "")
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return f"`{command}`, {run.date}, {run.minutes:.0f} min, {run.machine}. {versions}."


def _rounded(run: Run) -> Run:
    """Five digits are more than anything here is worth."""
    series = [
        msgspec.structs.replace(item, rounds=[float(f"{value:.5g}") for value in item.rounds])
        for item in run.series
    ]
    return msgspec.structs.replace(run, series=series)
