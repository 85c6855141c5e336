"""One small scene of the growing queue."""

import asyncio

import pytest

from benchmarks.growth import Scene


def test_every_step_is_timed_and_the_queue_stays_as_long_as_it_was() -> None:
    scene = Scene(waiting=40, callers=3, backends=2)
    taken = asyncio.run(scene.measure(steps=20))
    assert set(taken) == {"submit", "claim", "position", "cancel", "longest"}
    assert all(0 < microseconds <= taken["longest"] for microseconds in taken.values())
    assert scene.waiting == 40


class Noting(Scene):
    """Notes which of two steps is taken when: a place that is looked for behind a claim is reckoned anew."""

    steps: list[str]

    async def _claim(self) -> float:
        self.steps.append("claim")
        return await super()._claim()

    async def _look(self) -> float:
        self.steps.append("position")
        return await super()._look()


@pytest.mark.parametrize("waiting", [4, 40, 800])
def test_however_many_wait_the_steps_are_taken_in_turns(waiting: int) -> None:
    """Else a place is reckoned once for many looks, and for the more of them the more wait."""
    scene = Noting(waiting=waiting, callers=3, backends=2)
    scene.steps = []
    asyncio.run(scene.measure(steps=20))
    assert scene.steps == ["claim", "position"] * 20
