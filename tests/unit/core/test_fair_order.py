"""Who is next: callers take turns by cost, a loaded model may jump a little ahead, positions are exact."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fair_order import FairOrder
from core.line import FIRST, Key, Line
from tests.unit.core.fair_model import Model, ahead


def anything(_kind: str) -> bool:
    return True


def nothing(_kind: str) -> bool:
    return False


def served(
    order: FairOrder[str],
    *,
    loaded: str = "",
    slack: float = 0.0,
    accepts: Callable[[str], bool] = anything,
) -> list[str]:
    """Everything that waits of these kinds, as one backend would get it."""
    ids = []
    while (id := order.take(accepts, lambda kind: kind == loaded, slack)) is not None:
        ids.append(id)
    return ids


def backlog(order: FairOrder[str], caller: str, count: int, *, cost: float = 1.0, kind: str = "") -> None:
    for number in range(1, count + 1):
        order.add(f"{caller}{number}", caller, cost, kind)


def test_one_with_many_jobs_and_one_with_a_single_job_take_turns() -> None:
    order: FairOrder[str] = FairOrder()
    backlog(order, "a", 4)
    backlog(order, "b", 1)

    assert served(order) == ["a1", "b1", "a2", "a3", "a4"]


def test_a_turn_is_as_long_as_its_cost() -> None:
    order: FairOrder[str] = FairOrder()
    backlog(order, "a", 2, cost=4)
    backlog(order, "b", 5, cost=1)

    assert served(order) == ["a1", "b1", "b2", "b3", "b4", "a2", "b5"]


def test_who_was_away_gets_no_credit_for_it() -> None:
    order: FairOrder[str] = FairOrder()
    backlog(order, "a", 9)
    for _ in range(5):
        order.take(anything, nothing, 0)
    backlog(order, "b", 3)

    assert served(order) == ["b1", "a6", "b2", "a7", "b3", "a8", "a9"]


def test_when_nothing_waits_all_begin_anew() -> None:
    order: FairOrder[str] = FairOrder()
    backlog(order, "a", 9)
    served(order)
    order.add("late a", "a", 1, "")
    order.add("late b", "b", 1, "")

    assert served(order) == ["late a", "late b"], "what a had before the pause is not held against it"


def test_callers_with_equal_claims_keep_their_turns_however_their_jobs_arrive() -> None:
    order: FairOrder[str] = FairOrder()
    order.add("a1", "a", 1, "")
    order.add("b1", "b", 1, "")
    order.add("b2", "b", 1, "")
    order.add("a2", "a", 1, "")

    assert served(order) == ["a1", "b1", "a2", "b2"], "a did not have to be quicker than b for its turn"


def test_a_cancelled_job_gives_its_cost_back_to_the_later_jobs_of_its_caller() -> None:
    order: FairOrder[str] = FairOrder()
    order.add("a dear", "a", 10, "")
    order.add("a1", "a", 1, "")
    backlog(order, "b", 3)
    order.remove("a dear")
    order.add("a2", "a", 1, "")

    assert served(order) == ["a1", "b1", "a2", "b2", "b3"]


def test_a_refund_is_no_credit_for_what_was_never_delayed() -> None:
    """Else one could put jobs that nobody can paint now, and cancel one after each picture."""
    order: FairOrder[str] = FairOrder()
    order.add("a stuck", "a", 1, "rare")
    backlog(order, "b", 9)
    for _ in range(4):
        order.take(lambda kind: kind != "rare", nothing, 0)
    order.add("a dear", "a", 3, "")
    while order.take(lambda kind: kind != "rare", nothing, 0) != "a dear":
        pass
    order.remove("a stuck")
    order.add("a next", "a", 1, "")

    assert served(order) == ["b5", "b6", "b7", "a next", "b8", "b9"]


def test_what_leaves_together_is_moved_up_once_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a client with a thousand requests breaks off: that stopped everything for three seconds."""
    order: FairOrder[str] = FairOrder()
    backlog(order, "gone", 1000)
    backlog(order, "here", 1)
    moved: list[Key] = []
    add = Line.add

    def noted(line: Line, key: Key, cost: float) -> None:
        moved.append(key)
        add(line, key, cost)

    monkeypatch.setattr(Line, "add", noted)
    for number in range(1, 1001):
        order.remove(f"gone{number}")
    assert len(order) == 1
    assert ahead(order, "here1") == (0, 0.0)
    assert len(moved) < 1000


def test_a_backend_gets_only_what_it_accepts() -> None:
    order: FairOrder[str] = FairOrder()
    order.add("anime", "a", 1, "anime")
    order.add("photo", "a", 1, "photo")

    assert order.take(lambda kind: kind == "photo", nothing, 0) == "photo"
    assert order.take(lambda kind: kind == "photo", nothing, 0) is None
    assert len(order) == 1


def test_the_loaded_model_goes_first_until_the_slack_is_used_up() -> None:
    order: FairOrder[str] = FairOrder()
    backlog(order, "a", 2, kind="anime")
    for caller in "pqrst":
        backlog(order, caller, 1, kind="photo")

    assert served(order, loaded="photo", slack=3) == ["p1", "q1", "r1", "a1", "s1", "t1", "a2"]


def test_without_slack_a_loaded_model_changes_nothing() -> None:
    order: FairOrder[str] = FairOrder()
    backlog(order, "a", 1, kind="anime")
    backlog(order, "p", 1, kind="photo")

    assert served(order, loaded="photo", slack=0) == ["a1", "p1"]


def keeps_waiting(wishes: dict[tuple[str, str], int], *, pictures: int = 400) -> Counter[str]:
    """Who gets how many of one server where each always has so many waiting for a model."""
    order: FairOrder[str] = FairOrder()
    of: dict[str, tuple[str, str]] = {}
    loaded = {""}
    served: Counter[str] = Counter()
    for _ in range(pictures):
        for wish, count in wishes.items():
            for _ in range(count - list(of.values()).count(wish)):
                id = f"job {order._arrivals}"
                of[id] = wish
                order.add(id, wish[0], 1.0, wish[1])
        caller, model = of.pop(order.take(anything, loaded.__contains__, 4.0) or "")
        served[caller] += 1
        loaded = {model}
    return served


@pytest.mark.parametrize("kept", [1, 5, 20])
@pytest.mark.parametrize("wish", ["alpha", "other"])
def test_who_keeps_many_models_waiting_takes_turns_with_who_keeps_one_picture(kept: int, wish: str) -> None:
    """Whatever is preferred since its model is loaded."""
    heavy = {("heavy", model): kept for model in ("alpha", "beta", "gamma")}
    served = keeps_waiting(heavy | {("light", wish): 1})
    assert abs(served["heavy"] - served["light"]) <= 6


def test_a_loaded_model_goes_no_further_ahead_than_the_slack() -> None:
    """So that nobody gets far ahead of the others."""
    order: FairOrder[str] = FairOrder()
    order.add("large", "heavy", 4.5, "photo")
    order.add("small", "heavy", 0.5, "photo")
    order.add("another's", "light", 1.0, "anime")

    assert served(order, loaded="photo", slack=4) == ["large", "another's", "small"]


def test_a_newcomer_was_not_passed_over_by_what_was_taken_before() -> None:
    """Also where the one behind it was."""
    order: FairOrder[str] = FairOrder()
    order.add("a1", "a", 1.0, "rare")
    order.add("a2", "a", 0.5, "rare")
    order.add("a3", "a", 2.0, "photo")
    assert order.take(anything, lambda kind: kind == "photo", 2) == "a3"
    assert order.take(anything, nothing, 2) == "a1"
    order.add("newcomer", "b", 1.0, "rare")
    order.add("another", "c", 1.0, "photo")

    assert served(order, loaded="photo", slack=2) == ["another", "newcomer", "a2"]


def test_a_job_is_not_passed_over_by_what_stood_before_it() -> None:
    order: FairOrder[str] = FairOrder()
    order.add("n1", "n", 1.0, "anime")
    order.add("a1", "a", 0.5, "photo")
    order.add("b1", "b", 1.0, "anime")
    assert order.take(anything, lambda kind: kind == "photo", 1) == "a1", "before n1, but not before b1"
    order.add("c1", "c", 1.0, "photo")

    assert served(order, loaded="photo", slack=1) == ["n1", "c1", "b1"]


def test_a_newcomer_hides_nobody_behind_it_who_was_passed_over() -> None:
    order: FairOrder[str] = FairOrder()
    order.add("a1", "a", 1.0, "anime")
    order.add("c1", "c", 0.5, "anime")
    assert order.take(anything, nothing, 2) == "a1"
    order.add("a2", "a", 1.0, "photo")
    order.add("c2", "c", 1.0, "anime")
    order.add("b1", "b", 0.5, "rare")
    assert order.take(anything, lambda kind: kind == "rare", 2) == "b1"
    assert order.take(anything, lambda kind: kind == "photo", 2) == "a2"
    order.add("newcomer", "d", 1.0, "anime")
    order.add("b2", "b", 2.0, "photo")

    assert served(order, loaded="photo", slack=2) == ["c1", "newcomer", "c2", "b2"]


def test_a_loaded_model_goes_far_ahead_of_its_callers_own_jobs() -> None:
    """Who is alone with pictures of many models has each loaded once in a while, and not for each picture."""
    order: FairOrder[str] = FairOrder()
    for number in range(1, 4):
        for model in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta"):
            order.add(f"{model}{number}", "one", 1.0, model)

    first = [order.take(anything, lambda kind: kind == "zeta", 4) for _ in range(3)]
    assert first == ["zeta1", "zeta2", "zeta3"]


def test_a_job_that_came_after_a_jump_was_not_passed_over_by_it() -> None:
    order: FairOrder[str] = FairOrder()
    order.add("a1", "a", 1, "anime")
    for caller in "pqr":
        backlog(order, caller, 1, kind="photo")
    first = [order.take(anything, lambda kind: kind == "photo", 3) for _ in "pqr"]
    order.add("b1", "b", 1, "anime")
    for caller in "stu":
        backlog(order, caller, 1, kind="photo")

    assert first == ["p1", "q1", "r1"]
    assert served(order, loaded="photo", slack=3) == ["a1", "s1", "t1", "u1", "b1"]


def test_virtual_time_never_falls() -> None:
    """Else, after a job that only a slow backend could do, a newcomer would go before who has waited."""
    order: FairOrder[str] = FairOrder()
    order.add("a rare", "a", 1, "rare")
    backlog(order, "b", 6)
    for _ in range(4):
        order.take(lambda kind: kind != "rare", nothing, 0)
    assert order.take(lambda kind: kind == "rare", nothing, 0) == "a rare"
    order.add("c1", "c", 1, "")
    order.add("c2", "c", 1, "")

    assert served(order) == ["c1", "b5", "c2", "b6"]


def test_what_held_up_a_cancelled_job_still_holds_up_those_behind_it() -> None:
    order: FairOrder[str] = FairOrder()
    order.add("a stuck", "a", 1, "rare")
    backlog(order, "b", 9)
    for _ in range(4):
        order.take(lambda kind: kind != "rare", nothing, 0)
    for id, cost in (("a dear", 3), ("a cancelled", 1), ("a last", 1)):
        order.add(id, "a", cost, "")
    while order.take(lambda kind: kind != "rare", nothing, 0) != "a dear":
        pass
    order.remove("a cancelled")
    order.remove("a stuck")

    assert served(order) == ["b5", "b6", "b7", "a last", "b8", "b9"]


def test_position_counts_the_jobs_that_compete() -> None:
    order: FairOrder[str] = FairOrder()
    order.add("a1", "a", 2, "anime")
    order.add("b1", "b", 3, "photo")
    order.add("c1", "c", 1, "anime")

    assert ahead(order, "c1") == (2, 5.0)
    assert ahead(order, "c1", "anime".__eq__) == (1, 2.0)


def test_callers_are_forgotten_while_the_line_never_empties() -> None:
    order: FairOrder[str] = FairOrder()
    backlog(order, "steady", 2)
    for number in range(5000):
        order.add(f"job {number}", f"passer-by {number}", 1, "")
        if number % 2:
            order.add(f"steady {number}", "steady", 1, "")
        while len(order) > 2:
            order.take(anything, nothing, 0)

    assert len(order._shares) <= 64, "what is said of callers who have gone costs memory for ever"
    served(order)
    assert not order._shares


# --- lines that lag behind V


def lagging(order: FairOrder[str], *slow: tuple[str, str, float]) -> None:
    """These jobs (id, caller, cost) wait in the line `slow` while V goes on with another one, to 20."""
    for id, caller, cost in slow:
        order.add(id, caller, cost, "slow")
    backlog(order, "busy", 22, kind="fast")
    for _ in range(21):
        order.take("fast".__eq__, nothing, 0)


def newcomer(
    order: FairOrder[str], id: str, *, cost: float = 1.0, kind: str = "slow", caller: str = ""
) -> None:
    order.add(id, caller or id, cost, kind, {"slow", "slow too"}.__contains__)


def slow(order: FairOrder[str]) -> list[str]:
    """All of that line and of the one that the same backends can do, as they would get it."""
    return served(order, accepts=lambda kind: kind != "fast")


def test_where_a_line_lags_a_newcomer_takes_turns_with_those_who_have_waited_for_long() -> None:
    """Else all that came before would be served first, since V goes with the fastest line."""
    order: FairOrder[str] = FairOrder()
    lagging(order, *((f"a{number}", "a", 1.0) for number in range(1, 6)), ("b1", "b", 1.0), ("b2", "b", 1.0))
    newcomer(order, "c1", caller="c")
    newcomer(order, "d1", caller="d")
    newcomer(order, "c2", caller="c")

    assert slow(order) == ["a1", "b1", "c1", "d1", "a2", "b2", "c2", "a3", "a4", "a5"]


def test_where_a_line_lags_a_newcomer_stands_right_behind_the_one_that_goes_before_it() -> None:
    """Also where others have come behind that one before: these take turns with it as well."""
    order: FairOrder[str] = FairOrder()
    lagging(order, ("a1", "a", 1.0), ("a2", "a", 9.0))
    for number in range(1, 4):
        newcomer(order, f"b{number}", caller="b")
    many = [f"c{number}" for number in range(40)]
    for id in many:
        newcomer(order, id)

    assert slow(order) == ["a1", "b1", *many, "b2", "b3", "a2"]


def test_where_a_line_lags_a_dear_job_waits_for_as_much_work_of_each_other_caller() -> None:
    order: FairOrder[str] = FairOrder()
    lagging(order, *((f"a{number}", "a", 1.0) for number in range(1, 6)))
    newcomer(order, "cheap", cost=0.5)
    newcomer(order, "dear", cost=3.0)

    assert slow(order) == ["cheap", "a1", "a2", "a3", "dear", "a4", "a5"]


def test_where_a_line_lags_a_newcomer_passes_nobody_who_has_had_less() -> None:
    """As who came when another backend could do it as well, which is gone."""
    order: FairOrder[str] = FairOrder()
    lagging(order, *((f"a{number}", "a", 1.0) for number in range(1, 4)))
    order.add("b1", "b", 1.0, "slow too")
    newcomer(order, "c1")

    assert slow(order) == ["a1", "a2", "a3", "b1", "c1"]


def test_where_a_line_lags_who_comes_later_than_a_newcomers_start_is_nothing_to_it() -> None:
    order: FairOrder[str] = FairOrder()
    order.add("c waits elsewhere", "c", 1.0, "")
    lagging(order, *((f"a{number}", "a", 1.0) for number in range(1, 4)))
    order.add("elsewhere", "d", 9.0, "fast")
    newcomer(order, "d1", caller="d")
    newcomer(order, "c1", caller="c")

    assert order.take("slow".__eq__, nothing, 0) == "a1"
    assert order.take("slow".__eq__, nothing, 0) == "c1"


def test_who_has_had_more_than_others_elsewhere_takes_no_turn_in_a_line_that_lags() -> None:
    order: FairOrder[str] = FairOrder()
    lagging(order, *((f"a{number}", "a", 1.0) for number in range(1, 4)))
    order.add("elsewhere", "c", 9.0, "fast")
    newcomer(order, "c1", caller="c")

    assert slow(order) == ["a1", "a2", "a3", "c1"]


def test_where_a_line_lags_who_has_much_waiting_there_goes_on_taking_turns() -> None:
    order: FairOrder[str] = FairOrder()
    lagging(order, *((f"{id[0]}{id[1]}", id[0], 1.0) for id in ("a1", "b1", "a2", "b2", "b3", "b4", "b5")))
    newcomer(order, "a3", caller="a")
    newcomer(order, "a4", caller="a")

    assert slow(order) == ["a1", "b1", "a2", "b2", "b3", "a3", "b4", "a4", "b5"]


def test_where_a_line_lags_nobody_passes_ones_own_jobs() -> None:
    order: FairOrder[str] = FairOrder()
    lagging(order, *((f"a{number}", "a", 1.0) for number in range(1, 6)))
    order.add("elsewhere", "c", 9.0, "fast")
    newcomer(order, "c1", caller="c")
    backlog(order, "busy too", 40, kind="fast")
    for _ in range(40):
        order.take("fast".__eq__, nothing, 0)
    newcomer(order, "c2", caller="c")

    assert slow(order)[-2:] == ["c1", "c2"]


def test_where_a_line_lags_nobody_stands_later_than_at_the_start() -> None:
    order: FairOrder[str] = FairOrder()
    lagging(order, ("a1", "a", 1.0), ("a2", "a", 1.0))
    for number in range(1, 6):
        newcomer(order, f"b{number}", caller="b")
    newcomer(order, "dear", cost=3.0)

    assert slow(order) == ["a1", "b1", "a2", "dear", "b2", "b3", "b4", "b5"]


def test_turns_are_taken_with_all_kinds_that_compete() -> None:
    order: FairOrder[str] = FairOrder()
    lagging(order, *((f"a{number}", "a", 1.0) for number in range(1, 4)))
    newcomer(order, "c1", kind="slow too", caller="c")
    order.add("d1", "d", 1.0, "others can do it as well")

    assert slow(order) == ["a1", "c1", "a2", "a3", "d1"]


def test_a_cancelled_job_gives_its_cost_back_also_where_turns_were_taken() -> None:
    """Who stands where turns are taken stays there; later jobs move up."""
    order: FairOrder[str] = FairOrder()
    lagging(order, *((f"a{number}", "a", 1.0) for number in range(1, 4)))
    newcomer(order, "c1", caller="c")
    newcomer(order, "c2", caller="c")
    order.add("c3", "c", 1.0, "fast")
    order.remove("c1")

    assert slow(order) == ["a1", "a2", "c2", "a3"]
    assert order.take(anything, nothing, 0) == "busy22"
    order.add("d1", "d", 1.0, "fast")
    assert order.take(anything, nothing, 0) == "c3"


def test_a_refund_takes_a_job_from_its_turn_to_its_start_where_that_is_sooner() -> None:
    order: FairOrder[str] = FairOrder()
    lagging(order, *((f"a{number}", "a", 1.0) for number in range(40)))
    order.add("dear", "c", 25.0, "fast")
    newcomer(order, "c1", caller="c")
    order.remove("dear")

    assert slow(order)[19:23] == ["a19", "a20", "c1", "a21"], "V is 20"


class Wish(NamedTuple):
    """What a caller always has waiting."""

    caller: str
    kind: str
    kept: int = 1
    cost: float = 1.0


def painted_slowly(wishes: list[Wish], *, faster: int, turns: int = 200) -> Counter[str]:
    """Cost units of each caller that the server for `slow` painted; `light` comes after a fifth of the time.

    A turn is a cost unit there, and `faster` of them on the server for `fast`.
    """
    order: FairOrder[str] = FairOrder()
    painted: Counter[str] = Counter()
    waiting: Counter[Wish] = Counter()
    busy = {"slow": 0.0, "fast": 0.0}
    for turn in range(turns):
        if turn == turns // 5:
            wishes = [*wishes, Wish("light", "slow")]
            painted.clear()
        for kind, speed in (("fast", faster), ("slow", 1)):
            busy[kind] -= speed
            while busy[kind] < 0:
                for number, wish in enumerate(wishes):
                    while waiting[wish] < wish.kept:
                        order.add(f"{number} {order._arrivals}", wish.caller, wish.cost, wish.kind)
                        waiting[wish] += 1
                wish = wishes[int((order.take(kind.__eq__, nothing, 4.0) or "").split()[0])]
                waiting[wish] -= 1
                busy[kind] += wish.cost
                painted[wish.caller] += int(wish.cost) if kind == "slow" else 0
    return painted


@pytest.mark.parametrize("kept", [1, 5, 50])
@pytest.mark.parametrize(("busy", "faster"), [(1, 1), (1, 10), (3, 2), (3, 4)])
def test_who_keeps_much_waiting_for_a_slow_server_gets_no_more_than_who_keeps_one_picture(
    kept: int, busy: int, faster: int
) -> None:
    """Two servers with a model each; `busy` callers have the faster one to themselves."""
    wishes = [Wish("heavy", "slow", kept), *(Wish(f"busy{number}", "fast", 5) for number in range(busy))]
    painted = painted_slowly(wishes, faster=faster)
    assert abs(painted["heavy"] - painted["light"]) <= 2


@pytest.mark.parametrize(
    "wishes",
    [
        pytest.param([Wish("other", "slow", cost=12.0)], id="twelve times as dear"),
        pytest.param([Wish("other", "slow", 50), Wish("dear", "slow", cost=10.0)], id="a dear one waits"),
        pytest.param([Wish("other", "slow", 50), Wish("b", "slow"), Wish("b", "fast", 20)], id="elsewhere"),
        pytest.param([Wish("other", "slow", 12), Wish("dear", "slow", 5, cost=12.0)], id="dear ones wait"),
        pytest.param([Wish(f"other{number}", "slow", 100) for number in range(6)], id="hundreds wait"),
    ],
)
def test_who_keeps_one_picture_waiting_for_a_slow_server_gets_as_much_of_it_as_others(
    wishes: list[Wish],
) -> None:
    painted = painted_slowly([*wishes, Wish("busy", "fast", 5)], faster=10, turns=1000)
    others = [work for caller, work in painted.items() if caller.startswith("other")]
    assert painted["light"] >= 0.95 * max(others)


def test_where_a_line_lags_newcomers_go_before_a_dear_job_for_as_much_work_as_it_is() -> None:
    """However many come, and also where its caller has asked for more elsewhere: then for that as well."""
    order: FairOrder[str] = FairOrder()
    lagging(order, ("a1", "a", 1.0))
    newcomer(order, "dear", cost=5.0)
    order.add("elsewhere", "b", 6.0, "fast")
    newcomer(order, "b1", caller="b")
    backlog(order, "busy too", 20, kind="fast")
    for _ in range(20):
        order.take("fast".__eq__, nothing, 0)
    for number in range(1, 10):
        newcomer(order, f"c{number}")

    assert slow(order)[:9] == ["a1", "c1", "c2", "c3", "c4", "dear", "c5", "c6", "b1"]


def test_where_a_line_lags_who_cancels_has_gone_before_nobody() -> None:
    """Else one who puts and cancels again and again lets nobody else go before a friend's dear pictures."""
    order: FairOrder[str] = FairOrder()
    lagging(order, ("a1", "a", 1.0))
    newcomer(order, "dear", cost=5.0)
    for number in range(9):
        newcomer(order, f"gone{number}", caller="gone")
        order.remove(f"gone{number}")
    for number in range(1, 6):
        newcomer(order, f"c{number}")

    assert slow(order) == ["a1", "c1", "c2", "c3", "c4", "dear", "c5"]


# --- properties

CALLERS = "abc"
COSTS = st.sampled_from([0.25, 0.5, 1.0, 2.0, 5.0])  # their sums are exact
ADDS_AND_TAKES = st.lists(
    st.one_of(st.sampled_from(CALLERS), st.tuples(st.sampled_from(CALLERS), COSTS), st.none()),
    min_size=10,
    max_size=80,
)


class History:
    """One backend and one kind: who was served at which cost, and who had a backlog at that moment."""

    def __init__(self, steps: list[str | tuple[str, float] | None], *, equal: bool) -> None:
        order: FairOrder[str] = FairOrder()
        owners: dict[str, tuple[str, float]] = {}
        self.served: list[tuple[str, float]] = []
        self.backlogged: list[frozenset[str]] = []
        waiting: Counter[str] = Counter()
        for number, step in enumerate([*steps, *[None] * len(steps)]):
            if step is not None:
                caller, cost = step if isinstance(step, tuple) else (step, 1.0)
                owners[str(number)] = (caller, 1.0 if equal else cost)
                waiting[caller] += 1
                order.add(str(number), caller, owners[str(number)][1], "")
            elif order:
                self.backlogged.append(frozenset(+waiting))
                self.served.append(owners[order.take(anything, nothing, 0) or ""])
                waiting[self.served[-1][0]] -= 1

    def worst_lead(self, one: str, other: str) -> float:
        """By how much one was ever ahead of the other, over any interval in which both had a backlog."""
        worst = lead = 0.0
        for (caller, cost), backlogged in zip(self.served, self.backlogged, strict=True):
            lead = max(0.0, lead) if {one, other} <= backlogged else float("-inf")
            lead = lead if lead >= 0 else 0.0
            if {one, other} <= backlogged:
                lead += cost if caller == one else -cost if caller == other else 0.0
                worst = max(worst, lead)
        return worst

    def largest(self, caller: str) -> float:
        return max((cost for who, cost in self.served if who == caller), default=0.0)


@given(ADDS_AND_TAKES)
def test_with_equal_costs_a_caller_with_a_backlog_never_trails_another_by_more_than_one_job(
    steps: list[str | tuple[str, float] | None],
) -> None:
    history = History(steps, equal=True)
    for one, other in combinations(CALLERS, 2):
        assert history.worst_lead(one, other) <= 1
        assert history.worst_lead(other, one) <= 1


@given(ADDS_AND_TAKES)
def test_between_two_with_a_backlog_the_difference_is_at_most_the_sum_of_their_largest_costs(
    steps: list[str | tuple[str, float] | None],
) -> None:
    history = History(steps, equal=False)
    for one, other in combinations(CALLERS, 2):
        bound = history.largest(one) + history.largest(other)
        assert history.worst_lead(one, other) <= bound
        assert history.worst_lead(other, one) <= bound


KINDS = ("", "anime", "manga", "photo")
BACKENDS = (
    (("", "anime", "manga"), ("", "anime")),
    (("", "photo"), ("", "photo")),
    (KINDS, ("", "anime")),
)
"""What each of three backends accepts, and what it has loaded."""


def competes(one: str, other: str) -> bool:
    return any(one in accepted and other in accepted for accepted, _ in BACKENDS)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(CALLERS), COSTS, st.sampled_from(KINDS)),
        st.tuples(st.just("take"), st.integers(0, len(BACKENDS) - 1)),
        st.tuples(st.just("remove"), st.lists(st.integers(0, 1000), min_size=1, max_size=4)),
    ),
    min_size=25,
    max_size=60,
)


@given(STEPS, st.sampled_from([0.0, 0.5, 2.0, 4.0]))
@settings(max_examples=100)
def test_every_place_is_exact_and_nothing_is_passed_over_for_more_than_the_slack(
    steps: list[tuple[object, ...]], slack: float
) -> None:
    """Also after refunds: as if a cancelled job had never been put, but no earlier than V at arrival."""
    order: FairOrder[str] = FairOrder()
    model = Model()
    for number, (step, *details) in enumerate(steps):
        if step == "add":
            caller, cost, kind = details
            assert isinstance(caller, str)
            assert isinstance(cost, float)
            assert isinstance(kind, str)
            order.add(str(number), caller, cost, kind, partial(competes, kind))
            model.add(str(number), caller, cost, kind, competes)
        elif step == "take":
            accepted, loaded = BACKENDS[int(str(details[0]))]
            id = order.take(accepted.__contains__, loaded.__contains__, slack)
            able = [put.id for put in model.waiting if put.kind in accepted]
            assert (id is None) == (not able)
            if id is not None:
                assert slack > 0 or id == able[0]
                model.take(id, accepted.__contains__)
        else:
            (chosen,) = details
            assert isinstance(chosen, list)
            for place in chosen[: len(model.waiting)]:  # one after the other, and nobody looks in between
                id = model.waiting[place % len(model.waiting)].id
                order.remove(id)
                model.remove(id)

        assert len(order) == len(model.waiting)
        for put in model.waiting:
            assert ahead(order, put.id) == model.ahead(put.id)
        in_order = list(order.since(FIRST))
        assert [id for _, id, _, _ in in_order] == [put.id for put in model.waiting]
        for place, (key, *_) in enumerate(in_order):
            assert sum(count for count, _ in order.before(key).values()) == place
            assert list(order.since(key)) == in_order[place:]
        for put in model.puts:
            assert put.passed_over <= slack
    for put in model.waiting:
        assert ahead(order, put.id, ("", "anime").__contains__) == model.ahead(
            put.id, ("", "anime").__contains__
        )


def test_what_leaves_is_let_go_of_before_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody looks for a while: each caller's jobs may have to move up, which takes its time."""
    order: FairOrder[str] = FairOrder()
    for caller in "abc":
        backlog(order, caller, 4)
    monkeypatch.setattr("core.fair_order.MOST_TO_SETTLE", 8)
    for caller in "abc":
        order.remove(f"{caller}1")
    assert order._leaving == {"b": {"b1"}, "c": {"c1"}}
    assert served(order) == ["a2", "b2", "c2", "a3", "b3", "c3", "a4", "b4", "c4"]


def test_what_is_remembered_of_passes_stays_small() -> None:
    """It is looked at with each claim: what passed over newcomers who have gone is forgotten."""
    order: FairOrder[str] = FairOrder()
    for number in range(20):
        backlog(order, f"heavy {number} ", 50, kind="photo")
    order.add("far behind", "heavy 0 ", 1.0, "anime")
    while order.take(anything, nothing, 0) != "heavy 19 1":
        pass
    passes = 0
    for number in range(30):
        order.add(f"newcomer {number}", f"newcomer {number}", 1.0, "anime")
        while order.take(anything, lambda kind: kind == "photo", 4) != f"newcomer {number}":
            passes += 1
        assert len(order._passes["anime"]) <= 4
    assert passes == 20 * 4, "each of the heavy ones as far as the slack allows"


def test_who_came_once_is_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """While something waits that nobody can paint, V may stand still. Who waits is still remembered."""
    monkeypatch.setattr("core.fair_order.MOST_CALLERS", 100)
    order: FairOrder[str] = FairOrder()
    for number in range(300):
        order.add(f"stuck{number}", f"patient{number}", 1.0, "nobody's")
    for number in range(5000):
        order.add(f"job{number}", f"caller{number}", 1.0 + number % 7, "usual")
        assert order.take(lambda kind: kind == "usual", lambda _: False, 4.0) == f"job{number}"
    assert len(order._shares) <= 2 * (300 + 100)
    assert all(f"patient{number}" in order._shares for number in range(300))
