"""The listener: whatever goes wrong with one subscription, there is another one."""

import asyncio
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from core.queues.valkey.listener import Listener
from core.queues.valkey.records import Message
from core.queues.valkey.store import PREFIX
from tests.unit.core.examples import soon
from tests.unit.core.queues.homes import waiting_for


@pytest.mark.slow
async def test_a_fault_of_ours_in_a_subscription_is_told_and_the_next_one_hears(
    valkey_url: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    """Else the process would live on, and hear nothing any more."""
    faults = iter([KeyError("a fault")])
    again = asyncio.Event()
    heard: asyncio.Queue[Message] = asyncio.Queue()

    def begin() -> None:
        for fault in faults:
            raise fault
        again.set()

    listener = Listener(valkey_url(), "deaf", heard.put_nowait, begin)
    async with waiting_for(listener.run()), Redis.from_url(valkey_url()) as client:
        await soon(again.wait())
        await client.publish(f"{PREFIX}p:deaf", "B\nword\n0\n")
        assert (await soon(heard.get())).id == "word"
    assert "a fault in the subscription to the shared queue" in caplog.text
