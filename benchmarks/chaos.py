"""`python -m benchmarks.chaos [--jobs N]`: kill everything again and again, and see that no picture is lost.

Clients of 50 callers ask for pictures through three front ends; four workers paint on eight simulated
servers. Every two seconds one of these processes, at random, is killed with -9 and started again; Valkey is
killed and restarted twice. Half of the clients wait for their answer and repeat it with the same
Idempotency-Key wherever it broke; the others take an id and fetch the picture later, through any front end.

Every accepted job must end in exactly one accepted finish, with the picture that was asked for: its own text
and seed. That is read from the clients' answers, from what Valkey published, and from its records at the end.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import aiohttp
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tests.doubles.a1111 import A1111Double
from tests.doubles.pictures import prompt_of, seed_of
from tests.doubles.shared_fixture import FrontEnd, House, Running

PREFIX = "{sd}:"
AGAIN = {"queue_unavailable", "shutting_down", "no_backend", "queue_full"}
"""What a client meets by asking again."""
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """How large the storm is. Seconds are those of the clock, a picture is painted in four steps."""

    jobs: int = 2000
    callers: int = 50
    front_ends: int = 3
    workers: int = 4
    servers: int = 8
    picture_seconds: float = 0.8
    kill_every: float = 2.0
    valkey_kills: int = 2
    valkey_away: float = 1.0


@dataclass(slots=True)
class Report:
    """What came of it."""

    accepted: int = 0
    pictures: int = 0
    seconds: float = 0.0
    asked_again: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """Whatever must not be: a job that was lost, a wrong picture, two ends of one job."""
    begun: Counter[int] = field(default_factory=Counter)
    """How many jobs were begun so often."""
    overlaps: int = 0
    """Pictures that were asked of a server while it painted another one for us."""
    died_with: int = 0
    """Jobs that a worker had in hand when it was killed."""
    back_after: list[float] = field(default_factory=list)
    """Seconds from the death of a worker until what it had was first in line again, with Valkey there."""
    begun_again_after: list[float] = field(default_factory=list)
    """The same until it was begun again: a server must be free for it."""
    owned_again_after: list[float] = field(default_factory=list)
    """The same until all its servers had another owner."""
    served_again_after: list[float] = field(default_factory=list)
    """Seconds from the return of Valkey until every front end serves again."""

    @property
    def begun_again(self) -> int:
        """Beginnings beyond the first of each job."""
        return sum((times - 1) * count for times, count in self.begun.items())

    def told(self) -> str:
        """In words, as the docs quote it."""
        return "\n".join(
            [
                f"{self.accepted} jobs accepted, {self.pictures} pictures, in {self.seconds:.0f} s; "
                f"clients asked {self.asked_again} times again",
                "killed: " + ", ".join(f"{count} {name}" for name, count in sorted(self.killed.items())),
                "begun: " + ", ".join(f"{count} jobs {n} times" for n, count in sorted(self.begun.items())),
                f"begun more than once: {self.begun_again}; workers died with {self.died_with}",
                f"first in line again after the death of a worker: {_spread(self.back_after)}",
                f"begun again after it: {_spread(self.begun_again_after)}",
                f"its servers owned again after it: {_spread(self.owned_again_after)}",
                f"served again after the return of Valkey: {_spread(self.served_again_after)}",
                f"overlaps on a server: {self.overlaps}",
                "faults: " + ("none" if not self.faults else "; ".join(self.faults[:20])),
            ]
        )


async def storm(plan: Plan, chance: random.Random) -> Report:
    """Live through it."""
    async with AsyncExitStack() as stack:
        step = plan.picture_seconds / 4
        servers = [
            await stack.enter_async_context(A1111Double(step_seconds=step)) for _ in range(plan.servers)
        ]
        house = await stack.enter_async_context(
            House(LEASE_TTL="3", MAX_QUEUE="100000", MAX_JOBS_PER_USER="10000", RESULT_TTL="3600")
        )
        house.loud = False
        weather = Weather(plan, house, servers, chance)
        await weather.begin()
        audit = await stack.enter_async_context(_listening(house.valkey.url))
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            lightning = group.create_task(weather.strike())
            saying = group.create_task(weather.say())
            async with asyncio.TaskGroup() as clients:
                for number in range(plan.jobs):
                    clients.create_task(weather.client(number))
            lightning.cancel()
            saying.cancel()
        weather.report.seconds = time.monotonic() - began
        weather.report.overlaps = sum(server.overlaps for server in servers)
        await weather.judge(audit)
        return weather.report


class Weather:
    """The processes, who kills them, and the clients."""

    def __init__(self, plan: Plan, house: House, servers: list[A1111Double], chance: random.Random) -> None:
        self.report = Report()
        self._plan = plan
        self._house = house
        self._servers = servers
        self._chance = chance
        self._front_ends: list[FrontEnd] = []
        self._starting: set[int] = set()
        """Places of front ends that were killed and do not listen yet."""
        self._workers: list[Running] = []
        self._ids: dict[int, str] = {}
        self._turns = 0
        """How often Valkey went or came; odd while it is away."""
        # A connection from before Valkey's death lies in redis-py's pool, and breaks off once it is used.
        # Any: redis-py's types do not tell await from not.
        self._valkey: Any = Redis.from_url(house.valkey.url, retry=Retry(NoBackoff(), 1))

    async def begin(self) -> None:
        """Start everything, and wait until all servers can be used."""
        self._front_ends = [await self._house.front_end() for _ in range(self._plan.front_ends)]
        self._workers = [await self._house.worker(*self._servers) for _ in range(self._plan.workers)]
        await self._house.until_paints(self._front_ends[0], self._plan.servers)

    async def client(self, number: int) -> None:
        """One who wants one picture, and asks until it is there."""
        prompt, seed = f"picture {number} of the storm", 10_000 + number
        query = {"input": prompt, "seed": str(seed), "steps": "4"}
        caller = f"203.0.113.{number % self._plan.callers + 1}"
        headers = {"Idempotency-Key": f"key-{number}"}
        if number % 2:
            headers["Prefer"] = "respond-async"
        answer = await self._until_answered("/text", caller, headers, query)
        if answer is None:
            return
        self.report.accepted += 1
        self._ids[number] = answer["id"]
        while answer is not None and "image-base64" not in answer:
            answer = await self._until_answered(f"/jobs/{answer['id']}", caller, {"Prefer": "wait=5"}, {})
            if answer is not None and answer.get("state") in {"failed", "cancelled"}:
                self.report.faults.append(f"job {number} ended as {answer}")
                return
        if answer is not None:
            self._check(number, answer, prompt, seed)

    async def strike(self) -> None:
        """Kill somebody every few seconds; ends by being cancelled."""
        kills = {
            round((n + 1) * self._strikes / (self._plan.valkey_kills + 1))
            for n in range(self._plan.valkey_kills)
        }
        async with asyncio.TaskGroup() as group:
            for number in range(1_000_000):
                await asyncio.sleep(self._plan.kill_every)
                if number in kills:
                    group.create_task(self._kill_valkey())
                elif self._chance.random() < len(self._workers) / (
                    len(self._workers) + len(self._front_ends)
                ):
                    group.create_task(self._kill_worker())
                else:
                    group.create_task(self._kill_front_end())

    async def say(self) -> None:
        """How far it is, on standard error; ends by being cancelled."""
        while True:
            await asyncio.sleep(10)
            report = self.report
            print(
                f"{report.pictures} of {self._plan.jobs} pictures, {report.killed.total()} killed, "
                f"{len(report.faults)} faults",
                file=sys.stderr,
            )

    async def judge(self, audit: dict[str, set[int]]) -> None:
        """What Valkey says of each job, and what it said."""
        for number, id in self._ids.items():
            state, attempts, end = await self._valkey.hmget(f"{PREFIX}j:{id}", "state", "attempts", "end")
            if state != b"ended" or not (end or b"").startswith(b"C"):
                self.report.faults.append(f"job {number} is {state!r} at the end")
                continue
            self.report.begun[int(attempts)] += 1
            if len(audit[id]) > 1:
                self.report.faults.append(f"job {number} ended {len(audit[id])} times")
        await self._valkey.aclose()

    # --- inside

    @property
    def _strikes(self) -> float:
        """About how many there will be."""
        plan = self._plan
        return plan.jobs * plan.picture_seconds / plan.servers / plan.kill_every

    async def _until_answered(
        self, path: str, caller: str, headers: dict[str, str], query: dict[str, str]
    ) -> dict[str, str] | None:
        """The JSON of an answer that is none of a fault that passes; None for another one."""
        while True:
            front_end = self._chance.choice(self._front_ends)
            try:
                answer = await front_end.ask("GET", path, caller=caller, headers=headers, **query)
            except (aiohttp.ClientError, ConnectionError):
                self.report.asked_again += 1
                await asyncio.sleep(0.2)
                continue
            words: dict[str, str] = answer.json
            if answer.status in {200, 202}:
                return words
            if words["code"] not in AGAIN:
                self.report.faults.append(f"{path}: {answer.status} {words}")
                return None
            self.report.asked_again += 1
            await asyncio.sleep(0.5)

    def _check(self, number: int, answer: dict[str, str], prompt: str, seed: int) -> None:
        picture = answer["image-base64"].encode()
        if (answer["id"], prompt_of(picture), seed_of(picture)) != (self._ids[number], prompt, seed):
            self.report.faults.append(f"job {number} got the picture {prompt_of(picture)!r}")
        self.report.pictures += 1

    async def _kill_worker(self) -> None:
        place = self._chance.randrange(len(self._workers))
        worker = self._workers[place]
        worker.kill()
        died, turns = time.monotonic(), self._turns
        self.report.killed["workers"] += 1
        self._workers[place] = await self._house.starting_worker(*self._servers)
        had, owned = await self._left_by(f"-{worker.process.pid}-".encode())
        self.report.died_with += len(had)
        async with asyncio.TaskGroup() as group:
            if turns % 2 == 0:  # else it says nothing: with Valkey's return leases start anew
                group.create_task(self._see_owned_again(owned, died, turns))
                for id, fence in had.items():
                    group.create_task(self._see_begun_again(id, fence, died, turns))

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

    async def _see_owned_again(self, owned: dict[bytes, bytes], died: float, turns: int) -> None:
        """Note when all of them have another owner; where Valkey went away meanwhile that says nothing."""
        while time.monotonic() - died < 60:
            try:
                owners = await self._valkey.hgetall(f"{PREFIX}owner")
            except (RedisError, OSError):
                return
            if turns != self._turns or not owned:
                return
            if all(owners.get(server, owner) != owner for server, owner in owned.items()):
                self.report.owned_again_after.append(time.monotonic() - died)
                return
            await asyncio.sleep(LOOK_SECONDS)
        self.report.faults.append("the servers of a dead worker had no other owner within a minute")

    async def _see_begun_again(self, id: str, fence: bytes, died: float, turns: int) -> None:
        """Note when somebody else has it; where Valkey went away meanwhile that says nothing."""
        back: float | None = None
        while time.monotonic() - died < 60:
            try:
                state, now = await self._valkey.hmget(f"{PREFIX}j:{id}", "state", "fence")
            except (RedisError, OSError):
                return
            if turns != self._turns or state is None or (state == b"ended" and now == fence):
                return
            if back is None and (state != b"running" or now != fence):
                back = time.monotonic() - died
                self.report.back_after.append(back)
            if now != fence:
                self.report.begun_again_after.append(time.monotonic() - died)
                return
            await asyncio.sleep(LOOK_SECONDS)
        self.report.faults.append(f"{id} was not begun again within a minute")

    async def _kill_front_end(self) -> None:
        standing = [place for place in range(len(self._front_ends)) if place not in self._starting]
        if not standing:
            return
        place = self._chance.choice(standing)
        self._starting.add(place)
        self._front_ends[place].kill()
        self.report.killed["front ends"] += 1
        front_end = await self._house.starting_front_end()
        await self._house.listens(front_end)
        self._front_ends[place] = front_end
        self._starting.remove(place)

    async def _kill_valkey(self) -> None:
        self._house.valkey.kill()
        self._turns += 1
        self.report.killed["Valkey"] += 1
        await asyncio.sleep(self._plan.valkey_away)
        await self._house.valkey.start()
        self._turns += 1
        back = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for front_end in list(self._front_ends):
                group.create_task(self._see_serving(front_end, back))

    async def _see_serving(self, front_end: FrontEnd, back: float) -> None:
        while front_end in self._front_ends:
            try:
                if (await front_end.get("/status")).status == 200:
                    self.report.served_again_after.append(time.monotonic() - back)
                    return
            except (aiohttp.ClientError, ConnectionError):
                return  # it was killed
            await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def _listening(url: str) -> AsyncIterator[dict[str, set[int]]]:
    """Every end that Valkey publishes, by job: the versions at which it ended."""
    ends: dict[str, set[int]] = defaultdict(set)

    async def listen() -> None:
        # No time-out of redis-py: on Python 3.11 it swallows cancellations.
        async with Redis.from_url(url, socket_timeout=None) as client, client.pubsub() as subscription:
            await subscription.psubscribe(f"{PREFIX}p:*")
            while True:
                message = await subscription.parse_response(block=False, timeout=1)
                if message is not None and message[0] == b"pmessage" and message[3].startswith(b"E\n"):
                    _, id, version, _ = message[3].split(b"\n", 3)
                    ends[id.decode()].add(int(version))

    async def listen_again() -> None:
        while True:
            try:
                await listen()
            except (RedisError, OSError):
                await asyncio.sleep(0.1)

    task = asyncio.create_task(listen_again())
    try:
        yield ends
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "not seen"
    return f"median {median(seconds):.2f} s, at most {max(seconds):.2f} s ({len(seconds)} times)"


def main() -> None:
    """Run it, and print what came of it; exit code 1 where something was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description="Kill everything.")
    parser.add_argument("--jobs", type=int, default=Plan().jobs)
    parser.add_argument("--seed", type=int, default=1, help="of who is killed when")
    options = parser.parse_args()
    report = asyncio.run(storm(Plan(jobs=options.jobs), random.Random(options.seed)))
    print(report.told())
    raise SystemExit(bool(report.faults))


if __name__ == "__main__":
    main()
