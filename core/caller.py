"""Caller: who asks. Its name is the key of fairness and of what may be cancelled."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """One share of the GPUs: an address (`ip:203.0.113.7`) or a Discord user (`discord:ID`)."""

    name: str
