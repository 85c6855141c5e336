"""Coordination: how several processes of one kind agree, without knowing each other.

Three things, in two homes behind one contract test suite: a claim that one of all who ask gets, once; a lease
that its owner renews; a value with a time to live. Names are the callers' own, `discord:lease:TICKET`.
"""

from typing import Protocol


class Coordination(Protocol):
    """Shared by all processes that have the same home; in memory, by this process alone.

    Every method raises QueueUnavailable while a home outside this process is away. Each is safe to repeat:
    a call whose answer was lost may be made again by the same `owner`.
    """

    async def claim(self, name: str, owner: str, *, ttl: float) -> bool:
        """True for the first owner who asks, and for nobody else within `ttl` seconds."""

    async def hold(self, name: str, owner: str, *, ttl: float) -> bool:
        """Take a lease, or renew one's own, for `ttl` seconds; False while another one holds it."""

    async def release(self, name: str, owner: str) -> None:
        """Let go of a lease before its time; does nothing to another one's."""

    async def put(self, kind: str, name: str, value: bytes, *, ttl: float) -> None:
        """Store a value for `ttl` seconds; it replaces the one before."""

    async def get(self, kind: str, name: str) -> bytes | None:
        """The value, or None where there is none (any more)."""

    async def delete(self, kind: str, name: str) -> None:
        """Drop a value, if it is there."""

    async def names(self, kind: str) -> list[str]:
        """Names of all values of this kind, by when they end; of one end, by when they were stored."""
