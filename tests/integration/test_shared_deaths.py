"""Workers and front ends stop, die or stand still: every client gets its picture, and no server two jobs."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import websockets

from core.queues.valkey.pulse import PROCESS_TTL
from tests.doubles.a1111 import A1111Double
from tests.doubles.pictures import prompt_of
from tests.doubles.shared_fixture import House, picture_of

LEASE_TTL = 5
"""Where one dies: longer than a slow machine stands still, else a worker that lives loses its claims, too."""
LONG_LEASES = {"LEASE_TTL": "30"}
"""Where nobody dies: on a machine that is short of processors, a second is soon over."""


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with House() as house:
        yield house


@pytest.mark.slow
async def test_a_worker_that_is_told_to_stop_finishes_what_it_paints_and_begins_no_more(house: House) -> None:
    house.environ |= LONG_LEASES
    async with A1111Double() as double:
        worker, http = await asyncio.gather(house.worker(double), house.front_end())
        await house.until_paints(http, 1)
        runs, waits = await house.one_runs_one_waits(http, double)
        worker.process.terminate()
        await worker.says("stopping")  # a signal may come later than an answer that was sent after it
        double.release()
        assert prompt_of(picture_of(await runs)) == "runs"
        assert await worker.ended() == 0
        assert len(double.paintings) == 1
        await house.worker(double)
        assert prompt_of(picture_of(await waits)) == "waits"


@pytest.mark.slow
async def test_what_a_worker_cannot_finish_in_its_grace_is_given_back_at_once(house: House) -> None:
    """Not after its lease has run out; and the server that painted it is free."""
    house.environ |= LONG_LEASES
    async with A1111Double() as slow, A1111Double() as other:
        slow.hold()
        worker, http = await asyncio.gather(house.worker(slow, SHUTDOWN_GRACE="0.1"), house.front_end())
        await house.until_paints(http, 1)
        runs = asyncio.create_task(http.get("/text", input="runs"))
        await slow.until(lambda: slow.paintings)
        await house.worker(other)
        await house.until_paints(http, 2)
        worker.process.terminate()
        assert prompt_of(picture_of(await runs)) == "runs"
        assert other.paintings
        assert await worker.ended() == 0
        assert slow.interrupts == [slow.paintings[0].task]


@pytest.mark.slow
async def test_a_killed_workers_job_is_painted_by_another_one_and_its_servers_move_on(house: House) -> None:
    """Its client sees `queued`, then `started` again, then its picture, soon after its lease has run out."""
    house.environ["LEASE_TTL"] = str(LEASE_TTL)
    async with A1111Double() as one, A1111Double() as two:
        one.hold()
        two.hold()
        http = await house.front_end()
        workers = [await house.worker(one, two) for _ in range(2)]
        await http.status(lambda status: len({backend["owner"] for backend in status["backends"]}) == 2)
        async with http.events(input="runs") as events, asyncio.timeout(20):
            started = next_named = None
            async for event in events:
                if event.name == "started":
                    started = event
                    break
            assert started is not None
            name = started.words["backend"]
            hit = one if name == one.name.replace("127.0.0.1", socket.gethostname()) else two
            await hit.until(lambda: hit.paintings)
            owners = (await http.get("/status")).json["backends"]
            owner = next(backend["owner"] for backend in owners if backend["name"] == name)
            dead = next(worker for worker in workers if f"-{worker.process.pid}-" in owner)
            dead.kill()
            killed = time.monotonic()
            seen = []
            async for event in events:
                if event.name != "progress":
                    seen.append(event)
                if event.name in {"started", "progress"}:
                    one.release()
                    two.release()
                if event.name in {"started", "image"}:
                    next_named = next_named or time.monotonic()
                if event.name == "image":
                    break
        assert next_named is not None
        assert next_named - killed < LEASE_TTL + 4
        # A front end that stood still tells of the last state alone; a worker that did may begin again.
        if next_named - killed < LEASE_TTL + 0.5:
            assert [event.name for event in seen] == ["queued", "started", "image"]
            assert [event.words.get("attempt") for event in seen[:2]] == [2, 2]
        await http.status(lambda status: all(backend["owner"] != owner for backend in status["backends"]))
        assert one.overlaps == two.overlaps == 0


@pytest.mark.slow
async def test_a_killed_front_ends_jobs_run_on_and_are_fetched_through_another_one(house: House) -> None:
    async with A1111Double() as double:
        double.hold()
        _, http, other = await asyncio.gather(house.worker(double), house.front_end(), house.front_end())
        await house.until_paints(http, 1)
        ids = [await http.submit(input=f"kept {number}") for number in range(2)]
        await double.until(lambda: double.paintings)
        unkept = asyncio.create_task(http.get("/text", input="for a client of the dead one"))
        await other.status(lambda status: status["waiting"] == 2)
        http.kill()
        with pytest.raises(aiohttp.ClientError):
            await unkept
        double.release()
        answers = [await other.fetch(id) for id in ids]
        assert [prompt_of(picture_of(answer)) for answer in answers] == ["kept 0", "kept 1"]


@pytest.mark.parametrize(
    "still",
    [pytest.param(0.0, marks=pytest.mark.slow), pytest.param(PROCESS_TTL + 2, marks=pytest.mark.chaos)],
    ids=["a moment", "taken for dead"],
)
async def test_who_asks_a_front_end_that_stands_still_has_his_picture_when_it_goes_on(
    house: House, still: float
) -> None:
    """Its jobs run on meanwhile, and another front end serves."""
    house.environ |= LONG_LEASES
    async with A1111Double() as double:
        _, http, other = await asyncio.gather(house.worker(double), house.front_end(), house.front_end())
        await house.until_paints(http, 1)
        runs, waits = await house.one_runs_one_waits(http, double)
        http.send(signal.SIGSTOP)
        comes = asyncio.create_task(http.get("/text", input="comes"))
        goes_elsewhere = asyncio.create_task(other.get("/text", input="elsewhere", caller="203.0.113.8"))
        await other.status(lambda status: status["waiting"] == 2)
        await asyncio.sleep(still)  # the time for which it stands still
        double.release()
        assert prompt_of(picture_of(await goes_elsewhere)) == "elsewhere"
        await other.status(lambda status: not status["waiting"] and not status["running"])
        assert not any(task.done() for task in (runs, waits, comes))
        http.send(signal.SIGCONT)
        answers = await asyncio.gather(runs, waits, comes)
        assert [prompt_of(picture_of(answer)) for answer in answers] == ["runs", "waits", "comes"]
        assert sorted(painting.prompt for painting in double.paintings) == [
            "comes",
            "elsewhere",
            "runs",
            "waits",
        ]


@pytest.mark.slow
async def test_a_job_is_watched_through_any_front_end_and_cancelled_by_its_caller_alone(house: House) -> None:
    house.environ |= LONG_LEASES
    async with A1111Double(step_seconds=0.01) as double:
        double.hold(at=3)
        _, http, (_, url) = await asyncio.gather(house.worker(double), house.front_end(), house.websocket())
        await house.until_paints(http, 1)
        id = await http.submit(input="seen by all", steps="9")
        async with websockets.connect(url, max_size=None) as socket, http.events(f"/jobs/{id}") as events:
            await socket.send(json.dumps({"type": "attach", "id": id, "preview": True}))
            async with asyncio.timeout(20):
                async for event in events:
                    if event.words.get("step") == 3:
                        break
                seen: list[dict[str, Any]] = []
                while not seen or "preview-base64" not in seen[-1]:
                    seen.append(json.loads(await socket.recv()))
                refused = await http.ask("DELETE", f"/jobs/{id}", caller="203.0.113.9")
                assert refused.refusal == (403, "forbidden")
                double.release()
                while seen[-1]["type"] != "image":
                    seen.append(json.loads(await socket.recv()))
                async for event in events:
                    if event.name == "image":
                        break
        assert prompt_of(seen[-1]["image-base64"].encode()) == "seen by all"
        fractions = [message["progress"] for message in seen if message["type"] == "progress"]
        assert fractions == sorted(fractions)


@pytest.mark.slow
async def test_a_front_end_that_stops_tells_its_clients_and_the_job_lives_on(house: House) -> None:
    house.environ |= LONG_LEASES
    async with A1111Double() as double:
        double.hold()
        _, http, other = await asyncio.gather(house.worker(double), house.front_end(), house.front_end())
        await house.until_paints(http, 1)
        runs = asyncio.create_task(http.get("/text", input="runs"))
        await double.until(lambda: double.paintings)
        waits = asyncio.create_task(
            http.ask("GET", "/text", input="waits", headers={"Idempotency-Key": "mine"}, caller="203.0.113.9")
        )
        await other.status(lambda status: status["waiting"] == 1)
        http.process.terminate()
        assert (await waits).refusal == (503, "shutting_down")
        double.release()
        assert prompt_of(picture_of(await runs)) == "runs"
        assert await http.ended() == 0
        again = await other.ask(
            "GET", "/text", input="waits", headers={"Idempotency-Key": "mine"}, caller="203.0.113.9"
        )
        assert prompt_of(picture_of(again)) == "waits"
        assert [painting.prompt for painting in double.paintings] == ["runs", "waits"]


@pytest.mark.parametrize(
    ("lease", "still"),
    [
        pytest.param("1", 2.5, marks=pytest.mark.slow),
        pytest.param("3", 10.0, marks=pytest.mark.chaos),
    ],
    ids=["2.5 s", "10 s"],
)
async def test_two_workers_never_paint_on_one_server_at_once(house: House, lease: str, still: float) -> None:
    """Also while one of them stands still for longer than its leases last, and goes on where it was.

    It stands still while it paints: a request that it was just about to send would come to a server that is
    another one's by then, and A1111 does one after the other.
    """
    house.environ["LEASE_TTL"] = lease
    async with AsyncExitStack() as stack:
        doubles = [await stack.enter_async_context(A1111Double(step_seconds=0.005)) for _ in range(3)]
        http = await house.front_end(MAX_JOBS_PER_USER="1000")
        workers = [await house.worker(*doubles) for _ in range(2)]
        await house.until_paints(http, 3)
        asked: list[str] = []
        load = asyncio.create_task(_load(http.session, http.url, asked))
        await doubles[0].until(lambda: sum(len(double.paintings) for double in doubles) > 9)
        await asyncio.gather(*(_amid_a_picture(double) for double in doubles))
        workers[0].send(signal.SIGSTOP)
        for double in doubles:
            double.release()
        await asyncio.sleep(still)  # the time for which it stands still, and its servers move on
        workers[0].send(signal.SIGCONT)
        before = sum(len(double.paintings) for double in doubles)
        await doubles[0].until(lambda: sum(len(double.paintings) for double in doubles) > before + 30)
        await http.status(lambda status: len({backend["owner"] for backend in status["backends"]}) == 2)
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load
        assert [double.overlaps for double in doubles] == [0, 0, 0]
        assert asked


async def _amid_a_picture(double: A1111Double) -> None:
    """Hold it there."""
    double.hold(at=5)
    await double.until(lambda: double.active is not None and double.active.steps >= 5)


async def _load(session: aiohttp.ClientSession, url: str, asked: list[str]) -> None:
    """Eight clients who ask again and again; each must get its own picture."""

    async def client(number: int) -> None:
        count = 0
        while True:
            count += 1
            prompt = f"client {number} picture {count}"
            async with session.get(f"{url}/text", params={"input": prompt}) as response:
                answer = await response.json()
            assert prompt_of(answer["image-base64"].encode()) == prompt
            asked.append(prompt)

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(client(number))


@pytest.mark.slow
async def test_servers_are_spread_evenly_as_workers_come_and_go(house: House) -> None:
    async with AsyncExitStack() as stack:
        doubles = [await stack.enter_async_context(A1111Double()) for _ in range(5)]
        http = await house.front_end()

        async def even(count: int) -> None:
            """Wait until so many workers have them all, to within one."""

            def is_even(status: dict[str, list[dict[str, str | None]]]) -> bool:
                owners = [backend["owner"] for backend in status["backends"] if backend["owner"]]
                shares = [owners.count(owner) for owner in set(owners)]
                return len(owners) == 5 and len(shares) == count and max(shares) - min(shares) <= 1

            await http.status(is_even)

        workers = [await house.worker(*doubles)]
        await even(1)
        workers += await asyncio.gather(house.worker(*doubles), house.worker(*doubles))
        await even(3)
        workers[0].kill()
        await even(2)
        workers[1].process.terminate()
        await even(1)
