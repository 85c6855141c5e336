"""What fails in a slot: the server, the request, the queue, or our own code; and what each costs the job."""

import pytest

from core.backends import Limited, Unreachable
from core.errors import BackendError, InvalidRequest
from core.events import Cancelled, End, Failed
from core.offers import Offer
from core.queues import Again, Claim, Wish
from tests.unit.core.examples import ALICE, painted, soon
from tests.unit.core.worker.bench import Bench, code_of, fail, go_on_until_interrupted, succeed

pytestmark = pytest.mark.usefixtures("short_rests")


async def test_a_server_that_was_not_reached_costs_no_attempt() -> None:
    """And it is unusable before the job goes back, so that another server gets it."""
    bench = Bench(*[fail(Unreachable("refused"))] * 3, succeed, max_attempts=1)
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    assert bench.log == [
        *["look", "usable", "paint", "unusable", "Again accepted"] * 3,
        *["look", "usable", "paint", "Completed accepted"],
    ]


async def test_a_server_that_takes_no_more_for_a_while_costs_no_attempt_and_may_be_waited_for() -> None:
    bench = Bench(*[fail(Limited("gpu:1: no more", retry_after=0.001))] * 3, succeed, max_attempts=1)
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    assert bench.log == [
        *["look", "usable", "paint", "resting", "Again accepted"] * 3,
        *["look", "usable", "paint", "Completed accepted"],
    ]


async def test_a_failure_while_painting_counts() -> None:
    bench = Bench(*[fail(BackendError("gpu:1: out of memory"))] * 2, succeed, max_attempts=2)
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == Failed(
            "backend_error", "gpu:1: out of memory", 5.0
        )
        assert await soon((await bench.submit("next")).end()) == painted(), "new work is let in meanwhile"
    assert bench.log[:9] == [
        *["look", "usable", "paint", "resting", "Again accepted"],
        *["look", "usable", "paint", "resting"],
    ]


async def test_a_server_that_fails_everything_rests_but_new_work_may_wait_for_it() -> None:
    bench = Bench(*[fail(BackendError("broken"))] * 8, succeed, max_attempts=9)
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    said = [word for word in bench.log if word in {"resting", "unusable"}]
    assert said == ["resting"] * 8


async def test_a_picture_makes_up_for_the_failures_before_it() -> None:
    bench = Bench(*[fail(BackendError("now and then")), succeed] * 4)
    async with bench.at_work():
        for number in range(4):
            assert await soon((await bench.submit(f"job {number}")).end()) == painted()
    assert bench.log.count("resting") == 4
    assert "unusable" not in bench.log


async def test_a_request_that_the_server_refuses_ends_at_once() -> None:
    bench = Bench(fail(InvalidRequest("steps: too many", field="steps")), succeed)
    async with bench.at_work():
        assert await code_of(await bench.submit()) == "invalid_request"
        assert await soon((await bench.submit("next")).end()) == painted()
    assert bench.log.count("look") == 1, "the server is well"


async def test_a_fault_of_our_own_ends_the_job_and_the_worker_lives_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(fail(ZeroDivisionError("ours")), fail(TimeoutError("ours")), succeed)
    async with bench.at_work():
        assert await soon((await bench.submit("one")).end()) == Failed(
            "internal", "a fault of our own; it is in the server's log"
        )
        assert await code_of(await bench.submit("two")) == "internal"
        assert await soon((await bench.submit("three")).end()) == painted()
    assert "ZeroDivisionError: ours" in caplog.text
    assert "one" not in {record.getMessage() for record in caplog.records}


async def test_a_fault_in_holding_the_claim_ends_the_job_and_the_worker_lives_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The job is nobody's to hold any more: its watchers are told, and its server is hung up on."""
    bench = Bench(go_on_until_interrupted, succeed)
    renew = bench.queue.renew

    async def fail_once(claim: Claim, wish: Wish) -> Wish:
        bench.queue.renew = renew  # type: ignore[method-assign]
        raise ZeroDivisionError("ours")

    bench.queue.renew = fail_once  # type: ignore[method-assign]
    async with bench.at_work():
        assert await code_of(await bench.submit("one")) == "internal"
        assert await soon((await bench.submit("two")).end()) == painted()
    assert f"job {bench.backend.tasks[0]}: a fault of our own" in caplog.text
    assert "ZeroDivisionError: ours" in caplog.text
    assert bench.log.count("hung up") == 1


async def test_a_fault_in_freeing_the_server_costs_the_next_job_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its own job has ended by then, and does not end again."""
    bench = Bench(go_on_until_interrupted, succeed)

    async def fail_to_interrupt(task: str) -> None:
        raise ZeroDivisionError("ours")

    bench.backend.interrupt = fail_to_interrupt  # type: ignore[method-assign]
    async with bench.at_work():
        watch = await bench.submit("one")
        await soon(bench.backend.painting.wait())
        assert await bench.queue.cancel("one", ALICE)
        assert await soon(watch.end()) == Cancelled()
        assert await soon((await bench.submit("two")).end()) == painted()
    assert f"job {bench.backend.tasks[0]}: a fault of our own" in caplog.text
    assert [word for word in bench.log if word.startswith("internal")] == ["internal refused"]


async def test_a_fault_in_the_worker_itself_is_logged_and_it_lives_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(fail(Unreachable("gone")), succeed)
    looked = bench.backend.look
    looks = 0

    async def look() -> Offer:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise ZeroDivisionError("ours")
        return await looked()

    bench.backend.look = look  # type: ignore[method-assign]
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    assert "a fault in the worker" in caplog.text


async def test_a_picture_that_cannot_be_handed_on_ends_its_job_and_is_not_painted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(succeed, succeed)
    finish = bench.queue.finish

    async def finish_what_can_be_said(claim: Claim, outcome: End | Again) -> bool:
        if outcome == painted() and claim.id == "one":
            raise OverflowError("a number that the queue cannot write down")
        return await finish(claim, outcome)

    monkeypatch.setattr(bench.queue, "finish", finish_what_can_be_said)
    async with bench.at_work():
        assert await code_of(await bench.submit("one")) == "internal"
        assert await soon((await bench.submit("two")).end()) == painted()


@pytest.mark.parametrize("local", [True, False])
async def test_a_queue_that_takes_no_end_at_all_ends_no_slot(
    local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(succeed, succeed, succeed)
    monkeypatch.setattr(bench.queue, "local", local)
    finish = bench.queue.finish

    async def finish_the_second(claim: Claim, outcome: End | Again) -> bool:
        if claim.id == "one":
            raise RuntimeError("WRONGTYPE")
        return await finish(claim, outcome)

    monkeypatch.setattr(bench.queue, "finish", finish_the_second)
    async with bench.at_work():
        await bench.submit("one")
        for id in ("two", "three"):
            assert await soon((await bench.submit(id)).end()) == painted()


async def test_a_server_that_finds_everything_wrong_rests_and_a_picture_makes_up_for_that() -> None:
    """Else it would be the first to be free, always, and fail nearly all there is."""
    wrong = fail(InvalidRequest("422"))
    bench = Bench(*[wrong] * 4, succeed, *[wrong] * 6, succeed)
    async with bench.at_work():
        for number in range(12):
            await soon((await bench.submit(f"{number}")).end())
    assert [word for word in bench.log if word not in {"look", "usable"}] == [
        *["paint", "invalid_request accepted"] * 4,
        *["paint", "Completed accepted"],
        *["paint", "invalid_request accepted"] * 4,
        *["paint", "resting", "invalid_request accepted"] * 2,
        *["paint", "Completed accepted"],
    ]
