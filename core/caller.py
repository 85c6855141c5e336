"""Caller: who asks. Its name is the key of fairness and of what may be cancelled."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """One share of the GPUs: an address (`ip:203.0.113.7`), later a key's name or `discord:ID`."""

    name: str
