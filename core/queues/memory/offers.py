"""The offers of all backends, each for as long as it holds."""

from core.offers import Offer, paces_of


class Offers:
    """The offers that have not lapsed."""

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._offers: dict[str, tuple[Offer, float]] = {}
        self._all: tuple[Offer, ...] = ()
        self._takers: tuple[Offer, ...] = ()
        self._paces: dict[str, float] = {}
        self._until = float("-inf")
        """When the next one of these lapses."""

    def put(self, offer: Offer, now: float) -> None:
        """Replace a backend's offer."""
        self._offers[offer.backend] = (offer, now + self._ttl)
        self._until = float("-inf")

    def get(self, backend: str, now: float) -> Offer | None:
        """A backend's offer, if it may be claimed for now."""
        offer, until = self._offers.get(backend, (None, 0.0))
        return offer if offer and offer.usable and until > now else None

    def all(self, now: float) -> tuple[Offer, ...]:
        """Every offer that has not lapsed, usable or not; the same tuple until one of them changes."""
        self._look(now)
        return self._all

    def takers(self, now: float) -> tuple[Offer, ...]:
        """Those of backends that paint, or will in a moment; the same tuple until one of them changes."""
        self._look(now)
        return self._takers

    def paces(self, now: float) -> dict[str, float]:
        """Seconds per cost unit of each backend: see `paces_of`."""
        self._look(now)
        return self._paces

    def _look(self, now: float) -> None:
        """Asked for with each job: so it is only made anew when an offer came or lapsed."""
        if now < self._until:
            return
        held = [(offer, until) for offer, until in self._offers.values() if until > now]
        self._all = tuple(offer for offer, _ in held)
        self._takers = tuple(offer for offer in self._all if offer.takes_work)
        self._paces = paces_of(self._all)
        self._until = min((until for _, until in held), default=float("inf"))
