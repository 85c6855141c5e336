"""A Line knows the first of its keys, and what stands before any place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import line as line_module
from core.line import FIRST, Line


def test_a_line_is_in_order_of_its_keys_and_adds_up_what_stands_before() -> None:
    line = Line()
    line.add((2.0, 1, 1), 5.0)
    line.add((0.5, 2, 2), 1.0)
    line.add((2.0, 1, 3), 7.0)

    assert line.first() == (0.5, 2, 2)
    assert line.ahead((2.0, 1, 3)) == (2, 6.0)
    assert line.ahead((9.0, 0, 0)) == (3, 13.0), "a key that is not here may be asked for, too"


def test_the_last_to_go_leaves_an_empty_line() -> None:
    line = Line()
    line.add((0.0, 1, 1), 1.0)
    line.remove((0.0, 1, 1))

    assert not line
    assert line.ahead((5.0, 1, 1)) == (0, 0.0)


STEPS = st.lists(st.tuples(st.sampled_from(["add", "add", "remove"]), st.integers(0, 40), st.integers(1, 9)))


@given(STEPS)
def test_a_line_agrees_with_a_sorted_list(steps: list[tuple[str, int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_module, "BLOCK", 3)  # so that a few keys already make many blocks
        line, model = Line(), dict[tuple[float, int, int], float]()
        for number, (step, tag, cost) in enumerate(steps):
            if step == "add":
                key = (tag / 4, number % 3, number)
                line.add(key, cost)
                model[key] = cost
            elif model:
                key = sorted(model)[tag % len(model)]
                line.remove(key)
                del model[key]
            ordered = sorted(model)
            assert len(line) == len(ordered)
            if ordered:
                assert line.first() == ordered[0]
            for place, key in enumerate([*ordered, (99.0, 0, 0)]):
                assert line.ahead(key) == (place, sum(model[before] for before in ordered[:place]))
                assert list(line.since(key)) == ordered[place:]
            assert list(line.since(FIRST)) == ordered
