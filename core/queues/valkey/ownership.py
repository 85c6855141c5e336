"""ValkeyOwnership: which worker process has which backend. See core.worker.fleet.Ownership."""

from collections.abc import Sequence

from core.queues.valkey.store import Store


class ValkeyOwnership:
    """Leases of LEASE_TTL, renewed by `own`; in a gap in which Valkey was away none of them lapses."""

    def __init__(self, store: Store, process: str) -> None:
        self._store = store
        self._process = process

    async def own(self, wanted: Sequence[str], giving: Sequence[str]) -> tuple[set[str], list[str], float]:
        """See Ownership.own."""
        others = [name for name in wanted if name not in giving]
        answer = await self._store.insist("own", self._process, len(giving), *giving, *others)
        owned, given, milliseconds = answer
        return {name.decode() for name in owned}, [name.decode() for name in given], milliseconds / 1000

    async def disown(self, backends: Sequence[str]) -> None:
        """See Ownership.disown."""
        if backends:
            await self._store.attempt("disown", self._process, *backends)

    async def resign(self) -> None:
        """See Ownership.resign. If the queue is away, the leases lapse."""
        await self._store.attempt("disown", self._process)
