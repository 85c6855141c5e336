"""Place: where a waiting job stands, and how long it will take. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.eta import Outlook
from core.events import Queued
from core.offers import Kind, Offer, paces_of


@dataclass(frozen=True, slots=True)
class Place:
    """What a position and an estimate are made of: jobs and work (cost units) ahead, and the job itself."""

    ahead: int
    work: float
    kind: Kind
    cost: float
    attempt: int

    def as_event(self, offers: Iterable[Offer], busy: Mapping[str, float]) -> Queued:
        """The event that tells of it; `busy` is how many seconds each backend that paints will go on."""
        expected = outlook(paces_for(self.kind, offers), busy)
        return queued_event(expected, self.ahead, self.work, self.cost, self.attempt)


def queued_event(outlook: Outlook, ahead: int, work: float, cost: float, attempt: int) -> Queued:
    """The event that tells of a place, by the outlook for its kind of jobs.

    In hundredths of a second, as it is shown: what a watcher could not tell apart is no news.
    """
    eta = outlook.until_picture(cost, ahead, work)
    return Queued(ahead, None if eta is None else round(eta, 2), attempt)


def busy_seconds(
    runs: Iterable[tuple[str, float, float]], paces: Mapping[str, float], now: float
) -> dict[str, float]:
    """How many seconds each backend that paints will go on, by its own pace, or by the usual one.

    `runs`: backend, when it began by the same clock as `now`, and cost of what runs; two of one backend where
    the last picture is still on its way to the queue.
    """
    busy: dict[str, float] = {}
    for backend, began, cost in runs:
        left = began + paces.get(backend, 0.0) * cost - now
        if left > busy.setdefault(backend, 0.0):
            busy[backend] = left
    return busy


def paces_for(kind: Kind, offers: Iterable[Offer]) -> dict[str, float]:
    """Seconds per cost unit of each backend that can paint jobs of a kind."""
    return paces_of([offer for offer in offers if offer.accepts(kind)])


def outlook(paces: Mapping[str, float], busy: Mapping[str, float]) -> Outlook:
    """What jobs have to expect of the backends that can paint them, by their paces."""
    return Outlook([(pace, busy.get(backend, 0.0)) for backend, pace in paces.items()])
