"""Storm: clients ask while the weather kills; then the witness is heard."""

import asyncio
import random
import sys
import time
from contextlib import AsyncExitStack

from benchmarks.chaos.clients import Clients
from benchmarks.chaos.plan import Plan
from benchmarks.chaos.report import Report
from benchmarks.chaos.weather import Weather
from benchmarks.chaos.witness import witnessing
from tests.doubles.a1111 import A1111Double
from tests.doubles.shared_fixture import House


async def storm(plan: Plan, chance: random.Random, *valkey: str) -> Report:
    """Live through it, with these options of Valkey."""
    report = Report()
    async with AsyncExitStack() as stack:
        step = plan.picture_seconds / 4
        servers = [
            await stack.enter_async_context(A1111Double(step_seconds=step)) for _ in range(plan.servers)
        ]
        house = await stack.enter_async_context(
            House(*valkey, LEASE_TTL="3", MAX_QUEUE="100000", MAX_JOBS_PER_USER="10000", RESULT_TTL="3600")
        )
        house.loud = False
        witness = await stack.enter_async_context(witnessing(house.valkey.url, report))
        weather = Weather(plan, house, servers, witness, chance, report)
        await weather.begin()
        clients = Clients(plan, weather.front_ends, chance, report)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            lightning = group.create_task(weather.strike())
            saying = group.create_task(_say(plan, report))
            async with asyncio.TaskGroup() as asking:
                for number in range(plan.jobs):
                    asking.create_task(clients.ask(number))
            lightning.cancel()
            saying.cancel()
        report.seconds = time.monotonic() - began
        report.overlaps = sum(server.overlaps for server in servers)
        await witness.judge(clients.ids)
    return report


async def _say(plan: Plan, report: Report) -> None:
    """How far it is, on standard error; ends by being cancelled."""
    while True:
        await asyncio.sleep(10)
        print(
            f"{report.pictures} of {plan.jobs} pictures, {report.killed.total()} killed, "
            f"{len(report.faults)} faults",
            file=sys.stderr,
        )
