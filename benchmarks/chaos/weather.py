"""Weather: the processes of a storm, and who kills them."""

import asyncio
import random
import time
from itertools import count

import aiohttp

from benchmarks.chaos.plan import Plan
from benchmarks.chaos.report import Report
from benchmarks.chaos.witness import LOOK_SECONDS, Witness
from tests.doubles.a1111 import A1111Double
from tests.doubles.shared_fixture import FrontEnd, House, Running


class Weather:
    """Whoever is killed is started again in the same place."""

    def __init__(
        self,
        plan: Plan,
        house: House,
        servers: list[A1111Double],
        witness: Witness,
        chance: random.Random,
        report: Report,
    ) -> None:
        self.front_ends: list[FrontEnd] = []
        self._plan = plan
        self._house = house
        self._servers = servers
        self._witness = witness
        self._chance = chance
        self._report = report
        self._starting: set[int] = set()
        """Places of front ends that were killed and do not listen yet."""
        self._workers: list[Running] = []

    async def begin(self) -> None:
        """Start everything, and wait until all servers can be used."""
        self.front_ends = [await self._house.front_end() for _ in range(self._plan.front_ends)]
        self._workers = [await self._house.worker(*self._servers) for _ in range(self._plan.workers)]
        await self._house.until_paints(self.front_ends[0], self._plan.servers)

    async def strike(self) -> None:
        """Kill somebody every few seconds; ends by being cancelled."""
        kills = {
            round((n + 1) * self._strikes / (self._plan.valkey_kills + 1))
            for n in range(self._plan.valkey_kills)
        }
        async with asyncio.TaskGroup() as group:
            for number in count():
                await asyncio.sleep(self._plan.kill_every)
                if number in kills:
                    group.create_task(self._kill_valkey())
                elif self._chance.randrange(len(self._workers) + len(self.front_ends)) < len(self._workers):
                    group.create_task(self._kill_worker())
                else:
                    group.create_task(self._kill_front_end())

    # --- inside

    @property
    def _strikes(self) -> float:
        """About how many there will be."""
        plan = self._plan
        return plan.jobs * plan.picture_seconds / plan.servers / plan.kill_every

    async def _kill_worker(self) -> None:
        place = self._chance.randrange(len(self._workers))
        worker = self._workers[place]
        worker.kill()
        death = self._witness.death()
        self._report.killed["workers"] += 1
        self._workers[place] = await self._house.starting_worker(*self._servers)
        await self._witness.see_taken_over(f"-{worker.process.pid}-".encode(), death)

    async def _kill_front_end(self) -> None:
        standing = [place for place in range(len(self.front_ends)) if place not in self._starting]
        if not standing:
            return
        place = self._chance.choice(standing)
        self._starting.add(place)
        self.front_ends[place].kill()
        self._report.killed["front ends"] += 1
        front_end = await self._house.starting_front_end()
        await self._house.listens(front_end)
        self.front_ends[place] = front_end
        self._starting.remove(place)

    async def _kill_valkey(self) -> None:
        self._house.valkey.kill()
        self._witness.valkey_turned()
        self._report.killed["Valkey"] += 1
        await asyncio.sleep(self._plan.valkey_away)
        await self._house.valkey.start()
        self._witness.valkey_turned()
        back = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for front_end in list(self.front_ends):
                group.create_task(self._see_serving(front_end, back))

    async def _see_serving(self, front_end: FrontEnd, back: float) -> None:
        """Note when it serves; one that is killed meanwhile says nothing."""
        while front_end in self.front_ends:
            try:
                if (await front_end.get("/status")).status == 200:
                    self._report.served_again_after.append(time.monotonic() - back)
                    return
            except (aiohttp.ClientError, ConnectionError):
                return
            await asyncio.sleep(LOOK_SECONDS)
