"""The A1111 backend over real sockets, against a server that does whatever a test wants of it."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from core.backends import Limited, Unreachable, Wishes
from core.backends.a1111 import A1111Backend, Found, discover, discovery, open_session, standstill
from core.backends.a1111 import progress as progress_module
from core.backends.a1111.backend import LISTS_SECONDS
from core.backends.a1111.refusal import LONGEST_REASON
from core.errors import BackendError, InvalidRequest, SdError
from core.events import Completed, Progress
from core.queues import Wish
from core.request import ImageRequest
from core.variables import BackendAddress
from tests.doubles.a1111 import NO_API, NO_PROGRESS, A1111Double
from tests.doubles.pictures import prompt_of, seed_of
from tests.doubles.tls import own_certificate

WATCHED = Wish(held=True, watched=True, preview=False)
PREVIEW = Wish(held=True, watched=True, preview=True)
ALONE = Wish(held=True, watched=False, preview=False)
TASK = "sd-b64-test-1"


class Studio:
    """A backend and the server behind it."""

    def __init__(self, double: A1111Double, backend: A1111Backend) -> None:
        self.double = double
        self.backend = backend
        self.told: list[Progress] = []
        self.heard = asyncio.Event()

    async def paint(
        self, prompt: str = "a cat", *, task: str = TASK, wishes: Wishes | None = None, **more: Any
    ) -> Completed:
        request = ImageRequest(prompt=prompt, **more)
        return await self.backend.paint(task, request, self._hear, wishes or Wishes(ALONE))

    async def give_up_on_one(self) -> None:
        """A proxy tells of a 504 while the server paints on."""
        await self.backend.look()
        self.double.hold(at=2)
        with pytest.raises(BackendError, match="a proxy before it answered 504: it may not wait"):
            await self.paint("/impatient")

    async def _hear(self, progress: Progress) -> None:
        self.told.append(progress)
        self.heard.set()


@asynccontextmanager
async def studio(
    *, user: str = "", password: str = "", clock: Callable[[], float] = time.monotonic, **double: Any
) -> AsyncIterator[Studio]:
    async with A1111Double(**double) as server, open_session() as session:
        address = BackendAddress(server.url, user, password)
        yield Studio(server, A1111Backend(address, session, deployment="test", clock=clock, give_up=5))


async def test_a_look_tells_models_samplers_and_what_is_loaded() -> None:
    async with studio() as it:
        offer = await it.backend.look()
        assert offer.usable
        assert (offer.models, offer.loaded) == (("alpha", "beta"), "alpha")
        assert "Euler a" in offer.samplers
        assert offer.pace is None


async def test_of_endless_lists_of_endless_names_only_what_clients_can_use_is_offered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each client is told of all of them. Its owner is told once that these are not all."""
    names = [f"model {number}" for number in range(3000)]
    now = 0.0
    async with studio(models=["x" * 1000, *names], samplers=names, clock=lambda: now) as it:
        it.double.loaded = "x" * 1000
        for _ in range(2):
            offer = await it.backend.look()
            assert offer.models == offer.samplers == tuple(names[:1000])
            assert offer.loaded is None
            now += LISTS_SECONDS
        assert caplog.text.count(f"{it.double.name}: offers 2000 of its 6001 models and samplers") == 1


async def test_a_picture_comes_with_its_seed_and_teaches_the_pace() -> None:
    async with studio(step_seconds=0.001) as it:
        await it.backend.look()
        completed = await it.paint("a cat", seed=5, steps=10)
        image = completed.images[0]
        assert (prompt_of(image.base64), seed_of(image.base64), image.seed) == ("a cat", 5, 5)
        pace = it.backend.offer.pace
        assert pace is not None
        assert pace == pytest.approx(completed.seconds / 0.5)
        assert it.double.txt2img_requests[0]["force_task_id"] == TASK
        assert it.double.txt2img_requests[0]["save_images"] is False


async def test_the_pace_is_of_the_pictures_that_came_and_not_of_those_that_were_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """KoboldCpp paints one, however many are asked for. Its owner is told so once."""
    async with studio(step_seconds=0.001) as it:
        seconds = list[float]()
        for _ in range(2):
            completed = await it.paint("/fewer", steps=10, batch_size=4)
            assert len(completed.images) == 1
            seconds.append(completed.seconds)
        assert caplog.text.count(f"{it.double.name}: painted 1 of 4 pictures") == 1
        pace = (await it.backend.look()).pace
        assert pace == pytest.approx(median(seconds) / 0.5)


async def test_a_seed_left_to_chance_is_chosen_here_so_that_it_is_always_known() -> None:
    async with studio() as it:
        image = (await it.paint("/no-info")).images[0]
        assert image.seed == it.double.txt2img_requests[0]["seed"] >= 0


async def test_a_seed_left_to_chance_is_one_that_every_server_paints_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """KoboldCpp and stable-diffusion.cpp have 31 bits for it, and a sign."""
    monkeypatch.setattr("random.getrandbits", lambda bits: 2**bits - 1)
    async with studio() as it:
        assert (await it.paint()).images[0].seed == 2**31 - 1


async def test_a_model_is_loaded_for_a_job_and_stays() -> None:
    async with studio() as it:
        await it.backend.look()
        await it.paint(model="beta")
        assert it.backend.offer.loaded == it.double.loaded == "beta"
        assert it.backend.offer.pace is None  # loading is no painting
        assert it.double.txt2img_requests[0]["override_settings_restore_afterwards"] is False


async def test_a_model_in_a_folder_has_one_name_in_the_offer_and_in_the_picture() -> None:
    """A1111 calls it by three: `xl/beta.safetensors [hash]`, `xl_beta`, and `beta` once it has painted."""
    async with studio(models=("alpha", "xl/beta")) as it:
        assert (await it.backend.look()).models == ("alpha", "xl_beta")
        completed = await it.paint(model="xl_beta")
        assert completed.model == it.backend.offer.loaded == (await it.backend.look()).loaded == "xl_beta"
        assert (await it.paint()).model == "xl_beta"
        assert it.double.switches == 1


async def test_a_picture_by_another_model_than_was_asked_for_is_a_fault_of_the_server() -> None:
    """It paints with the one that it has where a name is new to it: the list is read again then."""
    async with studio() as it:
        await it.backend.look()
        it.double.models = ("alpha",)
        with pytest.raises(BackendError, match="painted with 'alpha', and not with 'beta'"):
            await it.paint(model="beta")
        assert (await it.backend.look()).models == ("alpha",)


async def test_a_picture_by_a_model_that_is_new_is_a_fault_of_the_server() -> None:
    """Of one whose pictures have named models of its list before."""
    async with studio() as it:
        await it.backend.look()
        await it.paint(model="alpha")
        it.double.models, it.double.loaded = ("gamma",), "gamma"
        with pytest.raises(BackendError, match="painted with 'gamma', and not with 'beta'"):
            await it.paint(model="beta")
        assert (await it.backend.look()).models == ("gamma",)


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


async def test_a_picture_that_waited_behind_somebody_elses_says_little_about_the_pace() -> None:
    async with studio(step_seconds=0.002) as it:
        # No stall of this machine matters: with the fifth the pace is at most that of the third fastest of
        # these four, which is less than twice the mean of the second and the third, the pace before.
        for _ in range(4):
            await it.paint(steps=10)
        before = (await it.backend.look()).pace
        assert before is not None
        outside = await it.double.paint_outside(held=True)
        painting = asyncio.create_task(it.paint(steps=10))
        await it.double.until(lambda: len(it.double.paintings) == 6)
        await asyncio.sleep(10 * before)  # the wait itself is what is measured
        outside.release()
        waited = await painting
        assert waited.seconds > 5 * before
        pace = (await it.backend.look()).pace
        assert pace is not None
        assert pace < 2 * before


async def test_what_a_server_may_still_paint_after_the_connection_broke_is_seen_to_first() -> None:
    async with studio() as it:
        await it.backend.look()
        it.double.hold(at=2)
        painting = asyncio.create_task(it.paint())
        await it.double.until(lambda: it.double.is_painting(TASK))
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
        it.double.hold(at=2)
        painting = asyncio.create_task(it.paint())
        await it.double.until(lambda: it.double.is_painting(TASK))
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
        it.double.hold(at=2)
        painting = asyncio.create_task(it.paint("/oom"))
        await it.double.until(lambda: it.double.is_painting(TASK))
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
        it.double.hold(at=2)
        painting = asyncio.create_task(it.paint())
        await it.double.until(lambda: it.double.is_painting(TASK))
        await it.backend.interrupt(TASK)
        await painting
        assert it.double.interrupts == [TASK]
        assert it.backend.offer.pace is None  # half a picture is no measure


async def test_nothing_is_remembered_of_an_interrupt_that_was_cut_off() -> None:
    """The answer to the interrupted picture came while the server was asked whether it still runs."""
    async with studio() as it:
        it.double.hold(at=2)
        painting = asyncio.create_task(it.paint())
        await it.double.until(lambda: it.double.is_painting(TASK))
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
    it.double.hold(at=2)
    painting = asyncio.create_task(it.paint())
    await it.double.until(lambda: it.double.is_painting(TASK))
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


@pytest.mark.parametrize(
    ("prompt", "error", "words"),
    [
        ("/fail-500", BackendError, "RuntimeError: mat1"),
        ("/oom", BackendError, "OutOfMemoryError: CUDA out of memory"),
        ("/nan", BackendError, "NansException"),
        ("/forge", BackendError, "AttributeError: 'NoneType' object has no attribute 'cond_stage_model'"),
        ("/large-body", BackendError, "ResponseValidationError$"),
        ("/422", InvalidRequest, "steps"),
        ("/404-sampler", InvalidRequest, "Sampler not found"),
        ("/400-sampler", InvalidRequest, "Sampler not found"),
        ("/error-400", InvalidRequest, "invalid params"),
        ("/errors-400", BackendError, "ValueError: bad value"),
        ("/message-400", BackendError, "HTTPException: bad value"),
        ("/status-400", BackendError, "answered 400"),
        ("/truncate", BackendError, "truncated"),
        ("/not-json", BackendError, "no JSON"),
        ("/empty-images", BackendError, "without a picture"),
        ("/bad-base64", BackendError, "truncated"),
        ("/hang-up", BackendError, "broke"),
        ("/drop", BackendError, "broke"),
        ("/status-502", BackendError, "answered 502"),
    ],
)
async def test_each_fault_has_its_end(prompt: str, error: type[SdError], words: str) -> None:
    async with studio() as it:
        with pytest.raises(error, match=words) as caught:
            await it.paint(prompt)
        assert not isinstance(caught.value, Unreachable)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("/detail-500", "answered 500: Invalid image format"),
        ("/busy-503", "answered 503: Server is busy; please try again later."),
        ("/text-500", "answered 500: unsupported operand type(s) for +"),
        ("/plain-500", "answered 500 without a reason; its console has it"),
    ],
)
async def test_what_a_relative_of_a1111_says_of_its_fault_is_told(prompt: str, words: str) -> None:
    """It is an answer of the server itself, and no proxy's: it paints our picture no more."""
    async with studio(names_tasks=False, tells_task=False) as it:
        await it.backend.look()
        with pytest.raises(BackendError) as caught:
            await it.paint(prompt)
        assert caught.value.message == f"{it.double.name}: {words}"
        it.double.stuck = True
        assert (await it.backend.look()).usable


async def test_a_proxy_that_does_not_wait_may_say_so_in_any_words() -> None:
    """A1111 and its relatives never answer 504: the server may paint on."""
    async with studio(names_tasks=False, tells_task=False) as it:
        await it.backend.look()
        it.double.fault("/sdapi/v1/txt2img", 504)
        with pytest.raises(BackendError, match="a proxy before it answered 504: it may not wait as long"):
            await it.paint()
        it.double.heal()
        it.double.stuck = True
        assert (await it.backend.look()).resting


@pytest.mark.parametrize(
    ("asked", "seconds"), [(None, 10), ("30", 30), ("0", 1), ("86400", 60), ("nan", 1), ("in a while", 10)]
)
async def test_a_server_that_limits_its_pictures_says_so_in_our_words_and_is_left_alone(
    asked: str | None, seconds: float
) -> None:
    """SD.Next paints first, and then has a 429 in place of the picture: in it, our address as it sees it."""
    async with studio() as it:
        it.double.rations, it.double.retry_after = 1, asked
        await it.paint("the first")
        with pytest.raises(Limited) as caught:
            await it.paint("the second")
        assert caught.value.message == f"{it.double.name}: limits how many pictures it paints a minute"
        assert caught.value.retry_after == seconds
        assert [painting.prompt for painting in it.double.paintings] == ["the first", "the second"]


async def test_a_server_that_limits_how_often_it_is_looked_at_is_used_all_the_same() -> None:
    """It is asked for its options every few seconds, and nothing in them is needed to paint."""
    async with studio() as it:
        before = await it.backend.look()
        it.double.fault("/sdapi/v1", 429)
        assert await it.backend.look() == before


@pytest.mark.parametrize("path", ["/sdapi/v1/sd-models", "/sdapi/v1/samplers"])
async def test_a_server_that_limits_its_answers_has_the_models_that_it_had(path: str) -> None:
    """A 429 does not say that there is nothing."""
    now = 0.0
    async with studio(clock=lambda: now) as it:
        await it.backend.look()
        now += LISTS_SECONDS
        it.double.fault(path, 429)
        offer = await it.backend.look()
        assert (offer.usable, offer.problem) == (False, f"{path} answered 429")
        assert (offer.models, offer.samplers) == (it.double.models, it.double.samplers)
        it.double.heal()
        assert (await it.backend.look()).usable


async def test_a_traceback_is_cut_down_to_its_sentence() -> None:
    async with studio() as it:
        with pytest.raises(BackendError) as caught:
            await it.paint("/traceback")
        assert "Traceback" not in caught.value.message
        assert len(caught.value.message) < 360


@pytest.mark.parametrize("prompt", ["/escapes", "/escapes-400", "/escapes-422", "/escapes-503"])
async def test_a_servers_words_steer_no_terminal(prompt: str) -> None:
    """They go into the log, into `problem`, and to clients that print them."""
    async with studio() as it:
        with pytest.raises(SdError) as caught:
            await it.paint(prompt)
        assert caught.value.message.isprintable()
        assert "]0;mine[2J31m" in caught.value.message, "the rest is told"
        assert getattr(caught.value, "field", None) in {None, "st]0;mine[2J31m eps"}


async def test_a_refused_parameter_with_a_name_without_end_is_cut() -> None:
    async with studio() as it:
        with pytest.raises(InvalidRequest, match="stepssteps") as caught:
            await it.paint("/422-long-field")
        assert caught.value.field is not None
        assert len(caught.value.field) == LONGEST_REASON
        assert len(caught.value.message) < 2 * LONGEST_REASON


@pytest.mark.parametrize(("prompt", "format"), [("/jpeg", "jpeg"), ("/webp", "webp"), ("/data-uri", "png")])
async def test_other_formats_come_as_they_are(prompt: str, format: str) -> None:
    async with studio() as it:
        assert (await it.paint(prompt)).images[0].format == format


async def test_a_server_that_is_away_is_unreachable_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("container", raising=False)
    async with studio() as it:
        await it.double.go_away()
        with pytest.raises(Unreachable, match="not reached"):
            await it.paint()
        assert (await it.backend.look()).problem == "not reached (connection refused)"
        await it.double.come_back()
        assert (await it.backend.look()).usable


class ThisMachine(AbstractResolver):
    """Every name is this machine's."""

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        found = ResolveResult(
            hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0
        )
        return [found]

    async def close(self) -> None:
        pass


async def test_from_a_container_it_says_why_this_machine_is_not_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There 127.0.0.1 is the container itself, and A1111 listens for 127.0.0.1 alone unless it is told to."""
    monkeypatch.setenv("container", "oci")
    async with studio() as it:
        await it.double.go_away()
        said = (await it.backend.look()).problem
        assert "connection refused; in a container that is the container itself: name it host." in said
        url = it.double.url.replace("127.0.0.1", "host.docker.internal")
        connector = aiohttp.TCPConnector(resolver=ThisMachine())
        async with aiohttp.ClientSession(connector=connector) as session:
            backend = A1111Backend(BackendAddress(url), session, deployment="test")
            said = (await backend.look()).problem
            assert said == "not reached (connection refused; A1111 listens for containers with --listen)"


async def test_of_another_machine_it_says_why_nothing_may_listen_there() -> None:
    """A1111 is there and paints for its owner: with --api alone it listens for its own machine only."""
    async with studio() as it:
        await it.double.go_away()
        url = it.double.url.replace("127.0.0.1", "gpu")
        connector = aiohttp.TCPConnector(resolver=ThisMachine())
        async with aiohttp.ClientSession(connector=connector) as session:
            backend = A1111Backend(BackendAddress(url), session, deployment="test")
            said = (await backend.look()).problem
            assert said == "not reached (connection refused; is it started with --listen?)"


async def test_why_there_is_no_tls_with_a_server_is_said(tmp_path: Path) -> None:
    """Its address may be meant with http://, or its certificate may be one of its owner's own making."""
    context, _ = await own_certificate(tmp_path)
    own = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with own, A1111Double() as double, open_session() as session:
        for port, problem in (
            (double.url.rpartition(":")[2], "it speaks no TLS: http:// may be meant"),
            (own.sockets[0].getsockname()[1], "its TLS certificate is not trusted here"),
        ):
            backend = A1111Backend(BackendAddress(f"https://127.0.0.1:{port}"), session, deployment="test")
            assert (await backend.look()).problem == f"not reached ({problem})"


@pytest.mark.parametrize("words", ["error", "plain"])
async def test_a_server_whose_options_fail_by_its_own_words_paints_all_the_same(words: str) -> None:
    """Some versions of A1111, SD.Next and Forge answer so: a value in them does not fit their own model."""
    async with studio() as it:
        it.double.fault("/sdapi/v1/options", words)
        offer = await it.backend.look()
        assert offer.usable
        assert offer.models
        await it.paint()
        for status in (500, 502, 503, 504):
            it.double.fault("/sdapi/v1/options", status)
            assert not (await it.backend.look()).usable, "that is somebody else's word"
        it.double.heal()
        it.double.fault("/sdapi/v1/sd-models", words)
        assert not (await it.backend.look()).usable, "what it has must be known"


async def test_what_is_compressed_though_it_was_asked_not_to_be_is_never_unpacked() -> None:
    """Megabytes of it may become gigabytes."""
    async with studio() as it:
        it.double.fault("/", "gzip")
        told = "answers in gzip although it was asked not to compress"
        assert (await it.backend.look()).problem == told
        with pytest.raises(BackendError, match=f"{it.double.name}: {told}"):
            await it.paint()
        it.double.heal()
        assert (await it.backend.look()).usable
    async with open_session() as session:
        assert not session.auto_decompress, "it would begin before its head is looked at"


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such limit")
async def test_a_host_that_vanished_while_its_connection_was_idle_is_noticed_within_a_minute() -> None:
    """A host that is gone can be had here only as root: so this reads what the system is told."""
    async with A1111Double() as double, open_session() as session:
        double.fault("/sdapi/v1/options", "endless")
        async with session.get(f"{double.url}/sdapi/v1/options") as response:
            assert response.connection is not None
            assert response.connection.transport is not None
            connection = response.connection.transport.get_extra_info("socket")
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
            response.close()


async def test_no_more_is_read_of_an_answer_than_it_can_need() -> None:
    """Else one server that is broken or hostile takes all of this process's memory, and its time."""
    async with studio() as it:
        with pytest.raises(
            BackendError, match=f"{it.double.name}: /sdapi/v1/txt2img answered more than 17 MB"
        ):
            await it.paint("/endless", width=64, height=64)
        with pytest.raises(BackendError, match="/sdapi/v1/txt2img answered more than 4 MB"):
            await it.paint("/endless-500")
        await it.double.until(lambda: it.double.cut_short == 1)
        for path, most in (("options", 4), ("sd-models", 4), ("samplers", 4), ("progress", 42)):
            it.double.fault(f"/sdapi/v1/{path}", "endless")
            problem = (await it.backend.look()).problem
            assert problem == f"/sdapi/v1/{path} answered more than {most} MB"
            it.double.heal()
        await it.double.until(lambda: it.double.cut_short == 5)
        assert (await it.backend.look()).usable


async def test_an_address_that_redirects_is_told_so() -> None:
    async with studio() as it, open_session() as session:
        it.double.fault("/", 301)
        assert "it redirects to another address" in (await it.backend.look()).problem
        assert await discover(session, it.double.url) is Found.OTHER


async def test_a_model_in_a_folder_that_shares_its_name_with_one_outside_is_painted() -> None:
    """A picture's info names both of them by the same name."""
    async with studio(models=("twin", "sdxl/twin")) as it:
        await it.backend.look()
        for name in ("sdxl_twin", "twin"):
            assert (await it.paint(model=name)).model == name


async def test_a_web_ui_without_its_api_is_told_how_to_start_it() -> None:
    async with studio(missing=NO_API) as it, open_session() as session:
        assert "start it with --api" in (await it.backend.look()).problem
        assert await discover(session, it.double.url) is Found.OTHER


@pytest.mark.parametrize(("fault", "status"), [("html", 200), ("page-404", 404), ("page-400", 400)])
async def test_a_page_of_somebody_else_is_not_taken_for_a_web_ui_without_its_api(
    fault: str, status: int
) -> None:
    """A tunnel warns with one, or says so that it is closed; a port for https:// answers http:// so."""
    async with studio() as it:
        it.double.fault("/", fault)
        problem = (await it.backend.look()).problem
        assert f"no A1111 (status {status}): another program, a tunnel or a proxy does" in problem
        assert "--api" not in problem


async def test_discovery_finds_an_api_or_nothing() -> None:
    async with studio() as it, open_session() as session:
        assert await discover(session, it.double.url) is Found.A1111
        await it.double.go_away()
        assert await discover(session, it.double.url) is Found.NOTHING


@pytest.mark.parametrize(
    ("answer", "found"), [(None, Found.SILENT), (b"", Found.OTHER), (b"SSH-2.0-x\r\n", Found.OTHER)]
)
async def test_discovery_tells_what_is_there_and_no_a1111(
    answer: bytes | None, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes a connection and never answers, and what speaks something else."""
    monkeypatch.setattr(discovery, "SECONDS", 0.2 if answer is None else 10.0)
    monkeypatch.setattr(discovery, "KNOCK_SECONDS", 10.0)
    over = asyncio.Event()

    async def strange(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is None:
            await over.wait()
        else:
            writer.write(answer)
        writer.close()

    other = await asyncio.start_server(strange, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}"
    async with other, open_session() as session:
        assert await discover(session, url) is found
        over.set()


async def test_who_was_given_no_password_is_told_where_to_write_it() -> None:
    async with studio(credentials=("me", "s3cret")) as it:
        told = "wants a user and a password: SD_BACKENDS=http://user:password@..."
        assert (await it.backend.look()).problem == told
        with pytest.raises(BackendError, match="wants a user and a password"):
            await it.paint()


async def test_who_is_forbidden_everything_is_not_sent_to_look_for_a_password() -> None:
    """A proxy or a firewall answers so: A1111 itself says 401."""
    async with studio() as it, open_session() as session:
        it.double.fault("/", 403)
        assert (await it.backend.look()).problem == "answers 403: something before it forbids it"
        with pytest.raises(BackendError, match="answers 403") as caught:
            await it.paint()
        assert not isinstance(caught.value, Unreachable), "it would be tried for ever"
        assert await discover(session, it.double.url) is Found.OTHER


async def test_what_stands_in_front_of_a_server_that_was_well_takes_it_out_at_the_next_look() -> None:
    """Not only when its lists are read again, a minute later: until then it would fail all jobs."""
    async with studio() as it:
        assert (await it.backend.look()).usable
        it.double.fault("/", 403)
        assert (await it.backend.look()).problem == "answers 403: something before it forbids it"
        it.double.heal()
        assert (await it.backend.look()).usable


async def test_credentials_let_us_in_and_appear_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with studio(credentials=("me", "s3cret"), user="me", password="s3cret") as it:
        assert (await it.backend.look()).usable
        await it.paint()
        said = [repr(it.backend.offer), it.backend.name]
        it.double.credentials = ("me", "changed")
        said.append((await it.backend.look()).problem)
        with pytest.raises(BackendError, match="refused our user and password") as caught:
            await it.paint()
        said += [repr(caught.value), repr(caught.value.__cause__), caplog.text]
        assert not any("s3cret" in text for text in said)
