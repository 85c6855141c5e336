"""Valkey goes away and comes back: what runs is delivered, what is new is told so, nothing is restarted."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from core.queues.valkey.store import CALL_SECONDS
from tests.doubles.a1111 import A1111Double
from tests.doubles.pictures import prompt_of
from tests.doubles.shared_fixture import House, picture_of
from tests.valkey_server import WRITES_AT_ONCE

SOON = 6.0
"""Seconds within which new work is told that the queue is away: two by itself, the rest for slow machines."""


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with House(*WRITES_AT_ONCE, LEASE_TTL="3") as house:
        yield house


@pytest.mark.parametrize(
    "away", [pytest.param(0.0, marks=pytest.mark.slow), pytest.param(30.0, marks=pytest.mark.chaos)]
)
async def test_valkey_is_killed_and_restarted(house: House, away: float) -> None:
    """Away for as long as new work takes to be refused a few times; and for half a minute."""
    async with A1111Double() as double:
        worker, http = await asyncio.gather(house.worker(double), house.front_end())
        await house.until_paints(http, 1)
        runs, waits = await house.one_runs_one_waits(http, double)
        kept = await http.submit(input="kept", caller="203.0.113.8")
        house.valkey.kill()
        assert await http.refused(input="new") < SOON
        double.release()
        await double.paintings[0].done()  # it ends while nobody can be told
        late_http, late_worker = await house.starting_front_end(), await house.starting_worker(double)
        for late in (late_http, late_worker):
            await late.says("REDIS_URL: the shared queue is not there yet; waiting for it")
        await asyncio.sleep(away)
        await house.valkey.start()
        answers = await asyncio.gather(runs, waits, http.fetch(kept))
        assert [prompt_of(picture_of(answer)) for answer in answers] == ["runs", "waits", "kept"]
        assert sorted(painting.prompt for painting in double.paintings) == ["kept", "runs", "waits"]
        await house.listens(late_http)
        await late_worker.says("painting for the shared queue")
        assert prompt_of(picture_of(await late_http.get("/text", input="new"))) == "new"
        assert double.overlaps == 0
        assert {process.process.returncode for process in house.processes} == {None}
        assert "Traceback" not in worker.text + http.text + late_http.text + late_worker.text


@pytest.mark.parametrize(
    "frozen", [pytest.param(0.0, marks=pytest.mark.slow), pytest.param(10.0, marks=pytest.mark.chaos)]
)
async def test_valkey_stands_still_and_goes_on(house: House, frozen: float) -> None:
    """As long as it takes to be refused once: what was said to it meanwhile it hears when it goes on."""
    async with A1111Double() as double:
        worker, http = await asyncio.gather(house.worker(double), house.front_end())
        await house.until_paints(http, 1)
        runs, waits = await house.one_runs_one_waits(http, double)
        house.valkey.freeze()
        crowd = await asyncio.gather(*(http.refused(input=f"new {number}") for number in range(40)))
        assert max(crowd) < SOON
        assert CALL_SECONDS <= 2, "as docs/reliability.md has it, but for slow machines"
        assert min(crowd) < 2 * CALL_SECONDS, "nobody asks twice"
        double.release()
        await double.paintings[0].done()
        await asyncio.sleep(frozen)
        house.valkey.thaw()
        answers = await asyncio.gather(runs, waits)
        assert [prompt_of(picture_of(answer)) for answer in answers] == ["runs", "waits"]
        assert prompt_of(picture_of(await http.get("/text", input="afterwards"))) == "afterwards"
        prompts = [painting.prompt for painting in double.paintings]
        assert prompts == ["runs", "waits", "afterwards"], "what was refused is not painted"
        assert "Traceback" not in worker.text + http.text


@pytest.mark.slow
async def test_a_worker_that_is_told_to_stop_while_valkey_is_away_stops(house: House) -> None:
    async with A1111Double() as double:
        double.hold()
        worker, http = await asyncio.gather(house.worker(double, SHUTDOWN_GRACE="0"), house.front_end())
        await house.until_paints(http, 1)
        id = await http.submit(input="runs")
        await double.until(lambda: double.paintings)
        house.valkey.kill()
        worker.process.terminate()
        assert await worker.ended() == 0
        double.release()
        await house.valkey.start()
        await house.worker(double)
        assert prompt_of(picture_of(await http.fetch(id))) == "runs"
