"""One small scene of the growing queue."""

import asyncio

from benchmarks.growth import Scene


def test_every_step_is_timed_and_the_queue_stays_as_long_as_it_was() -> None:
    scene = Scene(waiting=40, callers=3, backends=2)
    taken = asyncio.run(scene.measure(steps=20))
    assert set(taken) == {"submit", "claim", "position", "cancel", "longest"}
    assert all(0 < microseconds <= taken["longest"] for microseconds in taken.values())
    assert scene.waiting == 40
