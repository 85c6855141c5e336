"""Series: what was measured of one thing, round by round, and what can be said of it. Pure."""

import math
from collections.abc import Sequence
from statistics import linear_regression, median
from typing import Any

import msgspec

Label = str | int | float


class Series(msgspec.Struct, frozen=True):
    """One metric of one thing: a figure for each round. The rounds of one run belong together."""

    labels: dict[str, Label]
    rounds: list[float]

    @property
    def median(self) -> float:
        """The figure that is quoted."""
        return median(self.rounds)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest."""
        return min(self.rounds), max(self.rounds)


class Run(msgspec.Struct, frozen=True):
    """One run of one kind, as it is kept."""

    kind: str
    quick: bool
    date: str
    minutes: float
    machine: str
    versions: dict[str, str]
    series: list[Series]
    notes: list[str] = []
    """What was left out, and why."""

    def find(self, **labels: Label) -> Series | None:
        """The one series with these labels among its own; None where that was not measured."""
        found = [series for series in self.series if labels.items() <= series.labels.items()]
        if len(found) > 1:
            raise LookupError(f"{len(found)} series have {labels}")
        return found[0] if found else None

    def rounds(self, **labels: Label) -> list[float]:
        """The figures of that series; none where it was not measured."""
        found = self.find(**labels)
        return found.rounds if found else []

    def values(self, name: str) -> list[Any]:
        """The values of a label, in the order in which they were first measured."""
        return list(dict.fromkeys(item.labels[name] for item in self.series if name in item.labels))


class Gathering:
    """Collects the figures of a run: one `add` a metric and round."""

    def __init__(self) -> None:
        self._rounds: dict[tuple[tuple[str, Label], ...], list[float]] = {}

    def add(self, value: float, **labels: Label) -> None:
        """The figure of one round."""
        self._rounds.setdefault(tuple(labels.items()), []).append(value)

    def add_all(self, values: dict[str, float], **labels: Label) -> None:
        """The figures of one round, by metric."""
        for metric, value in values.items():
            self.add(value, **labels, metric=metric)

    @property
    def series(self) -> list[Series]:
        """All of them."""
        return [Series(dict(labels), rounds) for labels, rounds in self._rounds.items()]


def ratio(ours: Series | None, theirs: Series | None) -> list[float]:
    """Round by round: what ran one after the other is compared, so the machine's moods cancel out.

    A round in which theirs is nothing or less (a difference of two delays may be) has no ratio.
    """
    if ours is None or theirs is None:
        return []
    return [one / other for one, other in zip(ours.rounds, theirs.rounds, strict=True) if other > 0]


def difference(ours: Series | None, theirs: Series | None) -> list[float]:
    """What ours has more than theirs, round by round for the same reason."""
    if ours is None or theirs is None:
        return []
    return [one - other for one, other in zip(ours.rounds, theirs.rounds, strict=True)]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies, by the nearest rank."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of a log-log fit: 0 is constant, 1 is linear."""
    fit = linear_regression([math.log(x) for x, _ in points], [math.log(y) for _, y in points])
    return fit.slope
