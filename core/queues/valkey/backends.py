"""Backends: what this process knows of the painting servers, and of the queue's clock."""

from collections.abc import Callable, Sequence

from core.offers import Offer, paces_of
from core.queues.place import busy_seconds
from core.queues.valkey.records import decode_offers, decode_run
from core.queues.valkey.store import Store


class Backends:
    """What they offer and what runs on them, as the last pulse or a later call found it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.offers: tuple[Offer, ...] = ()
        """Of all of them, usable or not, by name."""
        self._runs: list[tuple[str, float, float]] = []
        """Backend, when it began (on our clock), cost of what runs."""
        self._offset = 0.0
        """What the queue's clock is ahead of ours, in seconds."""

    @property
    def own_clock(self) -> float:
        """Ours, which no failover moves, in seconds."""
        return self._clock()

    @property
    def server_clock(self) -> float:
        """The queue's clock now, in seconds."""
        return self._clock() + self._offset

    @property
    def takers(self) -> list[Offer]:
        """The offers of those that paint, or will in a moment."""
        return [offer for offer in self.offers if offer.takes_work]

    @property
    def moves_work(self) -> bool:
        """Whether time alone changes how much work is ahead of a job, and not only how soon that is done.

        Where not all can do the same, what some of them share goes to whoever is free sooner.
        """
        return bool(self._runs) and len({(offer.models, offer.samplers) for offer in self.takers}) > 1

    async def ask(self, store: Store) -> tuple[Offer, ...]:
        """Their offers as they are now. Raises QueueUnavailable."""
        self.offers = decode_offers(await store.call("offers"))
        return self.offers

    def busy(self) -> dict[str, float]:
        """How many seconds each one that paints will go on."""
        return busy_seconds(self._runs, paces_of(self.offers), self._clock())

    def note(self, server_clock: float, offers: tuple[Offer, ...], runs: Sequence[bytes]) -> None:
        """What the pulse found."""
        self._offset = server_clock - self._clock()
        self.offers = offers
        self.note_runs(runs)

    def note_runs(self, runs: Sequence[bytes]) -> None:
        """What runs, as place.lua says it."""
        self._runs = [(backend, began - self._offset, cost) for backend, began, cost in map(decode_run, runs)]
