"""Idle: the workers that wait for a job, one a backend, and whom to wake for one."""

import asyncio

from core.offers import Kind, Offer


class Idle:
    """One worker is woken for a job, not all: a wake that cannot be used is passed on."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Kind | None]] = {}
        self._ranked_of: tuple[Offer, ...] = ()
        self._ranked: dict[Kind, tuple[str, ...]] = {}
        """Who can do a job of a kind, by these offers, the best first: asked for with each job."""

    def __bool__(self) -> bool:
        """Whether any worker waits."""
        return bool(self._waiting)

    async def wait(self, backend: str) -> Kind | None:
        """Wait until there may be a job for this backend. Returns of what kind; None: of any."""
        woken: asyncio.Future[Kind | None] = asyncio.get_running_loop().create_future()
        self._waiting[backend] = woken
        try:
            return await woken
        except asyncio.CancelledError:
            if not woken.cancelled():  # the job that this backend was woken for is another one's now
                self.wake_all()
            raise
        finally:
            if self._waiting.get(backend) is woken:
                del self._waiting[backend]

    def wake(self, kind: Kind, offers: tuple[Offer, ...], avoid: str | None = None) -> None:
        """Wake one that can do a job of this kind: one that has the model loaded, then the fastest.

        `avoid` comes last: where others can do the job, it may not get it yet.
        """
        if offers is not self._ranked_of:
            self._ranked_of, self._ranked = offers, {}
        ranked = self._ranked.get(kind)
        if ranked is None:
            able = [offer for offer in offers if offer.usable and offer.accepts(kind)]
            able.sort(key=lambda offer: (not offer.has_loaded(kind), offer.pace or float("inf")))
            ranked = self._ranked[kind] = tuple(offer.backend for offer in able)
        if avoid is not None:
            ranked = tuple(sorted(ranked, key=lambda backend: backend == avoid))
        for backend in ranked:
            if backend in self._waiting:
                woken = self._waiting.pop(backend)
                if not woken.done():
                    woken.set_result(kind)
                    return

    def wake_all(self) -> None:
        """Wake everybody, to look again."""
        for woken in self._waiting.values():
            if not woken.done():
                woken.set_result(None)
        self._waiting.clear()
