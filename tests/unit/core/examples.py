"""Values that the core's tests use, and a look at what a watcher has been told so far."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.caller import Caller
from core.events import Completed, Event, Failed, Image, Progress
from core.offers import Offer
from core.queues import Again, Wish
from core.request import ImageRequest
from core.watch import Watch

T = TypeVar("T")

ALICE, BOB = Caller("ip:203.0.113.1"), Caller("ip:203.0.113.2")
WATCHED = Wish(held=True, watched=True, preview=False)


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def wish_for(prompt: str = "a monkey", *, cost: float = 1.0, **fields: str) -> ImageRequest:
    """A request that costs so many units."""
    return ImageRequest(prompt=prompt, steps=round(20 * cost), **fields)  # type: ignore[arg-type]


def usable(backend: str, *models: str, loaded: str | None = None, pace: float | None = None) -> Offer:
    """What a backend that is well says of itself."""
    return Offer(backend, usable=True, models=models, loaded=loaded, pace=pace)


def painted(backend: str = "gpu:1", *, picture: bytes = b"aVZCT1I=", count: int = 1) -> Completed:
    """What a backend answers."""
    images = tuple(Image(picture, "png", seed=number, infotext="a monkey") for number in range(count))
    return Completed(
        images, backend, seconds=1.5, model="m", sampler_name="Euler", width=512, height=512, steps=20
    )


def progress(fraction: float, *, preview: bytes | None = None) -> Progress:
    """A server's word in between."""
    return Progress(fraction, round(20 * fraction), 20, None, preview)


ERROR = Failed("backend_error", "gpu:1: out of memory", 5.0)
BROKEN = Again(counts=True, error=ERROR)
"""The server failed while it painted."""
UNREACHED = Again(counts=False, error=ERROR)
"""The server was not reached: nothing was painted."""


async def soon(awaitable: Awaitable[T]) -> T:
    """What must happen, and does not take long; so that a test that waits in vain fails."""
    async with asyncio.timeout(5):
        return await awaitable


async def at_once() -> None:
    """In memory everything is told before the call that brought it about returns."""


settle: Callable[[], Awaitable[None]] = at_once
"""Waits until all is told that was brought about: a home that needs it puts its own here."""


async def told(watch: Watch) -> list[Event]:
    """What a watcher has been told and not read yet."""
    await settle()
    events: list[Event] = []
    try:
        async with asyncio.timeout(0):
            async for event in watch:
                events.append(event)  # noqa: PERF401 - what was read before the time is over counts
    except TimeoutError:
        pass
    return events
