"""The A1111 backend over real sockets, against a server that does whatever a test wants of it."""

import asyncio
from statistics import median

import pytest

from core.backends.a1111.backend import LISTS_SECONDS
from core.errors import BackendError
from tests.doubles.pictures import prompt_of, seed_of
from tests.doubles.studio import TASK, studio


async def test_a_look_tells_models_samplers_and_what_is_loaded() -> None:
    async with studio() as it:
        offer = await it.backend.look()
        assert offer.usable
        assert (offer.models, offer.loaded) == (("alpha", "beta"), "alpha")
        assert "Euler a" in offer.samplers
        assert offer.pace is None


async def test_a_server_that_is_met_while_it_begins_offers_its_models_as_soon_as_it_has_them() -> None:
    """It gets its endpoints one after the other, or a proxy lets them through later: not a minute later."""
    lists = ("/sdapi/v1/options", "/sdapi/v1/sd-models", "/sdapi/v1/samplers")
    async with studio(missing=lists) as it:
        assert (await it.backend.look()).models == ()
        it.double.missing = ()
        offer = await it.backend.look()
        assert (offer.models, offer.samplers) == (it.double.models, it.double.samplers)
        await it.backend.look()
        assert it.double.count("/sdapi/v1/sd-models") == 2, "from then on they are believed for a while"


@pytest.mark.parametrize("path", ["sd-models", "samplers"])
async def test_a_list_that_is_lost_once_is_asked_for_again_at_the_next_look(path: str) -> None:
    """What stood in front of the server was there for a moment only."""
    now = 0.0
    async with studio(clock=lambda: now) as it:
        before = await it.backend.look()
        now += LISTS_SECONDS
        it.double.fault(f"/sdapi/v1/{path}", "html")
        assert (await it.backend.look()) != before
        it.double.heal()
        assert (await it.backend.look()) == before


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


async def test_a_model_in_a_folder_with_a_bracket_in_its_name_is_painted() -> None:
    """It is no hash; of one whose pictures have named models of its list before."""
    async with studio(models=("alpha", "sd [xl]/beta")) as it:
        await it.backend.look()
        for name in ("alpha", "sd [xl]_beta"):
            assert (await it.paint(model=name)).model == it.backend.offer.loaded == name


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
