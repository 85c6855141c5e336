"""Idle: for one job one worker is woken, and a wake that cannot be used is passed on."""

import asyncio

from core.offers import Kind, Offer
from core.queues.memory.idle import Idle
from tests.unit.core.examples import usable
from tests.unit.core.queues.homes import waiting_for


async def test_one_worker_is_woken_for_a_job_and_not_all() -> None:
    idle = Idle()
    offers = usable("gpu:1", pace=1.0), usable("gpu:2", pace=2.0)
    async with waiting_for(idle.wait("gpu:1")) as fast, waiting_for(idle.wait("gpu:2")) as slow:
        idle.wake(Kind(), offers)
        await fast
        assert not slow.done()
        idle.wake(Kind("unknown"), offers)
        idle.wake(Kind(), offers[:1])
        idle.wake(Kind(), (Offer("gpu:2", usable=False),))
        await asyncio.sleep(0)
        assert not slow.done(), "nobody is woken for what it cannot do"
        idle.wake_all()
        await slow


async def test_one_that_is_cut_off_as_it_is_woken_wakes_the_others() -> None:
    idle = Idle()
    async with waiting_for(idle.wait("gpu:1")) as fast, waiting_for(idle.wait("gpu:2")) as slow:
        idle.wake(Kind(), (usable("gpu:1"),))
        fast.cancel()
        await slow
    assert fast.cancelled()


async def test_one_that_is_cut_off_while_nothing_happens_wakes_nobody() -> None:
    idle = Idle()
    async with waiting_for(idle.wait("gpu:1")) as one, waiting_for(idle.wait("gpu:2")) as other:
        one.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert one.cancelled()
        assert not other.done()
