"""The gateway, on every home of the queue: what a front end holds."""

import asyncio
from typing import Any

import pytest

from core.coordination.memory import MemoryCoordination
from core.errors import InvalidRequest, NoBackend, UnknownModel
from core.events import Queued
from core.gateway import Gateway
from core.offers import Catalog, Offer
from core.queues import Queue
from tests.unit.core.examples import ALICE, soon, told, usable, wish_for
from tests.unit.core.queues.homes import Home


@pytest.fixture
async def gateway(queue: Queue) -> Gateway:
    await queue.offer(usable("gpu:1"))
    return Gateway(queue, MemoryCoordination(), secret=lambda: b"a secret")


async def test_a_job_is_watched_as_long_as_its_context_lasts(gateway: Gateway, queue: Queue) -> None:
    async with gateway.submit(wish_for(), ALICE) as watch:
        assert await told(watch) == [Queued(0, None)]
    held = await soon(queue.claim("gpu:1"))
    assert not held.wish.watched


@pytest.mark.parametrize("loosely", [{"model": "ALPHA"}, {"sampler_name": "euler A"}])
async def test_a_loose_name_is_understood_also_where_servers_speak_for_the_first_time_just_then(
    gateway: Gateway, queue: Queue, loosely: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's first look comes between the reading of the names and the put."""
    await queue.offer(Offer("gpu:1", usable=True, models=("alpha",), samplers=("Euler a",)))
    known = queue.offers

    async def none_yet() -> Catalog:
        monkeypatch.setattr(queue, "offers", known)
        return Catalog(())

    monkeypatch.setattr(queue, "offers", none_yet)
    async with gateway.submit(wish_for(**loosely), ALICE):
        request = (await soon(queue.claim("gpu:1"))).request
        assert (request.model, request.sampler_name) in (("alpha", None), (None, "Euler a"))


async def test_the_same_key_of_the_same_caller_is_the_same_job(gateway: Gateway) -> None:
    one = gateway.submit(wish_for(), ALICE, key="k")
    async with one as first, gateway.submit(wish_for(), ALICE, key="k") as second:
        assert first.id == second.id
        assert (await gateway.status(ALICE)).waiting == 1


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21, 34])
@pytest.mark.parametrize("keep", [False, True])
async def test_a_submit_that_is_cut_off_leaves_no_job_that_nobody_wants(
    gateway: Gateway, home: Home, turns: int, keep: bool
) -> None:
    """At whatever moment its peer goes: what was put for nobody is forsaken, unless it is to be kept."""
    entered = asyncio.Event()

    async def submit() -> None:
        async with gateway.submit(wish_for(), ALICE, keep=keep) as watch:
            entered.set()
            try:
                await watch.end()
            except asyncio.CancelledError:
                await gateway.abandon(watch)  # as a front end does
                raise

    task = asyncio.create_task(submit())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await home.settle()
    waiting = (await gateway.status(ALICE)).waiting
    assert waiting <= int(keep)
    if entered.is_set():
        assert waiting == int(keep)


async def test_who_wants_a_model_while_no_server_can_be_used_may_try_again(
    gateway: Gateway, queue: Queue
) -> None:
    """None is known then, so this one is not unknown: a server that starts has not told its models yet."""
    await queue.offer(Offer("gpu:1", usable=False, problem="not reached"))
    with pytest.raises(NoBackend):
        async with gateway.submit(wish_for(model="anime"), ALICE):
            pass


@pytest.mark.parametrize(
    "then",
    [
        Offer("gpu:1", usable=False, samplers=("Euler a",), problem="not reached"),
        Offer("gpu:1", usable=True, samplers=("DDIM",)),
    ],
)
async def test_the_same_key_finds_its_job_also_when_no_server_has_its_sampler_any_more(
    gateway: Gateway, queue: Queue, then: Offer
) -> None:
    """However it was written, as long as the server that had it is known."""
    await queue.offer(Offer("gpu:1", usable=True, samplers=("Euler a",)))
    loosely = "Euler a" if then.usable else "euler A"
    async with gateway.submit(wish_for(sampler_name=loosely), ALICE, key="k", keep=True) as first:
        pass
    await queue.offer(then)
    async with gateway.submit(wish_for(sampler_name=loosely), ALICE, key="k", keep=True) as second:
        assert second.id == first.id


@pytest.mark.parametrize("loosely", ["anime", "sd15_anime", "SD15/Anime", "Stable-diffusion/sd15/anime"])
async def test_the_same_key_finds_its_job_by_any_name_of_a_model_whose_server_is_gone(
    gateway: Gateway, queue: Queue, loosely: str
) -> None:
    await queue.offer(usable("gpu:1", "sd15/anime.safetensors [abc]"))
    async with gateway.submit(wish_for(model=loosely), ALICE, key="k", keep=True) as first:
        pass
    await queue.offer(usable("gpu:1", "photo"))
    async with gateway.submit(wish_for(model=loosely), ALICE, key="k", keep=True) as second:
        assert second.id == first.id


async def test_a_model_of_the_same_name_in_another_folder_is_another_request(
    gateway: Gateway, queue: Queue
) -> None:
    await queue.offer(usable("gpu:1", "anime/v1.safetensors [a]", "photo/v1.safetensors [b]"))
    async with gateway.submit(wish_for(model="anime/v1"), ALICE, key="k", keep=True):
        pass
    with pytest.raises(InvalidRequest):
        async with gateway.submit(wish_for(model="photo/v1"), ALICE, key="k", keep=True):
            pass


async def test_the_same_key_finds_its_job_also_when_no_server_has_its_model_any_more(
    gateway: Gateway, queue: Queue
) -> None:
    await queue.offer(usable("gpu:1", "anime"))
    async with gateway.submit(wish_for(model="anime"), ALICE, key="k", keep=True) as first:
        pass
    await queue.offer(usable("gpu:1", "photo"))
    async with gateway.submit(wish_for(model="anime"), ALICE, key="k", keep=True) as second:
        assert second.id == first.id
    with pytest.raises(UnknownModel):
        async with gateway.submit(wish_for(model="anime"), ALICE):
            pass
