"""Seconds until a picture: none where nothing was measured, near what really happens, and monotone."""

import heapq
from itertools import pairwise
from random import Random
from statistics import fmean
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.eta import Outlook


class Server(NamedTuple):
    pace: float
    busy: float


def seconds_until_picture(cost: float, ahead: int, work: float, servers: list[Server]) -> float | None:
    return Outlook(servers).until_picture(cost, ahead, work)


def simulated(costs: list[float], servers: list[Server]) -> float:
    """When the last of these jobs is done, if each server takes the next job as soon as it is free."""
    free = [(server.busy, server.pace) for server in servers]
    heapq.heapify(free)
    done = 0.0
    for cost in costs:
        start, pace = heapq.heappop(free)
        done = start + cost * pace
        heapq.heappush(free, (done, pace))
    return done


def estimated(costs: list[float], servers: list[Server]) -> float:
    *before, own = costs
    eta = seconds_until_picture(own, len(before), sum(before), servers)
    assert eta is not None
    return eta


def test_nothing_is_said_before_a_pace_was_measured() -> None:
    assert seconds_until_picture(1.0, 3, 3.0, []) is None


def test_the_first_in_line_goes_to_the_server_that_is_free_first() -> None:
    assert seconds_until_picture(2.0, 0, 0.0, [Server(pace=3.0, busy=9.0), Server(pace=5.0, busy=1.0)]) == 11


def test_one_server_does_one_after_another() -> None:
    """With a single server the estimate is exact."""
    servers = [Server(pace=2.0, busy=3.0)]
    assert estimated([1.0, 4.0, 2.0], servers) == simulated([1.0, 4.0, 2.0], servers) == 17


SERVERS = st.lists(
    st.builds(Server, pace=st.floats(0.5, 4.0), busy=st.floats(0.0, 10.0)), min_size=1, max_size=5
)


@given(SERVERS, st.integers(1, 50), st.floats(0.1, 10.0), st.lists(st.floats(0.0, 100.0), min_size=2))
def test_more_work_ahead_never_takes_less_time(
    servers: list[Server], ahead: int, cost: float, works: list[float]
) -> None:
    etas = [seconds_until_picture(cost, ahead, work, servers) or 0.0 for work in sorted(works)]
    assert all(earlier <= later + 1e-9 for earlier, later in pairwise(etas))


@given(SERVERS, st.integers(0, 50), st.floats(0.0, 100.0), st.floats(0.1, 10.0))
def test_a_dearer_picture_takes_longer(servers: list[Server], ahead: int, work: float, cost: float) -> None:
    one, other = (seconds_until_picture(own, ahead, work, servers) or 0.0 for own in (cost, cost + 1))
    assert one < other


@given(SERVERS, st.integers(1, 50), st.floats(0.0, 100.0))
def test_a_server_that_is_busy_for_longer_is_no_help(servers: list[Server], ahead: int, work: float) -> None:
    first, *others = servers
    later = [Server(first.pace, first.busy + 5), *others]
    before, after = (seconds_until_picture(1.0, ahead, work, each) or 0.0 for each in (servers, later))
    assert before <= after + 1e-9


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_estimate_is_right_on_the_average(count: int) -> None:
    chance = Random(7)
    errors = []
    for _ in range(500):
        servers = [Server(pace=1.0, busy=chance.uniform(0, 2)) for _ in range(count)]
        costs = [chance.choice([0.5, 1.0, 2.0]) for _ in range(chance.randint(10, 30))]
        errors.append(estimated(costs, servers) - simulated(costs, servers))
    assert abs(fmean(errors)) < 0.2, "of some six seconds"


@pytest.mark.parametrize("paces", [(1.0,), (1.0, 1.0), (1.0, 1.0, 1.0), (0.5, 1.0, 1.5), (1.0, 2.0)])
@given(
    costs=st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=8, max_size=30),
    busy=st.lists(st.floats(0.0, 2.0), min_size=3, max_size=3),
)
def test_the_estimate_is_near_what_greedy_servers_do(
    paces: tuple[float, ...], costs: list[float], busy: list[float]
) -> None:
    """Within the longest job on the slowest server: who takes the last job is not known before."""
    servers = [Server(pace, rest) for pace, rest in zip(paces, busy, strict=False)]
    assert abs(estimated(costs, servers) - simulated(costs, servers)) <= 2.0 * max(paces) + 0.5
