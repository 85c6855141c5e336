"""How a painting is cut short: cancelled, too long, at the stop; and when its server is free again."""

import asyncio
import logging
from contextlib import suppress

import pytest

from core.backends import OnProgress, Wishes
from core.errors import BackendError
from core.events import Cancelled, Completed, Failed
from core.offers import Offer
from core.worker import slot
from tests.unit.core.examples import ALICE, painted, soon, usable
from tests.unit.core.worker.bench import (
    Bench,
    Scripted,
    code_of,
    fail,
    go_on_until_interrupted,
    submit_when_usable,
    succeed,
    turn,
)

pytestmark = pytest.mark.usefixtures("short_rests")


async def test_a_job_cancelled_while_it_is_painted_is_interrupted_and_nothing_else() -> None:
    bench = Bench(go_on_until_interrupted, succeed)
    async with bench.at_work():
        watch = await bench.submit()
        await soon(bench.backend.painting.wait())
        assert await bench.queue.cancel("job", ALICE)
        assert await soon(watch.end()) == Cancelled()
        assert await soon((await bench.submit("next")).end()) == painted()
    assert bench.log == [
        *["look", "usable", "paint", "interrupt 0"],
        *["look", "usable", "paint", "Completed accepted"],
    ], "what the server made of it is told nobody"


async def test_a_job_that_takes_too_long_is_told_first_then_the_server_is_freed() -> None:
    bench = Bench(go_on_until_interrupted, succeed, job_timeout=0.02)
    async with bench.at_work():
        assert await code_of(await bench.submit()) == "timeout"
        next_job = await bench.submit("next")  # no work is refused for the moment that it takes
        assert await soon(next_job.end()) == painted()
    assert bench.log == [
        *["look", "usable", "paint", "resting", "timeout accepted", "interrupt 0"],
        *["look", "usable", "paint", "Completed accepted"],
    ]


async def test_the_log_tells_that_a_job_took_too_long_and_what_became_of_its_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(go_on_until_interrupted, succeed, job_timeout=0.02)
    async with bench.at_work():
        assert await code_of(await bench.submit()) == "timeout"
        assert await soon((await bench.submit("next")).end()) == painted()
    assert [f"{record.levelname} {record.getMessage()}" for record in caplog.records] == [
        "INFO gpu:1: ready",
        "WARNING gpu:1: no picture within 0.02 seconds",
        "WARNING gpu:1: still paints a job that took too long",
        "INFO gpu:1: ready",
    ]


async def test_the_log_tells_of_a_picture_that_failed_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(fail(BackendError("gpu:1: out of memory")), succeed)
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    assert [record.getMessage() for record in caplog.records] == ["gpu:1: out of memory"]


async def test_a_server_that_does_not_let_go_of_a_cancelled_job_is_not_called_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """New work may wait for it, or go to another one."""
    monkeypatch.setattr(slot, "LETTING_GO", 0.01)
    bench = Bench(go_on_until_interrupted, succeed)
    interrupt, is_free = bench.backend.interrupt, asyncio.Event()

    async def interrupt_when_free(task: str) -> None:
        await is_free.wait()
        await interrupt(task)

    bench.backend.interrupt = interrupt_when_free  # type: ignore[method-assign]
    async with bench.at_work():
        await bench.submit()
        await soon(bench.backend.painting.wait())
        assert await bench.queue.cancel("job", ALICE)
        async with asyncio.timeout(5):
            while (offers := await bench.queue.offers()).offers[0].usable:
                await turn()
        assert offers.takes_work
        next_job = await bench.submit("next")
        is_free.set()
        assert await soon(next_job.end()) == painted()


async def test_a_server_that_never_lets_go_is_hung_up_on_and_unusable_until_it_is_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(go_on_until_interrupted, succeed, job_timeout=0.02)
    monkeypatch.setattr(slot, "LETTING_GO", 0.01)
    bench.backend.may_stop = False
    still = Offer("gpu:1", usable=False, problem="still paints a job that was given up")
    bench.backend.looks = [usable("gpu:1"), still, still, usable("gpu:1")]
    async with bench.at_work():
        assert await code_of(await bench.submit()) == "timeout"
        next_job = await submit_when_usable(bench)
        assert await soon(next_job.end()) == painted()
    assert bench.log[3:] == [
        *["resting", "timeout accepted", "interrupt 0", "hung up", "resting"],
        *["look", "unusable", "look", "unusable", "look", "usable"],
        *["paint", "Completed accepted"],
    ]


async def test_an_answer_that_comes_as_it_is_hung_up_on_costs_the_next_jobs_none_of_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limit of the turns has expired then, and a new one is needed: the third takes too long as well."""
    monkeypatch.setattr(slot, "LETTING_GO", 0.0)
    monkeypatch.setattr(slot, "KEEP_AFTER", 0.0)

    async def answer_when_hung_up_on(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        backend.log.append("hung up")
        return painted(backend.name)

    bench = Bench(answer_when_hung_up_on, succeed, answer_when_hung_up_on, succeed, job_timeout=0.02)
    async with bench.at_work():
        for wanted in ("timeout", None, "timeout", None):
            watch = await bench.submit(f"job {len(bench.backend.tasks)}")
            end = await soon(watch.end())
            assert (end.code if isinstance(end, Failed) else None) == wanted
    assert bench.log.count("hung up") == 2


async def test_a_keeper_that_ends_late_does_not_cut_the_next_painting_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slot, "LETTING_GO", 0.0)
    late = asyncio.Event()

    async def interrupt(task: str) -> None:
        bench.backend.stopped.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        late.set()

    async def paint_until_the_keeper_has_ended(
        backend: Scripted, on_progress: OnProgress, wishes: Wishes
    ) -> Completed:
        await late.wait()
        for _ in range(5):  # turns in which a limit that is due would be noticed
            await asyncio.sleep(0)
        return painted(backend.name)

    bench = Bench(go_on_until_interrupted, paint_until_the_keeper_has_ended)
    bench.backend.interrupt = interrupt  # type: ignore[method-assign]
    async with bench.at_work():
        await bench.submit("cancelled")
        await soon(bench.backend.painting.wait())
        following = await bench.submit("following")
        await bench.queue.cancel("cancelled", ALICE)
        assert await soon(following.end()) == painted()
    assert "hung up" not in bench.log


async def test_at_shutdown_what_still_runs_is_interrupted() -> None:
    bench = Bench(go_on_until_interrupted)
    async with bench.at_work():
        watch = await bench.submit()
        await soon(bench.backend.painting.wait())
        await bench.queue.drain(0)
        await soon(bench.worker.retire(0))
        assert await code_of(watch) == "shutting_down"
    assert bench.log[:5] == ["look", "usable", "paint", "Again refused", "interrupt 0"]
