"""A picture that was given up, and one of somebody else: what is interrupted, and for what one waits."""

import asyncio

import pytest

from core.backends.a1111 import standstill
from core.errors import BackendError
from core.events import Completed
from tests.doubles.a1111 import NO_PROGRESS
from tests.doubles.pictures import prompt_of
from tests.doubles.studio import TASK, Studio, studio


async def test_what_a_server_may_still_paint_after_the_connection_broke_is_seen_to_first() -> None:
    async with studio() as it:
        await it.backend.look()
        painting = await it.half_painted()
        await it.double.go_away(crash=False)
        with pytest.raises(BackendError, match="broke"):
            await painting
        await it.double.come_back()
        offer = await it.backend.look()
        assert (offer.usable, offer.resting) == (False, True)
        assert it.double.interrupts == [TASK]


async def test_a_picture_that_was_hung_up_on_is_stopped_before_the_next_one_is_painted() -> None:
    """By a worker with a fault of its own, say, which has no time to interrupt it."""
    async with studio() as it:
        await it.backend.look()
        painting = await it.half_painted()
        painting.cancel()
        await asyncio.wait({painting})
        offer = await it.backend.look()
        assert (offer.usable, offer.resting) == (False, True)
        assert it.double.interrupts == [TASK]
        await it.double.paintings[0].done()
        assert (await it.backend.look()).usable


async def test_a_proxy_that_does_not_wait_for_the_answer_leaves_no_picture_behind() -> None:
    """It tells of a 504 while the server paints on: that is stopped before anything else is painted."""
    async with studio() as it:
        await it.give_up_on_one()
        offer = await it.backend.look()
        assert (offer.usable, offer.resting) == (False, True)
        assert it.double.interrupts == [TASK]
        await it.double.paintings[0].done()
        assert (await it.backend.look()).usable


async def test_new_work_does_not_wait_for_ever_for_a_server_that_hangs_in_a_picture_that_was_given_up() -> (
    None
):
    """It was said to paint in a moment, with an eta; only a restart would have helped."""
    now = 0.0
    async with studio(clock=lambda: now) as it:
        it.double.deaf = True
        await it.give_up_on_one()
        assert (await it.backend.look()).resting
        now += standstill.LONGEST - 1
        assert (await it.backend.look()).resting
        now += 1
        offer = await it.backend.look()
        assert (offer.usable, offer.resting) == (False, False)
        assert offer.problem == "still paints a job that was given up"
        it.double.release()
        await it.double.paintings[0].done()
        assert (await it.backend.look()).usable


async def test_new_work_waits_for_a_server_on_which_a_given_up_picture_waits_for_its_owners_own() -> None:
    """However long these take: nothing hangs as long as something moves there."""
    now = 0.0
    async with studio(clock=lambda: now) as it:
        await it.backend.look()
        it.double.hold(at=1)
        outside = await it.double.paint_outside(steps=9)
        painting = asyncio.create_task(it.paint())
        await it.double.until(lambda: len(it.double.paintings) == 2)
        painting.cancel()
        await asyncio.wait({painting})
        for _ in range(3):
            assert (await it.backend.look()).resting
            now += standstill.LONGEST - 1
            it.double.step()
            await it.double.until(lambda: outside.is_held)
        assert (await it.backend.look()).resting
        now += standstill.LONGEST
        await it.backend.look()
        now += standstill.LONGEST
        offer = await it.backend.look()
        assert (offer.usable, offer.resting) == (False, False), "but not for one that stands still"
        it.double.release()


@pytest.mark.parametrize("kind", [500, "drop"])
async def test_a_server_that_cannot_be_asked_for_a_given_up_picture_does_not_seem_to_paint_it(
    kind: int | str,
) -> None:
    """It would rest for ever, and take in work that nobody paints; its owner would look for a picture."""
    async with studio() as it:
        await it.give_up_on_one()
        it.double.fault("/sdapi/v1/progress", kind)
        offer = await it.backend.look()
        assert (offer.usable, offer.resting) == (False, False)
        assert offer.problem in {
            "/sdapi/v1/progress answered 500",
            "the connection broke before the answer was whole",
        }
        it.double.heal()
        assert (await it.backend.look()).resting
        assert it.double.interrupts == [TASK]


async def test_a_given_up_picture_that_goes_by_another_name_is_waited_for() -> None:
    """SD.Next names each task itself, and tells only that something runs, ours or its owner's."""
    async with studio(names_tasks=False, tells_task=False) as it:
        await it.give_up_on_one()
        offer = await it.backend.look()
        assert (offer.usable, offer.resting) == (False, True)
        assert "none of our jobs under way" in offer.problem
        it.double.release()
        await it.double.paintings[0].done()
        assert (await it.backend.look()).usable
        assert it.double.interrupts == []


@pytest.mark.parametrize("tells_task", [True, False])
async def test_once_a_given_up_picture_is_known_to_be_finished_nothing_is_waited_for(
    tells_task: bool,
) -> None:
    """A1111 says so by its name: what its owner paints by hand then is no reason to leave it alone."""
    async with studio(tells_task=tells_task) as it:
        await it.give_up_on_one()
        it.double.release()
        await it.double.paintings[0].done()
        outside = await it.double.paint_outside(held=True)
        assert (await it.backend.look()).usable
        outside.release()


async def test_a_failed_picture_that_the_server_still_calls_active_is_gone_once_it_is_idle() -> None:
    """A1111 does so; a job that was given up before must not keep its server from all others."""
    async with studio(tells_task=False) as it:
        await it.backend.look()
        painting = await it.half_painted("/oom")
        await it.double.go_away(crash=False)
        with pytest.raises(BackendError, match="broke"):
            await painting
        await it.double.come_back()
        assert not (await it.backend.look()).usable
        it.double.release()
        await it.double.paintings[0].done()
        assert (await it.backend.look()).usable


@pytest.mark.parametrize("tells_task", [True, False])
async def test_an_interrupt_stops_our_task_and_the_painting_returns(tells_task: bool) -> None:
    """Also where only the answer about the task itself tells that it runs, as on A1111."""
    async with studio(tells_task=tells_task) as it:
        painting = await it.half_painted()
        await it.backend.interrupt(TASK)
        await painting
        assert it.double.interrupts == [TASK]
        assert it.backend.offer.pace is None  # half a picture is no measure


async def test_nothing_is_remembered_of_an_interrupt_that_was_cut_off() -> None:
    """The answer to the interrupted picture came while the server was asked whether it still runs."""
    async with studio() as it:
        painting = await it.half_painted()
        it.double.fault("/sdapi/v1/progress", "hang")
        stopping = asyncio.create_task(it.backend.interrupt(TASK))
        await it.double.until(lambda: it.double.count("/sdapi/v1/progress"))
        it.double.release()
        await painting
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        assert it.backend.offer.pace is None
        it.double.heal()
        await it.paint()
        assert it.backend.offer.pace is not None


async def being_interrupted(it: Studio) -> tuple["asyncio.Task[Completed]", "asyncio.Task[None]"]:
    """A picture in its middle, and the interrupt of it, which the server does not answer yet."""
    await it.backend.look()
    painting = await it.half_painted()
    it.double.fault("/sdapi/v1/interrupt", "hang")
    stopping = asyncio.create_task(it.backend.interrupt(TASK))
    await it.double.until(lambda: it.double.count("/sdapi/v1/interrupt"))
    return painting, stopping


async def test_an_interrupt_that_is_late_is_waited_for_before_the_server_is_free() -> None:
    """Its picture ended while it was on its way: it would cut off whatever is begun, by this worker or by one
    that takes the server over.
    """
    async with studio() as it:
        painting, stopping = await being_interrupted(it)
        it.double.release()
        done, _ = await asyncio.wait({painting}, timeout=0.2)  # far longer than its answer takes
        assert not done
        it.double.heal()
        await asyncio.gather(painting, stopping)
        assert it.double.interrupts == [None]
        assert (await it.backend.look()).usable


async def test_an_interrupt_that_is_late_is_waited_for_though_its_picture_was_hung_up_on() -> None:
    async with studio() as it:
        painting, stopping = await being_interrupted(it)
        painting.cancel()
        stopping.cancel()
        await asyncio.wait({painting, stopping})
        it.double.release()
        await it.double.paintings[0].done()
        looking = asyncio.create_task(it.backend.look())
        done, _ = await asyncio.wait({looking}, timeout=0.2)  # far longer than a look takes
        assert not done
        it.double.heal()
        assert (await looking).usable
        assert it.double.interrupts == [None]


async def test_what_is_told_of_a_picture_only_after_its_answer_interrupts_nobody_else() -> None:
    """That it is painted was true as it was told: by now its owner paints by hand."""
    async with studio() as it:
        await it.backend.look()
        painting = await it.half_painted()
        it.double.fault("/sdapi/v1/progress", "late")
        stopping = asyncio.create_task(it.backend.interrupt(TASK))
        await it.double.until(lambda: it.double.count("/sdapi/v1/progress") == 2)
        it.double.release()
        await painting
        outside = await it.double.paint_outside(held=True)
        it.double.heal()
        await stopping
        assert it.double.interrupts == []
        outside.release()


@pytest.mark.parametrize("tells_task", [True, False])
async def test_an_interrupt_waits_for_its_turn_behind_somebody_elses_picture(tells_task: bool) -> None:
    """Only ours is interrupted, and soon after the server paints it."""
    async with studio(tells_task=tells_task) as it:
        outside = await it.double.paint_outside(held=True)
        await it.double.until(lambda: it.double.active is outside)
        it.double.hold(at=1)
        painting = asyncio.create_task(it.paint())
        await it.double.until(lambda: len(it.double.paintings) == 2)
        stopping = asyncio.create_task(it.backend.interrupt(TASK))
        asked = it.double.count("/sdapi/v1/progress")
        await it.double.until(lambda: it.double.count("/sdapi/v1/progress") >= asked + 2)
        assert it.double.interrupts == []
        outside.release()
        async with asyncio.timeout(10):
            await stopping
        await painting
        assert it.double.interrupts == [TASK]
        assert not outside.interrupted


async def test_a_server_that_does_not_tell_whose_task_runs_is_never_interrupted() -> None:
    async with studio(missing=NO_PROGRESS[:1], tells_task=False) as it:
        it.double.hold(at=2)
        painting = asyncio.create_task(it.paint())
        await it.double.until(lambda: it.double.active)
        stopping = asyncio.create_task(it.backend.interrupt(TASK))
        await it.double.until(lambda: it.double.count("/sdapi/v1/progress") >= 2)
        it.double.release()
        await asyncio.gather(painting, stopping)
        assert it.double.interrupts == []


async def test_a_server_found_busy_is_used_once_it_is_idle_and_not_interrupted() -> None:
    async with studio() as it:
        outside = await it.double.paint_outside(held=True)
        await it.double.until(lambda: it.double.active is outside)
        offer = await it.backend.look()
        assert not offer.usable
        assert "busy" in offer.problem
        outside.release()
        await outside.done()
        assert (await it.backend.look()).usable
        assert it.double.interrupts == []


async def test_a_server_that_only_says_that_it_paints_is_used_once_nothing_has_moved_for_minutes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """SD.Next does after a picture that failed, until the next one is begun: that may have to be ours."""
    now = 0.0
    async with studio(clock=lambda: now, tells_task=False) as it:
        it.double.stuck = True
        assert (await it.backend.look()).resting
        now += standstill.LONGEST - 1
        assert (await it.backend.look()).resting, "a model may be loaded"
        now += 1
        assert (await it.backend.look()).usable
        assert f"{it.double.name}: says that it paints, and nothing moves there" in caplog.text
        assert prompt_of((await it.paint()).images[0].base64) == "a cat"
        assert it.double.interrupts == []


async def test_a_server_whose_owner_paints_slowly_by_hand_is_not_taken_for_idle() -> None:
    """Each step counts."""
    now = 0.0
    async with studio(clock=lambda: now) as it:
        outside = await it.double.paint_outside(steps=3, held=True)
        for step in (1, 2):
            it.double.hold(at=step)
            await it.double.until(lambda: outside.is_held)
            assert (await it.backend.look()).resting
            now += standstill.LONGEST - 1
        assert (await it.backend.look()).resting
        it.double.release()
        await outside.done()
        assert (await it.backend.look()).usable


async def test_a_job_of_ours_that_a_dead_worker_left_is_interrupted() -> None:
    async with studio() as it:
        it.double.hold(at=1)
        orphan = asyncio.create_task(it.paint(task="sd-b64-test-orphan"))
        await it.double.until(lambda: it.double.is_painting("sd-b64-test-orphan"))
        assert not (await it.backend.look()).usable
        await orphan
        assert it.double.interrupts == ["sd-b64-test-orphan"]
        assert (await it.backend.look()).usable
