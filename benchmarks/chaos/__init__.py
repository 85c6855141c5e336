"""`python -m benchmarks.chaos [--jobs N]`: kill everything again and again, and see that no picture is lost.

Clients of 50 callers ask for pictures through three front ends; four workers paint on eight simulated
servers. Every two seconds one of the front ends and workers, at random, is killed with -9 and started again;
Valkey is killed and restarted twice. Half of the clients wait for their answer and repeat it with the same
Idempotency-Key wherever it broke; the others take an id and fetch the picture later, through any front end.

Every accepted job must end in exactly one accepted finish, with the picture that was asked for: its own text
and seed. That is read from the clients' answers, from what Valkey published, and from its records and counts
at the end.
"""

from benchmarks.chaos.plan import Plan
from benchmarks.chaos.storm import storm

__all__ = ["Plan", "storm"]
