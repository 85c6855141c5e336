"""When a slot looks at its server, and when it says its offer again."""

import asyncio

import pytest

from core.backends import OnProgress, Wishes
from core.events import Completed
from core.offers import Offer
from core.worker import standing
from tests.unit.core.examples import painted, soon, told, usable
from tests.unit.core.worker.bench import Bench, Scripted, submit_when_usable, succeed, turn

pytestmark = pytest.mark.usefixtures("short_rests")


@pytest.mark.parametrize("lease_ttl", [0.06, 3600.0])
async def test_an_offer_is_repeated_while_its_backend_paints(
    lease_ttl: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would lapse under a long picture, and new work be refused; however long a lease is."""
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.01)
    monkeypatch.setattr("core.queues.memory.queue.OFFER_TTL", 0.06)
    said = asyncio.Event()

    async def paint(backend: Scripted, on_progress: OnProgress, wishes: Wishes) -> Completed:
        backend.log.append("begun")
        await said.wait()
        return painted(backend.name)

    bench = Bench(paint, lease_ttl=lease_ttl)
    say = bench.queue.offer

    async def offer(offer: Offer) -> None:
        await say(offer)
        if "begun" in bench.log:
            said.set()

    bench.queue.offer = offer  # type: ignore[method-assign]
    async with bench.at_work():
        assert await soon((await bench.submit()).end()) == painted()
    assert bench.log[bench.log.index("begun") + 1] == "usable"


async def test_a_backend_that_paints_without_a_pause_is_looked_at_between_two_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Repeating its offer meanwhile is no look: a model that its owner adds would not be known for hours."""
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.01)
    repeated = asyncio.Event()

    async def paint_until_the_offer_is_repeated(
        backend: Scripted, on_progress: OnProgress, wishes: Wishes
    ) -> Completed:
        repeated.clear()
        await repeated.wait()
        return painted(backend.name)

    bench = Bench(*[paint_until_the_offer_is_repeated] * 3, lease_ttl=0.06)
    say = bench.queue.offer

    async def offer(offer: Offer) -> None:
        await say(offer)
        repeated.set()

    bench.queue.offer = offer  # type: ignore[method-assign]
    async with bench.at_work():
        for watch in [await bench.submit(f"job {number}") for number in range(3)]:
            assert await soon(watch.end()) == painted()
    between = [bench.log[start:] for start, word in enumerate(bench.log) if word == "paint"]
    assert all("look" in words[: words.index("paint", 1)] for words in between[:-1])


async def test_an_idle_backend_is_looked_at_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.002)
    bench = Bench()
    bench.backend.looks = [usable("gpu:1"), usable("gpu:1"), usable("gpu:1", "new model")]
    async with bench.at_work():
        while not (await bench.queue.offers()).models:
            await soon(turn())


async def test_a_queue_that_was_away_hears_of_an_idle_backend_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It took the offer only after the next look had come due: else that lapses, and nobody looks again."""
    monkeypatch.setattr(standing, "LOOK_EVERY", 0.002)
    bench = Bench()
    say, away = bench.queue.offer, [True, True, True]

    async def offer(offer: Offer) -> None:
        while away and not bench.worker._standing.look_due:
            await turn()
        if away:
            away.pop()
        await say(offer)

    async def looks(more: int) -> None:
        known = bench.log.count("look")
        while bench.log.count("look") < known + more:
            await turn()

    async with bench.at_work():
        bench.queue.offer = offer  # type: ignore[method-assign]
        await soon(looks(len(away) + 3))


async def test_a_backend_that_is_down_is_asked_again_until_it_is_back() -> None:
    down = Offer("gpu:1", usable=False, problem="connection refused")
    bench = Bench(succeed)
    bench.backend.looks = [down, down, down, usable("gpu:1")]
    async with bench.at_work():
        next_job = await submit_when_usable(bench)
        assert await soon(next_job.end()) == painted()
    assert await told(next_job) == []
