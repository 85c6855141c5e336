"""Chapter: what one kind tells, as Markdown: words, tables, goals, pictures. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.series import Series

MISSING = "-"


@dataclass(frozen=True, slots=True)
class Table:
    """A table with the words above it."""

    words: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the goals: a figure of each round, and the bound of their median."""

    what: str
    rounds: Sequence[float]
    bound: float
    unit: str = ""
    at_least: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the median keeps the bound; None where it was not measured."""
        if not self.rounds:
            return None
        return self._keeps(median(self.rounds))

    @property
    def verdict(self) -> str:
        """The word, and whether all rounds agree on it: else the next run may tell another one."""
        if self.reached is None:
            return "not measured"
        word = "reached" if self.reached else "**missed**"
        agreed = len({self._keeps(figure) for figure in self.rounds}) == 1
        return word if agreed else f"{word}, not in every round"

    def _keeps(self, figure: float) -> bool:
        return figure >= self.bound if self.at_least else figure <= self.bound

    @property
    def row(self) -> tuple[str, str, str, str]:
        """What, the bound, the figure with its spread, the word."""
        bound = f"at {'least' if self.at_least else 'most'} {number(self.bound)}{self.unit}"
        if not self.rounds:
            return self.what, bound, MISSING, self.verdict
        low, high = number(min(self.rounds)), number(max(self.rounds))
        figure = f"{number(median(self.rounds))}{self.unit} ({low} to {high})"
        return self.what, bound, figure, self.verdict


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot: points with the least and the greatest beside each."""

    name: str
    points: Sequence[tuple[float, Series]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: lines over x, both scales logarithmic, or (without `x_label`) one bar a line."""

    title: str
    y_label: str
    lines: Sequence[Line]
    x_label: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """Everything that a kind tells."""

    title: str
    words: str
    tables: Sequence[Table]
    goals: Sequence[Goal]
    panels: Sequence[Panel] = ()
    """They go side by side into one picture."""
    caption: str = ""


GOAL_HEAD = ("What", "Goal", "Measured: median (spread)", "")


def number(value: float) -> str:
    """Three digits that say something: 1,234, 56.7, 0.089."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.2g}"


def cell(series: Series | None, *, spread: bool = True) -> str:
    """A median with its spread."""
    if series is None:
        return MISSING
    low, high = (number(value) for value in series.spread)
    return f"{number(series.median)} ({low} to {high})" if spread else number(series.median)


def markdown(table: Table) -> str:
    """A table as it stands in the docs and, well enough, in a terminal: padded to even columns."""
    rows = [tuple(table.head), *map(tuple, table.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.head))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([*([table.words, ""] if table.words else []), lines[0], rule, *lines[1:]])


def goal_table(goals: Sequence[Goal]) -> Table:
    """The goals as a table."""
    return Table("", GOAL_HEAD, [goal.row for goal in goals])
