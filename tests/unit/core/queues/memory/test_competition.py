"""How much of the work ahead is in a job's way, where the backends can do the same and where they cannot."""

import pytest

from core.offers import Kind, Offer
from core.queues.memory.competition import Ahead, Competition
from tests.unit.core.examples import usable


def until_turn(offers: list[Offer], waiting: dict[str, float], model: str) -> float:
    """Cost units until the turn of a job for this model, where so many cost units wait of each model."""
    competition = Competition(tuple(offers))
    ahead = {competition.group(Kind(name)): Ahead(round(work), work) for name, work in waiting.items()}
    group = competition.group(Kind(model))
    jobs, work = competition.ahead(group, competition.rivals(group, ahead))
    assert jobs == sum(
        each.jobs for other, each in ahead.items() if other == group or set(other) & set(group)
    )
    return work


def gpu(name: str, *models: str, pace: float | None = 1.0) -> Offer:
    return usable(name, *models, pace=pace)


def test_where_all_can_do_the_same_it_is_all_that_is_ahead() -> None:
    assert until_turn([gpu("1", "a"), gpu("2", "a", pace=3.0)], {"a": 12.0}, "a") == 12


def test_what_others_can_do_as_well_counts_by_our_part_of_the_speed() -> None:
    """Of 12 units for `a` the three fast ones take all but one."""
    offers = [*(gpu(f"fast {number}", "a", pace=1.0) for number in range(3)), gpu("slow", "a", "b", pace=3.0)]
    assert until_turn(offers, {"a": 10.0, "b": 2.0}, "b") == pytest.approx(2 + 1)


def test_who_has_not_painted_yet_counts_as_the_others() -> None:
    offers = [gpu("known", "a", pace=2.0), gpu("new", "a", "b", pace=None)]
    assert until_turn(offers, {"a": 10.0}, "b") == pytest.approx(5)
    assert until_turn(
        [gpu("1", "a", pace=None), gpu("2", "a", "b", pace=None)], {"a": 10.0}, "b"
    ) == pytest.approx(5)


def test_a_job_for_any_backend_does_not_wait_for_the_one_with_much_to_do() -> None:
    offers = [gpu("idle", "a"), gpu("busy", "b")]
    assert until_turn(offers, {"b": 50.0}, "") == 0
    assert until_turn(offers, {"a": 2.0, "b": 50.0}, "") == pytest.approx(2 + 3 * 2)


def test_where_no_backend_can_do_it_only_the_like_stands_in_the_way() -> None:
    assert until_turn([gpu("1", "a")], {"a": 5.0, "gone": 2.0}, "gone") == 2
