"""Witness: what Valkey says of the jobs and of the servers while everything else dies."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from benchmarks.chaos.report import Report

PREFIX = "{sd}:"
LOOK_SECONDS = 0.05
TAKEN_OVER_WITHIN = 60.0
"""Seconds after a worker's death; what takes longer is a fault."""


@dataclass(frozen=True, slots=True)
class Death:
    """Of a worker: when, by time.monotonic, and how often Valkey had gone or come until then."""

    at: float
    turns: int


@asynccontextmanager
async def witnessing(url: str, report: Report) -> AsyncIterator["Witness"]:
    """One who watches this Valkey for a report."""
    # A connection from before Valkey's death lies in redis-py's pool, and breaks off once it is used.
    async with Redis.from_url(url, retry=Retry(NoBackoff(), 1)) as valkey:
        witness = Witness(valkey, report)
        hearing = asyncio.create_task(witness.hear(url))
        try:
            yield witness
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)


class Witness:
    """Sees what becomes of the dead workers' work, and how each job ends.

    Where Valkey itself goes away meanwhile no times are noted: with its return leases start anew.
    """

    # Any: redis-py's types do not tell await from not.
    def __init__(self, valkey: Any, report: Report) -> None:
        self._valkey = valkey
        self._report = report
        self._turns = 0
        """How often Valkey went or came; odd while it is away."""
        self._ends: dict[str, set[int]] = defaultdict(set)
        """The versions of a job at which it ended, as Valkey published them."""

    def valkey_turned(self) -> None:
        """Valkey went away, or came back."""
        self._turns += 1

    def death(self) -> Death:
        """A worker has just been killed."""
        return Death(time.monotonic(), self._turns)

    async def see_taken_over(self, name: bytes, death: Death) -> None:
        """Note when others have what the dead worker with this name in its own had: jobs and servers."""
        jobs, servers = await self._left_by(name)
        self._report.died_with += len(jobs)
        if death.turns % 2 == 0:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._see_owned_again(servers, death))
                for id, fence in jobs.items():
                    group.create_task(self._see_begun_again(id, fence, death))

    async def judge(self, ids: dict[int, str]) -> None:
        """What Valkey says at the end of each client's job, and what it said.

        Nobody is told of a second end, as nobody watches the job any more: its record has another version
        then. An end that was not heard has a count that shows it: each takes one from those that wait or run.
        """
        fields = ("state", "attempts", "end", "version")
        for number, id in ids.items():
            state, attempts, end, version = await self._valkey.hmget(f"{PREFIX}j:{id}", *fields)
            if state != b"ended" or not (end or b"").startswith(b"C"):
                self._report.faults.append(f"job {number} is {state!r} at the end")
                continue
            self._report.begun[int(attempts)] += 1
            if (heard := self._ends.get(id)) and heard != {int(version)}:
                self._report.faults.append(f"job {number} ended more than once")
        if not self._ends:
            self._report.faults.append("the witness heard of no end")
        waiting = int(await self._valkey.hget(f"{PREFIX}s", "waiting"))
        running = await self._valkey.hlen(f"{PREFIX}on")
        if waiting or running:
            self._report.faults.append(f"by Valkey's counts {waiting} jobs wait and {running} run at the end")

    async def hear(self, url: str) -> None:
        """Hear of every end, whenever Valkey is there; ends by being cancelled, or it is a fault."""
        while True:
            try:
                await self._hear(url)
            except (RedisError, OSError):
                await asyncio.sleep(0.1)
            except Exception as error:  # in silence it would find all well from now on
                self._report.faults.append(f"the witness hears no more: {error!r}")
                raise

    # --- inside

    async def _hear(self, url: str) -> None:
        # No time-out of redis-py: on Python 3.11 it swallows cancellations.
        async with Redis.from_url(url, socket_timeout=None) as client, client.pubsub() as subscription:
            await subscription.psubscribe(f"{PREFIX}p:*")
            while True:
                message = await subscription.parse_response(block=False, timeout=1)
                if message is not None and message[0] == b"pmessage" and message[3].startswith(b"E\n"):
                    _, id, version, _ = message[3].split(b"\n", 3)
                    self._ends[id.decode()].add(int(version))
                    self._report.heard = len(self._ends)

    async def _left_by(self, name: bytes) -> tuple[dict[str, bytes], dict[bytes, bytes]]:
        """The jobs that a dead worker still has, each with its fence, and its servers, each with its owner.

        They are its own until its leases end, so nothing is missed; Valkey is waited for.
        """
        while True:
            try:
                jobs = {}
                for id in await self._valkey.hkeys(f"{PREFIX}on"):
                    process, fence = await self._valkey.hmget(f"{PREFIX}j:{id.decode()}", "process", "fence")
                    if name in (process or b""):
                        jobs[id.decode()] = fence
                owners = await self._valkey.hgetall(f"{PREFIX}owner")
            except (RedisError, OSError):
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return jobs, {server: owner for server, owner in owners.items() if name in owner}

    async def _see_owned_again(self, owned: dict[bytes, bytes], death: Death) -> None:
        """Note when all of these servers have another owner."""
        while time.monotonic() - death.at < TAKEN_OVER_WITHIN:
            try:
                owners = await self._valkey.hgetall(f"{PREFIX}owner")
            except (RedisError, OSError):
                return
            if death.turns != self._turns or not owned:
                return
            if all(owners.get(server, owner) != owner for server, owner in owned.items()):
                self._report.owned_again_after.append(time.monotonic() - death.at)
                return
            await asyncio.sleep(LOOK_SECONDS)
        self._report.faults.append("the servers of a dead worker had no other owner within a minute")

    async def _see_begun_again(self, id: str, fence: bytes, death: Death) -> None:
        """Note when somebody else has this job."""
        back: float | None = None
        while time.monotonic() - death.at < TAKEN_OVER_WITHIN:
            try:
                state, now = await self._valkey.hmget(f"{PREFIX}j:{id}", "state", "fence")
            except (RedisError, OSError):
                return
            if death.turns != self._turns or state is None or (state == b"ended" and now == fence):
                return
            if back is None and (state != b"running" or now != fence):
                back = time.monotonic() - death.at
                self._report.back_after.append(back)
            if now != fence:
                self._report.begun_again_after.append(time.monotonic() - death.at)
                return
            await asyncio.sleep(LOOK_SECONDS)
        self._report.faults.append(f"{id} was not begun again within a minute")
