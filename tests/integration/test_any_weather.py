"""All at once on one machine: clients come and go, servers fail and die, their owners paint by hand.

Whatever happens, each job ends once, each picture is the one that was asked for, nobody else's is
interrupted, and nothing is left behind.
"""

import asyncio
import logging
import random
from contextlib import AsyncExitStack, suppress

import pytest

from core import (
    BackendAddress,
    Caller,
    Cancelled,
    Completed,
    End,
    Failed,
    Gateway,
    ImageRequest,
    NoBackend,
    NotFound,
    Progress,
    Settings,
    Watch,
    connect,
)
from tests.doubles.a1111 import A1111Double
from tests.doubles.pictures import prompt_of, seed_of

pytestmark = pytest.mark.slow

FAULTS = ("/fail-500", "/fail-once", "/hang-up", "/drop", "/truncate", "/422", "/oom", "/never", "/slow")
REASONS = {"backend_error", "invalid_request", "timeout"}
"""How a job may fail in this weather."""
CLIENTS = 90


@pytest.mark.parametrize("tells_task", [True, False])
async def test_every_job_ends_once_and_as_it_should_in_any_weather(
    tells_task: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """On servers that tell whose task runs, and on those that only answer about one, as A1111 itself."""
    caplog.set_level(logging.ERROR)
    chance = random.Random(7)
    async with AsyncExitStack() as stack:
        doubles = [
            await stack.enter_async_context(A1111Double(step_seconds=seconds, tells_task=tells_task))
            for seconds in (0.003, 0.005, 0.01)
        ]
        settings = Settings(
            sd_backends=tuple(BackendAddress(double.url) for double in doubles), job_timeout=1.5
        )
        gateway = await stack.enter_async_context(connect(settings))
        all_served = asyncio.Event()
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            group.create_task(_bad_weather(doubles, chance, all_served))
            async with asyncio.TaskGroup() as clients:
                for number in range(CLIENTS):
                    clients.create_task(_client(gateway, chance, number))
                    await asyncio.sleep(chance.random() * 0.04)
            all_served.set()
        for double in doubles:
            double.heal()
            double.release()
        await _until_all_is_quiet(gateway)
        for double in doubles:  # an owner may still be painting by hand
            assert double.active is None or _is_outside(double.active.task)
            assert not any(
                painting.interrupted for painting in double.paintings if _is_outside(painting.task)
            )
    assert not caplog.records


async def _client(gateway: Gateway, chance: random.Random, number: int) -> None:
    """One that waits for its picture, or leaves, or cancels, or comes back for it later."""
    fault = chance.choice(FAULTS) if chance.random() < 0.15 else ""
    model = chance.choice((None, None, "alpha", "beta"))
    wanted = ImageRequest(
        prompt=f"{fault} {number}", seed=number, steps=chance.choice((2, 4, 10)), model=model
    )
    caller, manner, patience = Caller(f"caller {number % 5}"), chance.choice("wwwlck"), chance.random()
    try:
        async with gateway.submit(wanted, caller, keep=manner == "k", preview=chance.random() < 0.3) as watch:
            if manner != "w":
                await asyncio.sleep(patience)  # how long it lasts is chance, and part of the weather
            if manner == "l":
                await gateway.abandon(watch)
            elif manner == "c":
                with suppress(NotFound):  # it has ended, and is not kept
                    await gateway.cancel(watch.id, caller)
            if manner in "wc":
                _check(await _end(watch), wanted, cancelled=manner == "c")
        if manner == "k":
            async with gateway.attach(watch.id) as again:
                _check(await _end(again), wanted)
    except NoBackend:  # all three were away
        return


async def _end(watch: Watch) -> End:
    """The only end; before it the fractions of each attempt rise."""
    events = [event async for event in watch]
    ends = [event for event in events if isinstance(event, (Completed, Failed, Cancelled))]
    assert ends == events[-1:]
    before = 0.0
    for event in events:
        before = event.fraction if isinstance(event, Progress) and event.fraction >= before else 0.0
        assert not isinstance(event, Progress) or event.fraction == before
    return ends[0]


def _check(end: End, wanted: ImageRequest, *, cancelled: bool = False) -> None:
    """The picture that was asked for, or an error that says what became of it."""
    if isinstance(end, Completed):
        picture = end.images[0].base64
        assert (prompt_of(picture), seed_of(picture)) == (wanted.prompt, wanted.seed)
        assert wanted.model in {None, end.model}
    elif isinstance(end, Failed):
        assert end.code in REASONS
    else:
        assert cancelled


async def _bad_weather(doubles: list[A1111Double], chance: random.Random, over: asyncio.Event) -> None:
    """One server after the other dies, is used by hand, or answers something odd; each comes back from it."""
    while not over.is_set():
        await asyncio.sleep(0.5 + chance.random())
        double = chance.choice(doubles)
        match chance.randrange(3):
            case 0:
                await double.go_away(crash=chance.random() < 0.5)
                await asyncio.sleep(chance.random())
                await double.come_back()
            case 1:
                outside = await double.paint_outside(held=True)
                await asyncio.sleep(chance.random())
                outside.release()
            case _:
                path = chance.choice(("/sdapi/v1/progress", "/internal/progress", "/sdapi/v1/options", "/"))
                double.fault(path, chance.choice((500, 503, 404, "html", "drop")))
                await asyncio.sleep(chance.random())
                double.heal()


def _is_outside(task: str) -> bool:
    return not task.startswith("sd-b64-")


async def _until_all_is_quiet(gateway: Gateway) -> None:
    """Nothing waits or runs, and every server can be used."""
    async with asyncio.timeout(60):
        while True:
            status = await gateway.status(Caller("nobody"))
            usable = all(backend.offer.usable for backend in status.backends)
            if usable and (status.waiting, status.running, status.callers) == (0, 0, 0):
                return
            await asyncio.sleep(0.05)  # the queue tells nobody of its counts
