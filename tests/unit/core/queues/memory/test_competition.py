"""How much of the work ahead is in a job's way, where the backends can do the same and where they cannot."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from core.offers import Kind, Offer
from core.queues.memory.competition import Competition, Waiting
from tests.unit.core.examples import usable

IDLE: Mapping[str, float] = {}


def until_turn(
    offers: list[Offer], ahead: dict[str, float], model: str, busy: Mapping[str, float] = IDLE
) -> float:
    """Cost units until the turn of a job for this model, where so many cost units wait of each model."""
    competition = Competition(tuple(offers))
    waiting = Waiting(competition, busy)
    for name, work in ahead.items():
        waiting.add(Kind(name), round(work), work)
    jobs, work = waiting.before(Kind(model))
    ours = competition.group(Kind(model))
    assert jobs == sum(
        round(work) for name, work in ahead.items() if ours.competes_with(competition.group(Kind(name)))
    )
    return work


def gpu(name: str, *models: str, pace: float | None = 1.0) -> Offer:
    return usable(name, *models, pace=pace)


def test_where_all_can_do_the_same_it_is_all_that_is_ahead() -> None:
    """However uneven they are, and however long they go on."""
    offers = [gpu("1", "a"), gpu("2", "a", pace=3.0)]
    assert until_turn(offers, {"a": 12.0}, "a") == pytest.approx(12)
    assert until_turn(offers, {"a": 2.0}, "a", {"1": 50.0}) == pytest.approx(2)


def test_what_others_can_do_as_well_counts_by_our_part_of_the_speed() -> None:
    """Of 12 units for `a` the three fast ones take all but one."""
    offers = [*(gpu(f"fast {number}", "a", pace=1.0) for number in range(3)), gpu("slow", "a", "b", pace=3.0)]
    assert until_turn(offers, {"a": 10.0, "b": 2.0}, "b") == pytest.approx(2 + 1)


def test_who_has_not_painted_yet_counts_as_the_others_that_can_do_the_same() -> None:
    """Of 10 units for `a` half is done by the new one, whatever the pace of others in the farm."""
    offers = [gpu("known", "a", pace=2.0), gpu("new", "a", "b", pace=None), gpu("other", "b", pace=2.0)]
    fast = [gpu(f"fast {number}", "c", pace=0.1) for number in range(5)]
    assert until_turn(offers, {"a": 10.0, "b": 10.0}, "b") == pytest.approx(15)
    assert until_turn([*offers, *fast], {"a": 10.0, "b": 10.0}, "b") == pytest.approx(15)


def test_where_none_has_painted_yet_they_are_alike() -> None:
    offers = [gpu("1", "a", pace=None), gpu("2", "a", "b", pace=None)]
    assert until_turn(offers, {"a": 10.0}, "b") == pytest.approx(5)


def test_a_job_for_any_backend_does_not_wait_for_the_one_with_much_to_do() -> None:
    offers = [gpu("idle", "a"), gpu("busy", "b")]
    assert until_turn(offers, {"b": 50.0}, "") == 0
    assert until_turn(offers, {"a": 2.0, "b": 50.0}, "") == pytest.approx(2 + 3 * 2)


def test_one_that_paints_is_not_free_though_nothing_waits_for_it() -> None:
    """The job for any backend gets its turn after the 20 units for `a`, or when `b` is done."""
    offers = [gpu("soon free", "a"), gpu("busy", "b", pace=10.0)]
    assert until_turn(offers, {"a": 20.0}, "", {"busy": 75.0}) == pytest.approx(20)
    assert until_turn(offers, {"a": 20.0}, "", {"soon free": 1.0}) == 0


def test_one_that_rests_is_not_free_though_nothing_waits_for_it() -> None:
    resting = replace(gpu("resting", "b"), usable=False, resting=True)
    assert until_turn([gpu("1", "a"), resting], {"a": 20.0}, "") == pytest.approx(20)


def test_what_one_that_rests_could_do_goes_to_the_others() -> None:
    resting = replace(gpu("resting", "a"), usable=False, resting=True)
    assert until_turn([gpu("1", "a", "b"), resting], {"a": 20.0}, "b") == pytest.approx(20)
    assert until_turn([gpu("1", "b"), resting], {"a": 20.0}, "a") == pytest.approx(20)


def test_where_no_backend_can_do_it_only_the_like_stands_in_the_way() -> None:
    assert until_turn([gpu("1", "a")], {"a": 5.0, "gone": 2.0}, "gone") == 2
