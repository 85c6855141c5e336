"""MemoryCoordination: the home within one process, where nobody else is to be agreed with."""

import time
from collections.abc import Callable
from typing import NamedTuple


class _Lease(NamedTuple):
    owner: str
    until: float


class _Value(NamedTuple):
    value: bytes
    until: float


class MemoryCoordination:
    """See core.coordination.Coordination for what each method promises."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._leases: dict[str, _Lease] = {}
        self._values: dict[tuple[str, str], _Value] = {}
        self._sweep_at = 64

    async def claim(self, name: str, owner: str, *, ttl: float) -> bool:
        """See Coordination.claim."""
        held = self._lease(name)
        if held is None:
            self._set(name, owner, ttl)
        return held is None or held.owner == owner

    async def hold(self, name: str, owner: str, *, ttl: float) -> bool:
        """See Coordination.hold."""
        held = self._lease(name)
        if held is not None and held.owner != owner:
            return False
        self._set(name, owner, ttl)
        return True

    async def release(self, name: str, owner: str) -> None:
        """See Coordination.release."""
        held = self._lease(name)
        if held is not None and held.owner == owner:
            del self._leases[name]

    async def put(self, kind: str, name: str, value: bytes, *, ttl: float) -> None:
        """See Coordination.put."""
        self._values.pop((kind, name), None)  # so that it is the last of those that end with it
        self._values[kind, name] = _Value(value, self._clock() + ttl)
        self._sweep()

    async def get(self, kind: str, name: str) -> bytes | None:
        """See Coordination.get."""
        found = self._values.get((kind, name))
        return found.value if found and found.until > self._clock() else None

    async def delete(self, kind: str, name: str) -> None:
        """See Coordination.delete."""
        self._values.pop((kind, name), None)

    async def names(self, kind: str) -> list[str]:
        """See Coordination.names."""
        now = self._clock()
        ends = {name: value.until for (of, name), value in self._values.items() if of == kind}
        return sorted((name for name in ends if ends[name] > now), key=ends.__getitem__)

    def _lease(self, name: str) -> _Lease | None:
        held = self._leases.get(name)
        return held if held and held.until > self._clock() else None

    def _set(self, name: str, owner: str, ttl: float) -> None:
        self._leases[name] = _Lease(owner, self._clock() + ttl)
        self._sweep()

    def _sweep(self) -> None:
        """Forget what is over, whenever the tables have doubled: so each call costs the same."""
        if len(self._leases) + len(self._values) < self._sweep_at:
            return
        now = self._clock()
        self._leases = {name: lease for name, lease in self._leases.items() if lease.until > now}
        self._values = {key: value for key, value in self._values.items() if value.until > now}
        self._sweep_at = max(64, 2 * (len(self._leases) + len(self._values)))
