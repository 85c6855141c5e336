"""How far an A1111 server is: asked only while somebody watches, told of our own task, else estimated."""

import asyncio
import time
from typing import Any

import pytest

from core.backends import Wishes
from core.backends.a1111 import progress as progress_module
from core.events import Progress
from core.request import ImageRequest
from tests.doubles.a1111 import NO_PROGRESS
from tests.doubles.pictures import prompt_of
from tests.doubles.studio import ALONE, PREVIEW, TASK, WATCHED, studio


async def test_nobody_watching_means_no_poll() -> None:
    async with studio() as it:
        it.double.hold(at=3)
        painting = asyncio.create_task(it.paint())
        await it.double.until(lambda: it.double.active and it.double.active.steps == 3)
        it.double.release()
        await painting
        assert it.told == []
        assert it.double.count("/internal/progress") == it.double.count("/sdapi/v1/progress") == 0


@pytest.mark.parametrize("missing", [(), ("/internal/progress",)])
async def test_progress_is_of_this_task_and_rises(missing: tuple[str, ...]) -> None:
    """By name where the server knows names, else while it says that this is what runs."""
    async with studio(missing=missing) as it:
        wishes = Wishes(ALONE)
        it.double.hold(at=5)
        painting = asyncio.create_task(it.paint(wishes=wishes))
        await it.double.until(lambda: it.double.active and it.double.active.steps == 5)
        wishes.update(WATCHED)
        await it.heard.wait()
        assert (it.told[0].step, it.told[0].steps, it.told[0].preview) == (5, 20, None)
        it.heard.clear()
        it.double.hold(at=10)
        await it.heard.wait()
        it.double.release()
        await painting
        fractions = [progress.fraction for progress in it.told]
        assert fractions == sorted(fractions)
        assert not any(progress.estimated for progress in it.told)


@pytest.mark.parametrize("missing", [(), ("/internal/progress",)])
async def test_before_the_first_step_the_seconds_left_are_those_of_the_pace(missing: tuple[str, ...]) -> None:
    """Once a picture was measured."""
    now = 0.0
    async with studio(missing=missing, step_seconds=0.1, clock=lambda: now) as it:
        it.double.hold(at=1)
        measured = asyncio.create_task(it.paint(steps=2))
        await it.double.until(lambda: it.double.active and it.double.active.steps == 1)
        now += 0.25
        it.double.release()
        await measured
        it.double.hold(at=0)
        painting = asyncio.create_task(it.paint(wishes=Wishes(WATCHED)))
        await it.heard.wait()
        assert it.told[0].step == 0
        # `/sdapi/v1/progress` has its own word by then, which counts next to nothing.
        assert it.told[0].eta == pytest.approx(2.5, abs=0.01)
        it.double.release()
        await it.backend.interrupt(TASK)
        await painting


@pytest.mark.parametrize("missing", [(), ("/internal/progress",)])
async def test_somebody_elses_progress_is_never_ours(missing: tuple[str, ...]) -> None:
    """While the server's owner paints by hand our job waits in its line and hears nothing."""
    async with studio(missing=missing) as it:
        outside = await it.double.paint_outside(held=True)
        await it.double.until(lambda: it.double.active is outside)
        painting = asyncio.create_task(it.paint(wishes=Wishes(WATCHED)))
        source = "/sdapi/v1/progress" if missing else "/internal/progress"
        await it.double.until(lambda: it.double.count(source) >= 2)
        assert it.told == []
        outside.release()
        await painting


async def test_progress_that_cannot_be_told_costs_no_picture_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A fault of our own in it would else be known to nobody."""
    async with studio() as it:
        told = asyncio.Event()

        async def broken(_: Progress) -> None:
            told.set()
            raise RuntimeError("the cause")

        it.double.hold(at=5)
        painting = asyncio.create_task(
            it.backend.paint(TASK, ImageRequest(prompt="a cat"), broken, Wishes(WATCHED))
        )
        await told.wait()
        it.double.release()
        assert prompt_of((await painting).images[0].base64) == "a cat"
    assert "its progress could not be told" in caplog.text
    assert "the cause" in caplog.text


async def test_a_preview_that_is_no_picture_is_none() -> None:
    """An address, as a relative tells: no client could show it."""
    async with studio() as it:
        it.double.odd_previews = "./internal/live-preview/5"
        it.double.hold(at=5)
        painting = asyncio.create_task(it.paint(wishes=Wishes(PREVIEW)))
        await it.heard.wait()
        assert it.told[-1].preview is None
        it.double.release()
        await painting


async def test_previews_are_fetched_only_when_wished() -> None:
    async with studio() as it:
        wishes = Wishes(WATCHED)
        it.double.hold(at=5)
        painting = asyncio.create_task(it.paint(wishes=wishes))
        await it.heard.wait()
        assert not it.double.previews
        it.heard.clear()
        wishes.update(PREVIEW)
        it.double.hold(at=8)
        await it.heard.wait()
        assert it.told[-1].preview
        it.double.release()
        await painting


@pytest.mark.parametrize(
    "relative", [{"missing": NO_PROGRESS}, {"missing": NO_PROGRESS[:1], "tells_task": False}]
)
async def test_a_server_that_tells_nothing_is_estimated_by_time_and_says_so(relative: dict[str, Any]) -> None:
    async with studio(**relative) as it:
        assert (await it.backend.look()).usable
        it.double.hold(at=2)
        painting = asyncio.create_task(it.paint(wishes=Wishes(WATCHED)))
        await it.heard.wait()
        assert it.told[0].estimated
        assert 0 <= it.told[0].fraction < 1
        it.double.release()
        await painting


@pytest.mark.parametrize("status", [403, 404, 405, 501])
async def test_each_optional_endpoint_may_be_missing_in_each_way(status: int) -> None:
    """Also when a proxy forbids it, as one does that lets nothing through but what paints."""
    async with studio() as it:
        for path in (
            "/internal/progress",
            "/sdapi/v1/progress",
            "/sdapi/v1/options",
            "/sdapi/v1/samplers",
            "/sdapi/v1/sd-models",
        ):
            it.double.fault(path, status)
        offer = await it.backend.look()
        assert (offer.usable, offer.models, offer.samplers, offer.problem) == (True, (), (), "")
        assert prompt_of((await it.paint()).images[0].base64) == "a cat"


async def test_a_server_that_gives_tasks_names_of_its_own_is_estimated_by_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SD.Next: it answers `/internal/progress`, and never knows our task."""
    monkeypatch.setattr(progress_module, "NOT_KNOWN", 0.05)
    async with studio(names_tasks=False, tells_task=False) as it:
        await it.backend.look()
        it.double.hold(at=2)
        painting = asyncio.create_task(it.paint(wishes=Wishes(WATCHED)))
        await it.heard.wait()
        assert it.told[0].estimated
        it.double.release()
        await painting


async def test_an_odd_answer_about_progress_does_not_count_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "ASK_AGAIN", 0.0)
    async with studio() as it:
        it.double.fault("/internal/progress", "html")
        it.double.fault("/sdapi/v1/progress", "html")
        it.double.hold(at=2)
        painting = asyncio.create_task(it.paint(wishes=Wishes(WATCHED)))
        await it.heard.wait()
        assert it.told[-1].estimated
        it.double.heal()
        it.heard.clear()
        await it.heard.wait()
        assert not it.told[-1].estimated
        it.double.release()
        await painting


async def test_a_server_that_was_away_may_tell_what_it_did_not_tell_before() -> None:
    """Another version may be there by then; nobody waits a minute for what it tells."""
    async with studio(missing=NO_PROGRESS) as it:
        for is_estimated in (True, False):
            it.double.hold(at=2)
            painting = asyncio.create_task(it.paint(wishes=Wishes(WATCHED)))
            await it.heard.wait()
            assert it.told[-1].estimated is is_estimated
            it.double.release()
            await painting
            it.heard.clear()
            await it.double.go_away()
            assert not (await it.backend.look()).usable
            it.double.missing = ()
            await it.double.come_back()


@pytest.mark.parametrize("missing", [(), ("/internal/progress",)])
async def test_what_waits_behind_somebody_elses_picture_is_asked_for_less_and_less(
    missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_module, "FASTEST_POLL", 0.01)
    monkeypatch.setattr(progress_module, "SLOWEST_POLL", 0.1)
    path = "/sdapi/v1/progress" if missing else "/internal/progress"
    waited = 0.0
    async with studio(missing=missing, clock=lambda: time.monotonic() + waited) as it:
        outside = await it.double.paint_outside(held=True)
        painting = asyncio.create_task(it.paint(wishes=Wishes(WATCHED)))
        await it.double.until(lambda: it.double.count(path) == 1)
        waited = 10.0
        await it.double.until(lambda: it.double.count(path) == 2)
        began = time.monotonic()
        await it.double.until(lambda: it.double.count(path) == 4)
        assert time.monotonic() - began > 0.12
        outside.release()
        await painting
