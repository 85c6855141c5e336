"""connect and work: what several machines make of one shared queue."""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from core import BackendAddress, Completed, Gateway, Settings, connect, work
from core.connect import _background
from tests.doubles.a1111 import EVENT_WAIT, A1111Double
from tests.unit.core.examples import ALICE, wish_for
from tests.valkey_server import flush


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_each_machine_may_name_its_own_server_as_it_names_itself(
    valkey_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """Else they would be one and the same server to the queue, and one of two GPUs would stand idle."""
    await flush(valkey_url())
    async with AsyncExitStack() as stack:
        double = await stack.enter_async_context(A1111Double())
        port = double.url.rpartition(":")[2]
        address = BackendAddress(f"http://{host}:{port}")
        settings = Settings(redis_url=valkey_url(), sd_backends=(address,))
        for machine in ("anna", "bert"):
            monkeypatch.setattr(socket, "gethostname", lambda machine=machine: machine)
            await stack.enter_async_context(work(settings))
        gateway = await stack.enter_async_context(connect(settings))
        owners: dict[str, str] = {}
        async with asyncio.timeout(5):
            while len(owners) < 2:
                await gateway.catalog()
                backends = (await gateway.status(ALICE)).backends
                owners = {found.offer.backend: found.owner.split("-")[0] for found in backends if found.owner}
        assert owners == {f"anna:{port}": "anna", f"bert:{port}": "bert"}


async def test_a_second_machine_of_the_same_name_says_why_its_server_stands_idle(
    valkey_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As of machines that were cloned: to the queue their servers are one and the same."""
    await flush(valkey_url())
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(socket, "gethostname", lambda: "ubuntu")
    async with A1111Double() as double:
        port = double.url.rpartition(":")[2]
        address = BackendAddress(f"http://127.0.0.1:{port}")
        settings = Settings(redis_url=valkey_url(), sd_backends=(address,), lease_ttl=0.3)
        async with work(settings) as one, work(settings) as other, connect(settings) as gateway:
            async with asyncio.timeout(10):
                while "another worker has it" not in caplog.text:
                    await gateway.catalog()
            assert len(one.painting) + len(other.painting) == 1
    assert f"ubuntu:{port}: another worker has it; if that is another machine's server, give" in caplog.text


async def painter_of(gateway: Gateway, prompt: str) -> str:
    """Who painted it."""
    async with gateway.submit(wish_for(prompt), ALICE) as watch:
        async for event in watch:
            if isinstance(event, Completed):
                return event.backend
    raise AssertionError("it came to no picture")


async def test_a_server_that_comes_paints_in_place_of_what_stood_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as it can: what the stand-in has in hand it finishes."""
    monkeypatch.setattr(sys.modules["core.connect"], "LOOK_AGAIN", 0.01)
    found = asyncio.Event()
    async with A1111Double() as stand_in, A1111Double(credentials=("anna", "secret")) as came:

        async def successor() -> BackendAddress:
            await found.wait()
            return BackendAddress(came.url)

        settings = Settings(sd_backends=(BackendAddress(stand_in.url),))
        async with connect(settings, successor=successor) as gateway, asyncio.TaskGroup() as group:
            assert await painter_of(gateway, "before") == stand_in.name
            stand_in.hold(at=1)
            in_hand = group.create_task(painter_of(gateway, "in hand"))
            await stand_in.until(lambda: stand_in.active)
            waiting = group.create_task(painter_of(gateway, "waiting"))
            found.set()
            await came.until(lambda: came.count("/sdapi/v1/options") > 2)
            assert not waiting.done(), "it asks for a password"
            came.credentials = None
            assert await waiting == came.name
            stand_in.release()
            assert await in_hand == stand_in.name
            assert await painter_of(gateway, "after") == came.name
            assert [found.usable for found in (await gateway.catalog()).offers] == [False, True]
            assert [painting.prompt for painting in stand_in.paintings] == ["before", "in hand"]


async def test_what_stood_in_offers_nothing_though_it_was_looked_at_just_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What only it can do nobody would paint any more, and who asked for that would wait for ever."""
    monkeypatch.setattr("core.worker.standing.LOOK_EVERY", 0.01)
    looked_at = asyncio.Event()
    async with A1111Double() as stand_in, A1111Double() as came:

        async def successor() -> BackendAddress:
            await looked_at.wait()
            return BackendAddress(came.url)

        settings = Settings(sd_backends=(BackendAddress(stand_in.url),))
        async with connect(settings, successor=successor) as gateway:

            async def usable() -> list[bool]:
                return [offer.usable for offer in (await gateway.catalog()).offers]

            stand_in.fault("/sdapi/v1/options", "hang")
            looks = stand_in.count("/sdapi/v1/options")
            await stand_in.until(lambda: stand_in.count("/sdapi/v1/options") > looks)
            looked_at.set()
            await came.until(lambda: came.count("/sdapi/v1/options") > 1)
            assert await painter_of(gateway, "meanwhile") == came.name
            stand_in.heal()
            assert await painter_of(gateway, "after") == came.name
            async with asyncio.timeout(EVENT_WAIT):
                while await usable() != [False, True]:
                    assert await painter_of(gateway, "later") == came.name


async def test_what_runs_beside_and_ends_with_a_fault_is_told_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The program may go on for days without it."""

    async def queue() -> None:
        raise KeyError("a fault")

    async with _background(queue()):
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
        assert "what ran beside ended with a fault" in caplog.text
