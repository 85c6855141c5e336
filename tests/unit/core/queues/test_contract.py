"""What every home of the queue promises. Written against core.queues.Queue alone."""

import asyncio
from dataclasses import replace

import pytest

from core.caller import Caller
from core.errors import (
    Expired,
    Forbidden,
    InvalidRequest,
    NoBackend,
    NotFound,
    QueueFull,
    TooManyJobs,
    UnknownModel,
)
from core.events import Cancelled, Completed, Event, Failed, Queued, Started
from core.offers import Offer
from core.queues import VOID, Again, Claim, Queue, Wish
from core.watch import Watch
from tests.unit.core.examples import (
    ALICE,
    BOB,
    BROKEN,
    ERROR,
    UNREACHED,
    WATCHED,
    painted,
    progress,
    soon,
    told,
    usable,
    wish_for,
)
from tests.unit.core.queues.homes import Home, claiming, waiting_for

UNWATCHED = Wish(held=True, watched=False, preview=False)
PREVIEWED = Wish(held=True, watched=True, preview=True)


async def submit(
    queue: Queue, id: str, caller: Caller = ALICE, *, cost: float = 1, keep: bool = False, **fields: str
) -> Watch:
    """Put a job and watch it."""
    await queue.put(id, wish_for(cost=cost, **fields), caller, keep=keep)
    return await queue.events(id)


async def claim(queue: Queue, backend: str = "gpu:1") -> Claim:
    return await soon(queue.claim(backend))


async def claimed(queue: Queue, count: int, backend: str = "gpu:1") -> list[str]:
    """The next jobs that a backend would get."""
    return [(await claim(queue, backend)).id for _ in range(count)]


async def last_told(watch: Watch) -> Event:
    return (await told(watch))[-1]


# --- the life of a job


async def test_a_job_is_queued_then_started_then_completed_and_nothing_follows(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job")
    assert await told(watch) == [Queued(0, None)]

    held = await claim(queue)
    assert (held.id, held.request, held.failures, held.wish) == ("job", wish_for(), 0, WATCHED)
    assert await told(watch) == [Started("gpu:1")]

    await queue.publish(held, progress(0.5))
    assert await told(watch) == [progress(0.5)]

    assert await queue.finish(held, painted())
    assert not await queue.finish(held, painted())
    await queue.publish(held, progress(0.9))
    assert await told(watch) == [painted()]


async def test_who_waits_for_the_end_alone_is_told_that_alone_and_others_all(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    await queue.put("job", wish_for(), ALICE, keep=False)
    alone = await queue.events("job", progress=False, place=False)
    assert await told(alone) == []
    assert await told(await queue.events("job")) == [Queued(0, None)]
    await queue.finish(await claim(queue), painted())
    assert isinstance(await soon(alone.end()), Completed)


async def test_all_watchers_are_told_and_a_late_one_begins_with_the_last_state(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    first = await submit(queue, "first", keep=True)
    second = await submit(queue, "second", keep=True)
    assert await told(await queue.events("second")) == [Queued(1, None)]

    held = await claim(queue)
    assert await told(await queue.events("first")) == [Started("gpu:1")]
    await queue.publish(held, progress(0.5, preview=b"cHJldmlldw=="))
    assert await told(await queue.events("first")) == [progress(0.5)]
    assert await told(await queue.events("first", progress=False)) == [progress(0.5)], "how it stands"
    assert await told(await queue.events("first", preview=True)) == [progress(0.5, preview=b"cHJldmlldw==")]
    assert await told(await queue.events("second")) == [Queued(0, None)], "a place is told as it is now"

    await queue.finish(held, painted())
    assert await told(await queue.events("first")) == [painted()]
    assert await soon(first.end()) == painted()
    assert isinstance(await last_told(second), Queued)


async def test_one_who_left_is_told_nothing_more(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job")
    await queue.leave(watch)
    await queue.leave(watch)
    await queue.finish(await claim(queue), painted())
    assert await told(watch) == [Queued(0, None)]


async def test_what_nobody_put_is_not_found(queue: Queue) -> None:
    with pytest.raises(NotFound):
        await queue.events("no such job")
    with pytest.raises(NotFound):
        await queue.cancel("no such job", ALICE)


# --- put: bounds, backends, the same id again


async def test_the_queue_is_bounded_in_all_and_for_each_caller(home: Home) -> None:
    queue = await home.open(max_queue=3, max_jobs_per_user=2)
    await queue.offer(usable("gpu:1"))
    await submit(queue, "a1")
    await submit(queue, "a2")
    with pytest.raises(TooManyJobs) as refused:
        await submit(queue, "a3")
    assert refused.value.retry_after
    await submit(queue, "b1", BOB)
    with pytest.raises(QueueFull):
        await submit(queue, "b2", BOB)
    with pytest.raises(NotFound):
        await queue.events("b2")

    await claim(queue)
    await submit(queue, "a3")


async def test_a_job_that_goes_back_is_above_the_bounds(home: Home) -> None:
    queue = await home.open(max_queue=1, max_jobs_per_user=1)
    await queue.offer(usable("gpu:1"))
    first = await submit(queue, "a1")
    held = await claim(queue)
    second = await submit(queue, "a2")
    assert await queue.finish(held, UNREACHED)

    assert await last_told(first) == Queued(0, None, attempt=2)
    assert await last_told(second) == Queued(0, None)
    assert (await queue.status(ALICE)).own_waiting == 2
    with pytest.raises(QueueFull):
        await submit(queue, "b1", BOB)


async def test_without_a_backend_nothing_is_accepted(queue: Queue, home: Home) -> None:
    with pytest.raises(NoBackend, match="no painting server is connected"):
        await submit(queue, "job")
    await queue.offer(Offer("gpu:1", usable=False, problem="connection refused"))
    with pytest.raises(NoBackend, match=r"gpu:1: connection refused"):
        await submit(queue, "job")
    await queue.offer(usable("gpu:1"))
    await submit(queue, "job")


async def test_an_offer_that_is_not_repeated_lapses(queue: Queue, home: Home) -> None:
    await queue.offer(usable("gpu:1"))
    await home.pass_time(60)
    assert (await queue.offers()).offers == ()
    with pytest.raises(NoBackend):
        await submit(queue, "job")


async def test_a_backend_that_rests_for_a_moment_still_lets_work_in_but_gets_none(
    queue: Queue, home: Home
) -> None:
    await queue.offer(Offer("gpu:1", usable=False, resting=True, problem="out of memory"))
    await submit(queue, "job")
    async with claiming(queue, "gpu:1") as task:
        await home.pass_time(1)
        assert not task.done()
        await queue.offer(usable("gpu:1"))
        await home.pass_time(1)
        assert (await soon(task)).id == "job"


async def test_an_unknown_model_is_an_error_that_names_those_that_exist(queue: Queue) -> None:
    await queue.offer(usable("gpu:1", "anime", "photo"))
    with pytest.raises(UnknownModel) as refused:
        await submit(queue, "job", model="sketch")
    assert refused.value.models == ("anime", "photo")


async def test_a_model_whose_backends_are_down_is_no_unknown_one(queue: Queue) -> None:
    await queue.offer(usable("gpu:1", "anime"))
    await queue.offer(Offer("gpu:2", usable=False, models=("photo",)))
    with pytest.raises(NoBackend):
        await submit(queue, "job", model="photo")


async def test_a_sampler_must_be_there_together_with_the_model(queue: Queue) -> None:
    await queue.offer(Offer("gpu:1", usable=True, models=("anime",), samplers=("Euler",)))
    await queue.offer(Offer("gpu:2", usable=True, models=("photo",), samplers=("DDIM",)))
    await submit(queue, "fits", model="photo", sampler_name="DDIM")
    for model, sampler in (("", "Heun"), ("photo", "Euler")):
        with pytest.raises(InvalidRequest) as refused:
            await submit(queue, "fits nobody", model=model, sampler_name=sampler)
        assert refused.value.field == "sampler_name"


async def test_the_same_id_again_attaches_to_a_job_that_waits_runs_or_has_completed(
    queue: Queue, home: Home
) -> None:
    await queue.offer(usable("gpu:1"))
    first = await submit(queue, "job", keep=True)
    again = await submit(queue, "job", keep=True)
    assert await told(again) == [Queued(0, None)]

    held = await claim(queue)
    running = await submit(queue, "job", keep=True)
    async with claiming(queue, "gpu:1") as task:
        await queue.finish(held, painted())
        completed = await submit(queue, "job", keep=True)
        await home.pass_time(1)
        assert not task.done(), "it is painted once"
    for watch in (first, again, running, completed):
        assert await soon(watch.end()) == painted()


async def test_the_same_id_again_is_above_the_bounds(home: Home) -> None:
    queue = await home.open(max_queue=1)
    await queue.offer(usable("gpu:1"))
    await submit(queue, "job")
    await submit(queue, "job")


@pytest.mark.parametrize("end", [Cancelled(), Failed("timeout", "too long")])
async def test_the_same_id_again_paints_a_failed_or_cancelled_job_anew(
    queue: Queue, end: Cancelled | Failed
) -> None:
    await queue.offer(usable("gpu:1"))
    await submit(queue, "job", keep=True)
    before = await claim(queue)
    await queue.finish(before, end)
    assert await told(await queue.events("job")) == [end]

    watch = await submit(queue, "job", keep=True)
    assert await told(watch) == [Queued(0, None)]
    now = await claim(queue)
    assert not await queue.finish(before, painted()), "the claims of before stay void"
    await queue.publish(before, progress(0.5))
    assert await queue.renew(before, WATCHED) == VOID
    assert await queue.finish(now, painted())
    assert await told(watch) == [Started("gpu:1"), painted()]


@pytest.mark.parametrize("state", ["waiting", "running", "ended"])
async def test_the_same_id_with_another_request_is_refused(queue: Queue, state: str) -> None:
    await queue.offer(usable("gpu:1"))
    await submit(queue, "job", keep=True)
    if state != "waiting":
        held = await claim(queue)
        if state == "ended":
            await queue.finish(held, ERROR)
    with pytest.raises(InvalidRequest, match="another request"):
        await queue.put("job", wish_for("a horse"), ALICE, keep=True)


async def test_what_is_kept_is_bounded_with_its_texts(home: Home) -> None:
    """A prompt may have 32 KB: jobs that were cancelled at once would fill the memory by their number."""
    queue = await home.open(result_max_bytes=100_000)
    await queue.offer(usable("gpu:1"))
    for number in range(8):
        await queue.put(f"job{number}", wish_for("🐒" * 4000, negative_prompt="🐒" * 1000), ALICE, keep=True)
        assert await queue.cancel(f"job{number}", ALICE)
    for number in range(4):
        with pytest.raises(Expired):
            await queue.events(f"job{number}")
    assert await told(await queue.events("job7")) == [Cancelled()]


async def test_what_expired_and_was_painted_again_for_the_moment_is_not_known_later(home: Home) -> None:
    """It was not kept this time, so nothing of it has expired."""
    queue = await home.open(result_max_bytes=1)
    await queue.offer(usable("gpu:1"))
    await submit(queue, "job", keep=True)
    await queue.finish(await claim(queue), painted())
    with pytest.raises(Expired):
        await queue.events("job")
    watch = await submit(queue, "job")
    await queue.finish(await claim(queue), painted())
    assert (await told(watch))[-1] == painted()
    await home.pass_time(61)
    with pytest.raises(NotFound):
        await queue.events("job")


@pytest.mark.parametrize("bound", [{"max_queue": 1}, {"max_jobs_per_user": 1}])
async def test_what_can_never_be_painted_is_said_also_where_there_is_no_place(
    home: Home, bound: dict[str, int]
) -> None:
    """Else a client would come again and again for a place, and learn of it only then."""
    queue = await home.open(**bound)
    await queue.offer(usable("gpu:1"))
    await submit(queue, "job")
    with pytest.raises(UnknownModel):
        await queue.put("other", wish_for(model="nobody's"), ALICE, keep=False)
    await queue.offer(Offer("gpu:1", usable=False, problem="down"))
    with pytest.raises(NoBackend):
        await queue.put("other", wish_for(), ALICE, keep=False)


async def test_a_repeat_with_names_as_they_were_written_is_one_when_nobody_knows_them_now(
    queue: Queue,
) -> None:
    """A name was replaced by a backend's own at first; now that backend is away, and so is what it knows."""
    models, samplers = ("dir_Dream",), ("Euler a",)
    await queue.offer(replace(usable("gpu:1"), models=models, samplers=samplers))
    exact = wish_for("a cat", model="dir_Dream", sampler_name="Euler a")
    await queue.put("job", exact, ALICE, keep=True)
    loose = wish_for("a cat", model="dir/dream.safetensors [0123]", sampler_name="euler A")
    await queue.put("job", loose, ALICE, keep=True)
    for other in (
        wish_for("a cat", model="dir_Dream"),
        wish_for("a cat", model="other/dream", sampler_name="Euler a"),
        wish_for("a dog", model="dir_Dream", sampler_name="Euler a"),
    ):
        with pytest.raises(InvalidRequest, match="another request"):
            await queue.put("job", other, ALICE, keep=True)
    assert (await queue.status(ALICE)).waiting == 1


# --- who is next


async def test_callers_take_turns(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    for id in ("a1", "a2", "a3"):
        await submit(queue, id, ALICE)
    await submit(queue, "b1", BOB)
    assert await claimed(queue, 4) == ["a1", "b1", "a2", "a3"]


async def test_a_backend_gets_only_what_it_offers(queue: Queue, home: Home) -> None:
    await queue.offer(usable("gpu:1", "anime"))
    await queue.offer(usable("gpu:2", "photo"))
    await submit(queue, "photo", model="photo")
    await submit(queue, "any")
    async with claiming(queue, "gpu:1") as task:
        assert (await soon(task)).id == "any"
    async with claiming(queue, "gpu:1") as task:
        await home.pass_time(1)
        assert not task.done()
    assert await claimed(queue, 1, "gpu:2") == ["photo"]


async def test_the_loaded_model_goes_first_but_nothing_is_passed_over_for_more_than_the_slack(
    home: Home,
) -> None:
    queue = await home.open(model_slack=2.0)
    await queue.offer(usable("gpu:1", "anime", "photo", loaded="photo"))
    await submit(queue, "anime", model="anime")
    for number in range(4):
        await submit(queue, f"photo {number}", Caller(f"caller {number}"), model="photo")
    assert await claimed(queue, 5) == ["photo 0", "photo 1", "anime", "photo 2", "photo 3"]


@pytest.fixture
def nobody_comes_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that were not woken try again once a second, lest the word to wake them was lost."""
    monkeypatch.setattr("core.queues.valkey.holding.POLL", 60)


@pytest.mark.usefixtures("nobody_comes_unasked")
async def test_of_the_idle_backends_the_one_that_has_the_model_loaded_is_woken(queue: Queue) -> None:
    await queue.offer(usable("gpu:1", "anime", "photo", loaded="anime", pace=1.0))
    await queue.offer(usable("gpu:2", "anime", "photo", loaded="photo", pace=9.0))
    async with claiming(queue, "gpu:1") as anime, claiming(queue, "gpu:2") as photo:
        await submit(queue, "one", model="photo")
        assert (await soon(photo)).id == "one"
        assert not anime.done()
        await submit(queue, "two", model="photo")
        assert (await soon(anime)).id == "two", "a backend that must load it is better than none"


@pytest.mark.usefixtures("nobody_comes_unasked")
async def test_of_the_idle_backends_the_fastest_is_woken(queue: Queue) -> None:
    await queue.offer(usable("gpu:1", pace=3.0))
    await queue.offer(usable("gpu:2", pace=1.0))
    await queue.offer(usable("gpu:3"))
    async with claiming(queue, "gpu:1"), claiming(queue, "gpu:2") as fastest, claiming(queue, "gpu:3"):
        await submit(queue, "job")
        assert (await soon(fastest)).id == "job"


@pytest.mark.usefixtures("nobody_comes_unasked")
async def test_for_a_job_that_comes_back_a_backend_that_may_not_have_it_is_not_woken(queue: Queue) -> None:
    """It failed on the fastest, which is well again, and then another one was not reached."""
    for number in (1, 2, 3):
        await queue.offer(usable(f"gpu:{number}", pace=float(number)))
    await submit(queue, "job")
    await queue.finish(await claim(queue, "gpu:1"), BROKEN)
    elsewhere = await claim(queue, "gpu:2")
    async with claiming(queue, "gpu:1") as failed_it, claiming(queue, "gpu:3") as idle:
        await queue.finish(elsewhere, UNREACHED)
        assert (await soon(idle)).id == "job"
        assert not failed_it.done()


async def test_a_claim_that_is_cut_off_takes_no_job(queue: Queue, home: Home) -> None:
    await queue.offer(usable("gpu:1"))
    async with claiming(queue, "gpu:1"):
        pass
    await submit(queue, "job")
    assert await claimed(queue, 1) == ["job"]


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21])
async def test_a_claim_that_is_cut_off_as_it_is_woken_passes_the_job_on(
    queue: Queue, home: Home, turns: int
) -> None:
    """At whatever moment: unless it had got the job before, the other one gets it."""
    await queue.offer(usable("gpu:1", pace=1.0))
    await queue.offer(usable("gpu:2", pace=9.0))
    async with claiming(queue, "gpu:1") as woken, claiming(queue, "gpu:2") as other:
        await home.settle()
        await queue.put("job", wish_for(), ALICE, keep=True)
        for _ in range(turns):
            await asyncio.sleep(0)
        woken.cancel()
        await asyncio.wait([woken])
        had = other if woken.cancelled() else woken
        assert (await soon(had)).id == "job"


# --- position and eta


async def test_position_counts_the_jobs_ahead_that_compete_for_the_same_backends(queue: Queue) -> None:
    await queue.offer(usable("gpu:1", "anime"))
    await queue.offer(usable("gpu:2", "photo"))
    await submit(queue, "a1", ALICE, model="anime")
    await submit(queue, "b1", BOB, model="photo")
    assert await told(await submit(queue, "a2", ALICE, model="anime")) == [Queued(1, None)]
    assert await told(await submit(queue, "b2", BOB, model="photo")) == [Queued(1, None)]
    assert await told(await submit(queue, "c", Caller("c"))) == [Queued(2, None)], "it fits both backends"


async def test_places_are_told_again_once_a_second_when_they_change(queue: Queue, home: Home) -> None:
    await queue.offer(usable("gpu:1"))
    watches = [await submit(queue, f"a{number}") for number in range(3)]
    assert [await told(watch) for watch in watches] == [[Queued(place, None)] for place in range(3)]
    await claim(queue)
    assert await told(await queue.events("a2")) == [Queued(1, None)], "it is no news to the pulse now"
    await home.pass_time(1)
    places = [[Queued(0, None)], [Queued(1, None)]]
    assert [await told(watch) for watch in watches[1:]] == places, "who watched before hears of it, too"
    await home.pass_time(1)
    assert await told(watches[2]) == [], "nothing is said where nothing changed"


async def test_eta_is_known_once_a_pace_is(queue: Queue, home: Home) -> None:
    await queue.offer(usable("gpu:1", pace=2.0))
    first = await submit(queue, "a1", cost=3)
    second = await submit(queue, "a2", cost=1)
    assert await told(first) == [Queued(0, 6.0)]
    assert await told(second) == [Queued(1, 8.0)]
    await claim(queue)
    await home.pass_time(1)
    (now,) = await told(second)
    assert isinstance(now, Queued)
    assert now.position == 0
    assert now.eta == pytest.approx(7.0, abs=0.5), "what runs has five seconds to go"


async def test_a_server_that_has_not_painted_yet_is_reckoned_to_be_as_fast_as_the_others(
    queue: Queue, home: Home
) -> None:
    """Else three idle servers of which one is known would seem to take three times as long."""
    await queue.offer(usable("gpu:1", pace=2.0))
    await queue.offer(usable("gpu:2"))
    await submit(queue, "a1", cost=1)
    assert await told(await submit(queue, "a2", cost=1)) == [Queued(1, 2.5)]
    await claim(queue, "gpu:1")
    await claim(queue, "gpu:2")
    last = await submit(queue, "a3", cost=1)
    await home.pass_time(1)
    now = (await told(last))[-1]
    assert isinstance(now, Queued)
    assert now.eta == pytest.approx(3.0, abs=0.5), "both have another second to go"


async def test_an_eta_follows_what_runs_also_while_nothing_else_happens(home: Home) -> None:
    """The sooner a server is free, the less of what only another one can do is waited for."""
    queue = await home.open(lease_ttl=60)
    for number, model in ((1, "anime"), (2, "photo")):
        await queue.offer(usable(f"gpu:{number}", model, pace=1.0))
        await submit(queue, model, cost=20, model=model)
        await claim(queue, f"gpu:{number}")
    for number in range(3):
        await submit(queue, f"b{number}", Caller(f"b{number}"), cost=10, model="anime")
    watch = await submit(queue, "last", Caller("c"))
    assert await told(watch) == [Queued(3, 33.5)]
    await home.pass_time(12)
    now = await last_told(watch)
    assert isinstance(now, Queued)
    assert now.eta == pytest.approx(15.7, abs=2), "gpu:2 is free in eight seconds"


async def test_a_job_whose_model_nobody_offers_any_more_keeps_its_place_without_an_eta(
    queue: Queue, home: Home
) -> None:
    await queue.offer(usable("gpu:1", "anime", pace=2.0))
    watch = await submit(queue, "job", model="anime")
    assert await told(watch) == [Queued(0, 2.0)]
    await queue.offer(usable("gpu:1", "photo", pace=2.0))
    await home.pass_time(1)
    assert await told(watch) == [Queued(0, None)]
    await queue.offer(usable("gpu:1", "anime", pace=2.0))
    assert await claimed(queue, 1) == ["job"]


# --- cancel and abandon


async def test_a_waiting_job_is_cancelled_and_gives_its_cost_back(queue: Queue, home: Home) -> None:
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "a dear", cost=5)
    later = await submit(queue, "a cheap")
    await submit(queue, "b1", BOB)
    await submit(queue, "b2", BOB)
    assert await told(later) == [Queued(1, None)]

    assert await queue.cancel("a dear", ALICE)
    assert await told(watch) == [Queued(0, None), Cancelled()]
    assert await claimed(queue, 3) == ["a cheap", "b1", "b2"]


async def test_cancel_ends_a_running_job_at_once_and_voids_the_claim(home: Home) -> None:
    queue = await home.open(lease_ttl=3600)
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job")
    held = await claim(queue)
    async with waiting_for(queue.renew(held, WATCHED)) as renewing:
        assert await queue.cancel("job", ALICE)
        assert await last_told(watch) == Cancelled()
        assert await soon(renewing) == VOID, "its worker hears of it at once"
    assert not await queue.finish(held, painted())
    assert await told(watch) == []


async def test_only_the_caller_may_cancel_a_job_and_only_once(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    await submit(queue, "job", ALICE, keep=True)
    with pytest.raises(Forbidden):
        await queue.cancel("job", BOB)
    assert await queue.cancel("job", ALICE)
    assert not await queue.cancel("job", ALICE)
    with pytest.raises(Forbidden):
        await queue.cancel("job", BOB)


async def test_an_abandoned_job_ends_whether_it_waits_or_runs(queue: Queue, home: Home) -> None:
    await queue.offer(usable("gpu:1"))
    running = await submit(queue, "running")
    held = await claim(queue)
    await queue.abandon(running)
    assert await queue.renew(held, WATCHED) == VOID

    waiting = await submit(queue, "waiting")
    await queue.abandon(waiting)
    await queue.abandon(waiting)
    async with claiming(queue, "gpu:1") as task:
        await home.pass_time(1)
        assert not task.done(), "it never reaches a backend"


async def test_an_abandoned_job_lives_on_while_somebody_else_watches(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    one, other = await submit(queue, "job"), await queue.events("job")
    await queue.abandon(one)
    held = await claim(queue)
    assert await queue.finish(held, painted())
    assert await last_told(other) == painted()
    assert painted() not in await told(one)


async def test_a_job_to_keep_is_not_abandoned_and_its_result_is_there_later(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    await queue.abandon(await submit(queue, "job", keep=True))
    await queue.finish(await claim(queue), painted())
    assert await told(await queue.events("job")) == [painted()]


async def test_one_caller_who_wants_it_kept_is_enough(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job", keep=False)
    await queue.put("job", wish_for(), ALICE, keep=True)
    await queue.put("job", wish_for(), ALICE, keep=False)
    await queue.abandon(watch)
    assert await claimed(queue, 1) == ["job"]


async def test_abandoning_what_has_ended_or_was_painted_anew_does_no_harm(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job")
    await queue.cancel("job", ALICE)
    await queue.abandon(watch)
    anew = await submit(queue, "job")
    await queue.abandon(watch)
    await queue.leave(watch)
    assert await told(anew) == [Queued(0, None)]


# --- claims, leases, retries


async def test_renew_answers_as_soon_as_the_watchers_wish_changes(home: Home) -> None:
    queue = await home.open(lease_ttl=3600)
    await queue.offer(usable("gpu:1"))
    await queue.put("job", wish_for(), ALICE, keep=True)
    held = await claim(queue)
    assert held.wish == UNWATCHED
    async with waiting_for(queue.renew(held, UNWATCHED)) as renewing:
        watch = await queue.events("job")
        assert await soon(renewing) == WATCHED
    async with waiting_for(queue.renew(held, WATCHED)) as renewing:
        preview = await queue.events("job", preview=True)
        assert await soon(renewing) == PREVIEWED
    await home.pass_time(3)
    async with waiting_for(queue.renew(held, PREVIEWED)) as renewing:
        await queue.leave(preview)
        assert await soon(renewing) == WATCHED
    await queue.leave(watch)
    assert await soon(queue.renew(held, WATCHED)) == UNWATCHED


@pytest.mark.parametrize(("preview", "wished"), [(False, WATCHED), (True, PREVIEWED)])
async def test_who_looks_at_a_running_job_again_and_again_watches_it(
    home: Home, preview: bool, wished: Wish
) -> None:
    """A look is over before its worker hears of it: it counts for a moment, else none would show progress."""
    queue = await home.open(lease_ttl=3600)
    await queue.offer(usable("gpu:1"))
    await queue.put("job", wish_for(), ALICE, keep=True)
    await queue.leave(await queue.events("job"))  # while it waits there is no progress to see
    held = await claim(queue)
    assert held.wish == UNWATCHED
    await queue.leave(await queue.events("job", progress=False))
    async with waiting_for(queue.renew(held, UNWATCHED)) as renewing:
        assert not renewing.done()
        await queue.leave(await queue.events("job", preview=preview))
        assert await soon(renewing) == wished
    await home.pass_time(3)
    assert await soon(queue.renew(held, wished)) == UNWATCHED


async def test_renew_answers_every_third_of_the_lease_at_the_latest(home: Home) -> None:
    queue = await home.open(lease_ttl=0.06)
    await queue.offer(usable("gpu:1"))
    await submit(queue, "job")
    held = await claim(queue)
    assert await soon(queue.renew(held, WATCHED)) == WATCHED


async def test_renew_answers_in_time_for_the_offer_to_be_repeated_however_long_a_lease_is(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = await home.open(lease_ttl=3600)
    await queue.offer(usable("gpu:1"))
    await submit(queue, "job")
    held = await claim(queue)
    monkeypatch.setattr("core.queues.memory.queue.OFFER_TTL", 0.06)
    monkeypatch.setattr("core.queues.valkey.holding.OFFER_TTL", 0.06, raising=False)
    assert await soon(queue.renew(held, WATCHED)) == WATCHED


async def test_a_silent_workers_job_goes_to_another_first_in_line(home: Home) -> None:
    queue = await home.open(lease_ttl=3)
    await queue.offer(usable("gpu:1"))
    await queue.offer(usable("gpu:2"))
    watch = await submit(queue, "a1")
    await submit(queue, "b1", BOB)
    silent = await claim(queue, "gpu:1")
    await told(watch)
    await home.pass_time(4)
    assert await told(watch) == [Queued(0, None, attempt=2)]
    assert await soon(queue.renew(silent, WATCHED)) == VOID
    assert not await queue.finish(silent, painted()), "a late finish is refused"

    taken_over = await claim(queue, "gpu:2")
    assert (taken_over.id, taken_over.failures) == ("a1", 0)
    assert not await queue.finish(silent, painted())
    await queue.publish(silent, progress(0.9))
    assert await told(watch) == [Started("gpu:2", attempt=2)]
    assert await queue.finish(taken_over, painted("gpu:2"))
    assert await told(watch) == [painted("gpu:2")]


async def test_who_renews_in_time_keeps_the_job(home: Home) -> None:
    queue = await home.open(lease_ttl=3)
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job")
    held = await claim(queue)
    for _ in range(3):
        assert await soon(queue.renew(held, UNWATCHED)) == WATCHED
        await home.pass_time(2)
    assert await queue.finish(held, painted())
    assert await last_told(watch) == painted()


async def test_a_lease_does_not_lapse_while_its_worker_waits_for_an_answer(home: Home) -> None:
    queue = await home.open(lease_ttl=60)
    await queue.offer(usable("gpu:1"))
    await submit(queue, "job")
    held = await claim(queue)
    async with waiting_for(queue.renew(held, WATCHED)) as renewing:
        await home.pass_time(600)
        assert not renewing.done()
    assert await queue.finish(held, painted())


async def test_a_job_with_which_too_many_workers_die_fails(home: Home) -> None:
    queue = await home.open(max_deliveries=3)
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job")
    for _ in range(3):
        await queue.offer(usable("gpu:1"))
        assert (await claim(queue)).failures == 0, "the death of a worker is no failure of the job"
        await home.pass_time(5)
    last = await last_told(watch)
    assert isinstance(last, Failed)
    assert last.code == "backend_error"


async def test_a_failure_while_painting_counts_and_one_of_the_connection_does_not(home: Home) -> None:
    queue = await home.open(max_attempts=2)
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job")
    for _ in range(5):
        assert await queue.finish(await claim(queue), UNREACHED)
    assert await queue.finish(await claim(queue), BROKEN)
    held = await claim(queue)
    assert held.failures == 1
    assert await queue.finish(held, Again(counts=True, error=Failed("backend_error", "again")))
    assert await told(watch) == [Queued(0, None, 7), Started("gpu:1", 7), Failed("backend_error", "again")]


async def test_a_job_that_goes_back_is_first_in_line(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    await submit(queue, "a1")
    await submit(queue, "a2")
    await submit(queue, "b1", BOB)
    first, second = await claim(queue), await claim(queue)
    await queue.finish(second, UNREACHED)
    await queue.finish(first, BROKEN)
    assert await claimed(queue, 3) == [second.id, first.id, "a2"], "the first to come back first"


async def test_for_a_few_seconds_a_failed_job_waits_for_another_backend(queue: Queue, home: Home) -> None:
    await queue.offer(usable("gpu:1"))
    await queue.offer(usable("gpu:2"))
    await submit(queue, "job")
    await queue.finish(await claim(queue, "gpu:1"), BROKEN)
    async with claiming(queue, "gpu:1") as failed:
        await home.pass_time(1)
        assert not failed.done()
        await home.pass_time(10)
        assert (await soon(failed)).id == "job", "nobody else took it"


async def test_a_failed_job_goes_to_another_backend_at_once(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    await queue.offer(usable("gpu:2"))
    await submit(queue, "job")
    held = await claim(queue, "gpu:1")
    async with claiming(queue, "gpu:2") as other:
        await queue.finish(held, BROKEN)
        assert (await soon(other)).id == "job"


async def test_where_no_other_backend_can_do_it_a_failed_job_waits_for_none(queue: Queue) -> None:
    await queue.offer(usable("gpu:1", "anime"))
    await queue.offer(usable("gpu:2", "photo"))
    await submit(queue, "job", model="anime")
    await queue.finish(await claim(queue, "gpu:1"), BROKEN)
    assert await claimed(queue, 1, "gpu:1") == ["job"]


async def test_a_job_that_was_not_painted_at_all_may_go_to_the_same_backend_again(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    await queue.offer(usable("gpu:2"))
    await submit(queue, "job")
    await queue.finish(await claim(queue, "gpu:1"), UNREACHED)
    assert await claimed(queue, 1, "gpu:1") == ["job"]


async def test_after_a_workers_death_the_same_backend_may_have_the_job(queue: Queue, home: Home) -> None:
    await queue.offer(usable("gpu:1"))
    await queue.offer(usable("gpu:2"))
    await submit(queue, "job")
    await claim(queue, "gpu:1")
    await home.pass_time(5)
    assert await claimed(queue, 1, "gpu:1") == ["job"]


async def test_a_job_that_came_back_may_be_cancelled(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job")
    await queue.finish(await claim(queue), BROKEN)
    assert await queue.cancel("job", ALICE)
    assert await last_told(watch) == Cancelled()
    assert (await queue.status(ALICE)).waiting == 0


# --- results


async def test_a_result_that_nobody_wants_kept_is_handed_out_and_dropped(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job")
    await queue.finish(await claim(queue), painted())
    assert await last_told(watch) == painted()
    with pytest.raises(NotFound):
        await queue.events("job")


async def test_a_kept_result_expires_and_is_forgotten_long_after(home: Home) -> None:
    queue = await home.open(result_ttl=900)
    await queue.offer(usable("gpu:1"))
    await submit(queue, "job", keep=True)
    await queue.finish(await claim(queue), painted())
    await home.pass_time(890)
    assert await told(await queue.events("job")) == [painted()]
    await home.pass_time(11)
    with pytest.raises(Expired):
        await queue.events("job")
    with pytest.raises(Expired):
        await queue.cancel("job", ALICE)
    await home.pass_time(1000)
    with pytest.raises(NotFound):
        await queue.events("job")


async def test_kept_results_are_bounded_in_bytes_the_oldest_go_first(home: Home) -> None:
    queue = await home.open(result_max_bytes=100_000)
    await queue.offer(usable("gpu:1"))
    for number in range(4):
        await submit(queue, f"job {number}", keep=True)
        await queue.finish(await claim(queue), painted(picture=b"A" * 30_000))
    with pytest.raises(Expired):
        await queue.events("job 0")
    for number in range(1, 4):
        assert isinstance(await last_told(await queue.events(f"job {number}")), Completed)


async def test_a_result_that_is_larger_than_the_bound_is_still_handed_out(home: Home) -> None:
    """And none goes for it, since it would go next."""
    queue = await home.open(result_max_bytes=10_000)
    await queue.offer(usable("gpu:1"))
    await submit(queue, "small", keep=True)
    await queue.finish(await claim(queue), painted())
    watch = await submit(queue, "job", keep=True)
    await queue.finish(await claim(queue), painted(picture=b"A" * 30_000))
    assert isinstance(await soon(watch.end()), Completed)
    with pytest.raises(Expired):
        await queue.events("job")
    assert isinstance(await last_told(await queue.events("small")), Completed)


async def test_an_id_whose_result_has_expired_may_be_painted_again(home: Home) -> None:
    queue = await home.open(result_ttl=10)
    await queue.offer(usable("gpu:1"))
    await submit(queue, "job", keep=True)
    await queue.finish(await claim(queue), painted())
    await home.pass_time(11)
    await queue.offer(usable("gpu:1"))
    watch = await submit(queue, "job", keep=True)
    await queue.finish(await claim(queue), painted())
    assert await soon(watch.end()) == painted()
    assert await told(await queue.events("job")) == [painted()]


async def test_of_a_job_that_is_painted_anew_nothing_old_is_left(home: Home) -> None:
    queue = await home.open(result_max_bytes=5_000)  # room for two results without pictures
    await queue.offer(usable("gpu:1"))
    await submit(queue, "other", keep=True)
    await queue.finish(await claim(queue), ERROR)
    for _ in range(3):
        await submit(queue, "job", keep=True)
        await queue.finish(await claim(queue), ERROR)
    assert await told(await queue.events("other")) == [ERROR], "one job takes the room of one"
    watch = await submit(queue, "job", keep=False)
    await queue.finish(await claim(queue), painted())
    assert await last_told(watch) == painted()
    with pytest.raises(NotFound):
        await queue.events("job")


async def test_waiting_work_waits_but_what_nobody_watches_or_keeps_ends_after_result_ttl(home: Home) -> None:
    queue = await home.open(result_ttl=900)
    await queue.offer(usable("gpu:1"))
    watched = await submit(queue, "watched")
    await queue.leave(await submit(queue, "kept", keep=True))
    await queue.leave(await submit(queue, "left"))
    await queue.put("never watched", wish_for(), ALICE, keep=False)
    await home.pass_time(899)
    assert (await queue.status(ALICE)).waiting == 4
    await home.pass_time(2)
    assert (await queue.status(ALICE)).waiting == 2
    assert Cancelled() not in await told(watched)
    for gone in ("left", "never watched"):
        with pytest.raises(NotFound):
            await queue.events(gone)
    await home.pass_time(100_000)
    assert (await queue.status(ALICE)).waiting == 2, "watched or kept work has no limit of time"


async def test_an_unwatched_job_that_comes_back_waits_no_longer_than_others(home: Home) -> None:
    queue = await home.open(result_ttl=900)
    await queue.offer(usable("gpu:1"))
    await queue.leave(await submit(queue, "job"))
    held = await claim(queue)
    assert await queue.finish(held, UNREACHED)
    await home.pass_time(901)
    assert (await queue.status(ALICE)).waiting == 0


# --- the whole


async def test_status_tells_of_backends_in_an_order_that_stays(queue: Queue, home: Home) -> None:
    """Whoever looks again and again finds each at its place, although offers are said anew all the time."""
    for backend in ("gpu:1", "gpu:2", "gpu:3"):
        await queue.offer(usable(backend))
    await home.pass_time(1)
    await queue.offer(usable("gpu:2", pace=2.0))
    await home.pass_time(1)
    await queue.offer(usable("gpu:1"))
    for seconds in (0, 1):
        await home.pass_time(seconds)
        status = await queue.status(ALICE)
        assert [backend.offer.backend for backend in status.backends] == ["gpu:1", "gpu:2", "gpu:3"]


async def test_status_tells_counts_and_ones_own_share(queue: Queue) -> None:
    await queue.offer(usable("gpu:1"))
    await queue.offer(Offer("gpu:2", usable=False, problem="asleep"))
    for id, caller in (("a1", ALICE), ("a2", ALICE), ("b1", BOB)):
        await submit(queue, id, caller)
    await claim(queue)
    status = await queue.status(ALICE)
    assert (status.waiting, status.running, status.callers) == (2, 1, 2)
    assert (status.own_waiting, status.own_running) == (1, 1)
    assert [(backend.offer.backend, backend.painting) for backend in status.backends] == [
        ("gpu:1", True),
        ("gpu:2", False),
    ]
