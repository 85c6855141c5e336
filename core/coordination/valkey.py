"""ValkeyCoordination: the home that all processes with one REDIS_URL share."""

from core.queues.valkey.store import Store


class ValkeyCoordination:
    """See core.coordination.Coordination for what each method promises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(self, name: str, owner: str, *, ttl: float) -> bool:
        """See Coordination.claim."""
        return bool(await self._store.call("claim_once", name, owner, _milliseconds(ttl)))

    async def hold(self, name: str, owner: str, *, ttl: float) -> bool:
        """See Coordination.hold."""
        return bool(await self._store.call("hold", name, owner, _milliseconds(ttl)))

    async def release(self, name: str, owner: str) -> None:
        """See Coordination.release."""
        await self._store.call("hold", name, owner, 0)

    async def put(self, kind: str, name: str, value: bytes, *, ttl: float) -> None:
        """See Coordination.put."""
        await self._store.call("value", kind, name, _milliseconds(ttl), value)

    async def get(self, kind: str, name: str) -> bytes | None:
        """See Coordination.get."""
        found: list[bytes] = await self._store.call("values", kind, name)
        return found[0] if found else None

    async def delete(self, kind: str, name: str) -> None:
        """See Coordination.delete."""
        await self._store.call("value", kind, name, 0)

    async def names(self, kind: str) -> list[str]:
        """See Coordination.names."""
        return [name.decode() for name in await self._store.call("values", kind)]


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
